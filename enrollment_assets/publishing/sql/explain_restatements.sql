-- Figures of a bridge that changed after they were reported: the first reported value and the current one.
-- Grain: one row per day, dimension, segment and metric; dimension and segment are empty for the whole
-- term. Binds: $term, $first, $last (days, both inclusive), $dimensions (names).
-- An empty value: nothing had been reported, or the day was rejected.
SELECT
    date,
    dimension,
    metric,
    arg_min_null(old_value, restated_at)::BIGINT AS reported,
    arg_max_null(new_value, restated_at)::BIGINT AS restated
FROM enrollment.metric_restatements
WHERE term = $term
    AND date BETWEEN $first AND $last
    AND (dimension IS NULL OR list_contains($dimensions::VARCHAR[], dimension))
    AND metric IN (
        'total_enrollment', 'new_students', 'returning_students', 'dropped_students',
        'moved_students', 'moved_in', 'moved_out'
    )
GROUP BY date, dimension, segment, metric
HAVING reported IS DISTINCT FROM restated
ORDER BY date, dimension NULLS FIRST, segment, metric
