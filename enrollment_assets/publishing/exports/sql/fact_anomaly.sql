-- Export: what was usual and what was not. Grain: one row per day, term and series. Binds: $first, $last
-- (days, both inclusive).
SELECT *, dimension || '=' || segment AS segment_key
FROM (
    {% include "published_anomalies.sql" %}
)
ORDER BY date, term, dimension NULLS FIRST, segment, series
