-- name: weekly_enrollment_summary
-- stage: metrics
-- grain: One row per term and week, from Monday to Sunday
-- description: Mean headcount, adds, drops and continuation of each week.
-- kind: view
-- depends_on: enrollment_metrics
-- columns:
--   term: VARCHAR - Code of the term
--   week_start: DATE - Monday of the week
--   avg_enrollment: DOUBLE - Mean headcount of the week's snapshots
--   weekly_adds: HUGEINT - Students added in the week, counted once a day
--   weekly_drops: HUGEINT - Students dropped in the week, counted once a day
--   avg_retention: DOUBLE - Mean day-over-day continuation in percent

-- Weeks from Monday to Sunday: mean headcount, adds, drops, mean day-over-day continuation.
-- Grain: one row per term and week with an accepted snapshot. No binds.
SELECT
    term,
    date_trunc('week', date)::DATE AS week_start,
    avg(total_enrollment) AS avg_enrollment,
    sum(new_students) AS weekly_adds,
    sum(dropped_students) AS weekly_drops,
    avg(retention_rate) AS avg_retention
FROM enrollment.enrollment_metrics
GROUP BY ALL
