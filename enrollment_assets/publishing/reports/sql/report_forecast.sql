-- The forecasts of a day. Grain: one row per term and target date; for a term without a forecast, one row
-- with the reason as its note. Binds: $day.
SELECT *
FROM enrollment.enrollment_forecast
WHERE as_of = $day
ORDER BY term, target_date
