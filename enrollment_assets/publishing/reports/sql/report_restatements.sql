-- Figures of a day that changed after its report was written: what was reported first, and the value now.
-- Grain: one row per term, dimension, segment and metric. Binds: $day.
SELECT
    term,
    dimension,
    metric,
    arg_min_null(old_value, restated_at) AS reported,
    arg_max_null(new_value, restated_at) AS restated,
    max(epoch(restated_at)) AS restated_at
FROM enrollment.metric_restatements
WHERE date = $day
GROUP BY term, dimension, segment, metric
HAVING reported IS DISTINCT FROM restated
ORDER BY term, dimension NULLS FIRST, metric
