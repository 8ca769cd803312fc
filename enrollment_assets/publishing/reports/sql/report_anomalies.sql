-- What was checked on a day and what was unusual, without what is withheld. Grain: one row per term and
-- series, the most unusual first; all withheld segments of a term share one row. Binds:
-- $first, $last (both are the day).
-- `is_confirmed`: a person confirmed that the change was real.
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
