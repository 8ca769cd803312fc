-- name: fact_total_daily
-- stage: exports
-- grain: One row per day with an accepted snapshot
-- description: "All terms of a day together: students who are in two terms are counted once."
-- depends_on: enrollment_snapshots, snapshot_log
-- columns:
--   <enrollment_totals>: the columns of that table

-- Export: the unduplicated headcount. Grain: one row per day with an accepted snapshot. No binds.
{% include "totals_of_days.sql" %}
ORDER BY date
