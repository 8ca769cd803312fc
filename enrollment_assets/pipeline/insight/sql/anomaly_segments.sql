-- Daily figures of segments in which unusual days are detected. Grain: one row per day, term, dimension and segment. Binds: $terms (codes),
-- $last (day, inclusive).
SELECT *
FROM enrollment.segment_metrics
WHERE list_contains($terms::VARCHAR[], term) AND date <= $last
ORDER BY term, date, dimension, segment
