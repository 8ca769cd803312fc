-- A term's forecasts at the scored horizons whose target day has a snapshot, beside what came.
-- Grain: one row per forecast. Binds: $term, $last (day, inclusive), $horizons (days).
-- `naive` is the headcount on the day of the forecast: the last value then.
SELECT
    forecasts.* EXCLUDE (term, method, note, left_out),
    outcome.total_enrollment::DOUBLE AS observed,
    origin.total_enrollment::DOUBLE AS naive
FROM enrollment.enrollment_forecast AS forecasts
JOIN enrollment.enrollment_metrics AS outcome
    ON outcome.term = forecasts.term AND outcome.date = forecasts.target_date
JOIN enrollment.enrollment_metrics AS origin
    ON origin.term = forecasts.term AND origin.date = forecasts.as_of
WHERE forecasts.term = $term
    AND forecasts.target_date <= $last
    AND list_contains($horizons, forecasts.horizon_days)
ORDER BY forecasts.target_date
