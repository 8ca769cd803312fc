-- The segments of one day that are large enough to be shown.
-- Grain: one row per term, dimension and segment. Binds: $day, $small_cell (segments with fewer
-- students are left out).
SELECT term, dimension, segment, total_enrollment
FROM enrollment.segment_metrics
WHERE date = $day AND total_enrollment >= $small_cell
ORDER BY term, dimension, total_enrollment DESC, segment
