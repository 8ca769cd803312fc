-- name: monthly_enrollment_summary
-- stage: insight
-- grain: One row per term and calendar month
-- description: Mean headcount, adds, drops and continuation of each month.
-- kind: view
-- depends_on: enrollment_metrics
-- columns:
--   term: VARCHAR - Code of the term
--   month_start: DATE - First day of the month
--   avg_enrollment: DOUBLE - Mean headcount of the month's snapshots
--   monthly_adds: HUGEINT - Students added in the month, counted once a day
--   monthly_drops: HUGEINT - Students dropped in the month, counted once a day
--   avg_retention: DOUBLE - Mean day-over-day continuation in percent

-- Calendar months: mean headcount, adds, drops, mean day-over-day continuation.
-- Grain: one row per term and month with an accepted snapshot. No binds.
SELECT
    term,
    date_trunc('month', date)::DATE AS month_start,
    avg(total_enrollment) AS avg_enrollment,
    sum(new_students) AS monthly_adds,
    sum(dropped_students) AS monthly_drops,
    avg(retention_rate) AS avg_retention
FROM enrollment.enrollment_metrics
GROUP BY ALL
