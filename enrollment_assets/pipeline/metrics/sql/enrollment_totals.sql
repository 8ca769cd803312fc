-- name: enrollment_totals
-- stage: metrics
-- grain: One row per day with an accepted snapshot
-- description: "All terms of a day together: students who are in two terms are counted once."
-- kind: view
-- depends_on: enrollment_snapshots, snapshot_log
-- columns:
--   date: DATE - Day of the snapshots
--   open_terms: BIGINT - Terms with an accepted snapshot of the day
--   total_enrollment: BIGINT - Sum of the terms' headcounts
--   unduplicated_enrollment: BIGINT - Distinct students in any of the terms; empty where rows were pruned

-- The unduplicated headcount: distinct students over the open terms of a day.
-- Grain: one row per day with an accepted snapshot. No binds. A day of which some rows were pruned has no
-- such count any more: reports and exports that were made before keep it.
{% include "totals_of_days.sql" %}
