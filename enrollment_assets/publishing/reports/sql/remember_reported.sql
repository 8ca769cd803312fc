-- The figures of a day as they are reported. Grain: one row per figure. Binds: $day.
INSERT INTO operations.reported_figures BY NAME
WITH days AS (SELECT $day::DATE AS date)

{% include "current_figures.sql" %}
