-- How the forecasts that were issued did, as known on a day.
-- Grain: one row per day, term and horizon. Binds: $first, $last (days, both inclusive).
SELECT as_of AS snapshot_date, term, horizon_days, n, mae, skill_pct, coverage_80
FROM enrollment.forecast_scorecard
WHERE method = 'issued' AND as_of BETWEEN $first AND $last
ORDER BY as_of, term, horizon_days
