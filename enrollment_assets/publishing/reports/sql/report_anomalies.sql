-- What was unusual on a day, and what was examined, as everybody may be told. Grain: one row per term and
-- series, the most unusual first; of segments that are withheld one row per term in all. Binds:
-- $first, $last (both are the day).
-- `is_confirmed`: a person said that the movement was real.
WITH published AS (
    {% include "published_anomalies.sql" %}
)

SELECT
    published.*,
    known.date IS NOT NULL AS is_confirmed
FROM published
LEFT JOIN (SELECT DISTINCT date, term FROM operations.acknowledged_anomalies) AS known
    USING (date, term)
ORDER BY is_anomaly DESC, series = 'withheld', dimension NULLS FIRST, abs(score) DESC NULLS LAST, series
