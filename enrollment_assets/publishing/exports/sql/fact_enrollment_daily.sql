-- name: fact_enrollment_daily
-- stage: exports
-- grain: One row per day and term with an accepted snapshot
-- description: Headcount, movement and rates of each day, with the same point of the comparison
--   term.
-- depends_on: enrollment_metrics, point_in_time
-- without: note
-- columns:
--   <enrollment_metrics>: the columns of that table
--   <point_in_time>: the columns of that table
--   comparison_note: VARCHAR - What the comparison lacks

-- Export: headcount, movement and rates of each day, with the same point of the comparison term.
-- Grain: one row per day and term with an accepted snapshot. No binds.
SELECT
    metrics.*,
    compared.* EXCLUDE (date, term, days_to_start, total_enrollment, note),
    compared.note AS comparison_note
FROM enrollment.enrollment_metrics AS metrics
LEFT JOIN enrollment.point_in_time AS compared USING (date, term)
ORDER BY metrics.date, metrics.term
