-- The accuracy of issued forecasts, as known on a day. Grain: one row per term and horizon.
-- Binds: $day.
SELECT *
FROM enrollment.forecast_scorecard
WHERE as_of = $day AND method = 'issued' AND n > 0
ORDER BY term, horizon_days
