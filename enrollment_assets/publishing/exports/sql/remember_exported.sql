-- The figures of days that no report or export had before. Grain: one row per figure. No binds.
INSERT INTO operations.reported_figures BY NAME
WITH days AS (
    SELECT DISTINCT date
    FROM enrollment.enrollment_metrics
    ANTI JOIN operations.reported_figures USING (date)
)

{% include "current_figures.sql" %}
