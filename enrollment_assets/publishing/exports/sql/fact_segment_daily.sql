-- Export: the segments as they may leave the warehouse. Grain: one row per day, term, dimension and segment.
-- Binds: $first, $last (days, both inclusive).
SELECT *, dimension || '=' || segment AS segment_key
FROM (
    {% include "published_segments.sql" %}
)
ORDER BY date, term, dimension, segment
