-- Headcounts of segments. Grain: one row per day, term, dimension and segment with students.
-- Binds: $first, $last (days, both inclusive).
SELECT date, term, dimension, segment, total_enrollment
FROM enrollment.segment_metrics
WHERE date BETWEEN $first AND $last AND total_enrollment > 0
ORDER BY date, term, dimension, segment
