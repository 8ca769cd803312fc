-- Anomalies as they may leave the warehouse. Grain: one row per day, term and series; of segments that are
-- withheld one row per day and term in all, without name and figures. Binds: $first, $last (days, both
-- inclusive).
-- A segment is published if it is shown on the day and at its baseline, see `published_segments`; its adds
-- and drops have no figures, since flows of segments are not published and may be small. An explanation that
-- names another segment is cut off before the name.
WITH segments AS (
    SELECT date, term, dimension, segment
    FROM (
        {% include "published_segments.sql" %}
    )
    WHERE net_change IS NOT NULL
),

marked AS (
    SELECT
        anomalies.*,
        anomalies.dimension IS NULL OR segments.date IS NOT NULL AS is_published,
        anomalies.dimension IS NULL OR starts_with(anomalies.series, 'net_change ') AS has_figures,
        contains(explanation, ' accounts for ') AND NOT EXISTS (
            SELECT 1 FROM segments AS named
            WHERE named.date = anomalies.date
                AND named.term = anomalies.term
                AND contains(
                    explanation, ': ' || named.dimension || ' ' || named.segment || ' accounts for '
                )
        ) AS names_another
    FROM enrollment.enrollment_anomalies AS anomalies
    LEFT JOIN segments USING (date, term, dimension, segment)
    WHERE anomalies.date BETWEEN $first AND $last
)

SELECT
    date, term, series, dimension, segment,
{% for figure in ("observed", "expected", "lower", "upper", "score") %}
    CASE WHEN has_figures THEN {{ figure }} END AS {{ figure }},
{% endfor %}
    is_anomaly, kind,
    CASE WHEN names_another
        THEN regexp_extract(explanation, '^[^:,]*') || ': most of it lies in one segment'
        ELSE explanation
    END AS explanation
FROM marked
WHERE is_published
UNION ALL
SELECT DISTINCT
    date, term, 'withheld', NULL, NULL, NULL::DOUBLE, NULL::DOUBLE, NULL::DOUBLE, NULL::DOUBLE, NULL::DOUBLE,
    true, NULL, 'an unusual change in a small segment'
FROM marked
WHERE NOT is_published AND is_anomaly
ORDER BY date, term, dimension NULLS FIRST, segment, series
