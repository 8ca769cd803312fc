-- What a day's report says of the future. Grain: one row per term and target date; where there is no
-- forecast, one row per term with the reason as its note. Binds: $day.
SELECT *
FROM enrollment.enrollment_forecast
WHERE as_of = $day
ORDER BY term, target_date
