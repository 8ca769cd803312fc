-- Export: what each day's forecast expected. Grain: one row per day, term and target date. No binds. Days
-- without a forecast are left out.
SELECT *
FROM enrollment.enrollment_forecast
WHERE forecast IS NOT NULL AND NOT isnan(forecast)
ORDER BY as_of, term, target_date
