-- What is unusual on a day. Grain: one row per day, term and series. Binds: $first, $last (days, both
-- inclusive). A person's word about a day stands beside it. is_public: what it tells may leave the
-- warehouse, since the segment that it is about, or names, is shown on the day and on its baseline.
WITH shown AS (
    SELECT metrics.date, metrics.term, now.dimension, now.segment
    FROM enrollment.enrollment_metrics AS metrics
    JOIN enrollment.segment_disclosure AS now
        ON now.date = metrics.date AND now.term = metrics.term AND now.withheld IS NULL
    JOIN enrollment.segment_disclosure AS before
        ON before.date = metrics.baseline_date
        AND before.term = metrics.term
        AND before.dimension = now.dimension
        AND before.segment = now.segment
        AND before.withheld IS NULL
    WHERE metrics.date BETWEEN $first AND $last
)

SELECT
    anomalies.date AS snapshot_date,
    anomalies.*,
    known.reason,
    known.acknowledged_by,
    CASE
        WHEN anomalies.dimension IS NOT NULL THEN EXISTS (
            SELECT 1 FROM shown
            WHERE
                shown.date = anomalies.date
                AND shown.term = anomalies.term
                AND shown.dimension = anomalies.dimension
                AND shown.segment = anomalies.segment
        )
        ELSE NOT contains(anomalies.explanation, ' accounts for ') OR EXISTS (
            SELECT 1 FROM shown
            WHERE
                shown.date = anomalies.date
                AND shown.term = anomalies.term
                AND contains(
                    anomalies.explanation,
                    ': ' || shown.dimension || ' ' || shown.segment || ' accounts for '
                )
        )
    END AS is_public
FROM enrollment.enrollment_anomalies AS anomalies
LEFT JOIN operations.acknowledged_anomalies AS known
    ON known.date = anomalies.date AND known.term = anomalies.term
WHERE anomalies.is_anomaly AND anomalies.date BETWEEN $first AND $last
QUALIFY known.acknowledged_at IS NOT DISTINCT FROM
    max(known.acknowledged_at) OVER (PARTITION BY anomalies.date, anomalies.term)
ORDER BY anomalies.date, anomalies.term, abs(anomalies.score) DESC
