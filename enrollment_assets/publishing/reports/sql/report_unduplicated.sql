-- The day in all terms together. Grain: one row, or none without an accepted snapshot. Binds: $day.
{% set of_one_day = true %}
{% include "totals_of_days.sql" %}
