-- Daily figures in which unusual days are detected. Grain: one row per day and term. Binds: $terms (codes),
-- $last (day, inclusive).
SELECT *
FROM enrollment.enrollment_metrics
WHERE list_contains($terms::VARCHAR[], term) AND date <= $last
ORDER BY term, date
