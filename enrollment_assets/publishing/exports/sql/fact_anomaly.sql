-- name: fact_anomaly
-- stage: exports
-- grain: One row per day, term and series; withheld segments have no name and no figures
-- description: What was usual on each day, and what was not.
-- depends_on: enrollment_anomalies, enrollment_metrics, segment_disclosure, segment_metrics,
--   segment_point_in_time
-- binds: first, last
-- columns:
--   segment_key: "VARCHAR - Dimension and segment: key of dim_segment"
--   <enrollment_anomalies>: the columns of that table

-- Export: what was usual and what was not. Grain: one row per day, term and series. Binds: $first, $last
-- (days, both inclusive).
SELECT *, dimension || '=' || segment AS segment_key
FROM (
    {% include "published_anomalies.sql" %}
)
ORDER BY date, term, dimension NULLS FIRST, segment, series
