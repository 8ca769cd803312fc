-- The anomalies of a day as they may be published: alerts quote them. Grain: one row per day, term and
-- series. Binds: $first, $last (days, both inclusive). With each comes its acknowledgment, if there is one.
WITH published AS (
    {% include "published_anomalies.sql" %}
)

SELECT
    published.date AS snapshot_date,
    published.*,
    known.reason,
    known.acknowledged_by
FROM published
LEFT JOIN operations.acknowledged_anomalies AS known
    ON known.date = published.date AND known.term = published.term
WHERE published.is_anomaly
QUALIFY known.acknowledged_at IS NOT DISTINCT FROM
    max(known.acknowledged_at) OVER (PARTITION BY published.date, published.term)
ORDER BY published.date, published.term, abs(published.score) DESC NULLS LAST
