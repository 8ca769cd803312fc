-- Headcounts of every term up to a day. Grain: one row per term and day with a snapshot. Binds: $last.
SELECT term, date, total_enrollment::DOUBLE AS total
FROM enrollment.enrollment_metrics
WHERE date <= $last
ORDER BY term, date
