-- name: dim_segment
-- stage: exports
-- grain: One row per dimension and segment
-- description: The segments that facts name.
-- depends_on: enrollment_metrics, segment_disclosure, segment_metrics, segment_point_in_time
-- binds: first, last
-- columns:
--   segment_key: VARCHAR - Dimension and segment (key)
--   dimension: VARCHAR - Name of the dimension
--   segment: VARCHAR - Value of the dimension

-- Export: the segments that facts speak of. Grain: one row per dimension and segment. Binds: $first, $last
-- (days, both inclusive).
SELECT DISTINCT dimension || '=' || segment AS segment_key, dimension, segment
FROM (
    {% include "published_segments.sql" %}
)
ORDER BY dimension, segment
