-- What was unusual on a day, and what was examined. Grain: one row per term and series, the most unusual
-- first. Binds: $day. `is_confirmed`: a person said that the movement was real.
SELECT
    anomalies.*,
    known.date IS NOT NULL AS is_confirmed
FROM enrollment.enrollment_anomalies AS anomalies
LEFT JOIN (SELECT DISTINCT date, term FROM operations.acknowledged_anomalies) AS known
    USING (date, term)
WHERE anomalies.date = $day
ORDER BY is_anomaly DESC, dimension NULLS FIRST, abs(score) DESC NULLS LAST, series
