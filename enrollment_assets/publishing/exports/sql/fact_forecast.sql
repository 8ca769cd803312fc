-- name: fact_forecast
-- stage: exports
-- grain: One row per day, term and target date with a forecast
-- description: What each day's forecast expected.
-- depends_on: enrollment_forecast
-- columns:
--   <enrollment_forecast>: the columns of that table

-- Export: what each day's forecast expected. Grain: one row per day, term and target date. No binds. Days
-- without a forecast are left out.
SELECT *
FROM enrollment.enrollment_forecast
WHERE forecast IS NOT NULL AND NOT isnan(forecast)
ORDER BY as_of, term, target_date
