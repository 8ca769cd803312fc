-- What is unusual on a day. Grain: one row per day, term and series. Binds: $first, $last (days, both
-- inclusive). A person's word about a day stands beside it.
SELECT
    anomalies.date AS snapshot_date,
    anomalies.*,
    known.reason,
    known.acknowledged_by
FROM enrollment.enrollment_anomalies AS anomalies
LEFT JOIN operations.acknowledged_anomalies AS known
    ON known.date = anomalies.date AND known.term = anomalies.term
WHERE anomalies.is_anomaly AND anomalies.date BETWEEN $first AND $last
QUALIFY known.acknowledged_at IS NOT DISTINCT FROM
    max(known.acknowledged_at) OVER (PARTITION BY anomalies.date, anomalies.term)
ORDER BY anomalies.date, anomalies.term, abs(anomalies.score) DESC
