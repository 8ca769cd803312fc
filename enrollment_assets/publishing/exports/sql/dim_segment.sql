-- Export: the segments that facts speak of. Grain: one row per dimension and segment. Binds: $first, $last
-- (days, both inclusive).
SELECT DISTINCT dimension || '=' || segment AS segment_key, dimension, segment
FROM (
    {% include "published_segments.sql" %}
)
ORDER BY dimension, segment
