-- Adds the forecasts of a range of days to those ever issued, where they are new or other than the last ones.
-- Grain: one row per forecast. Binds: $first, $last (days, both inclusive), $run_id.
INSERT INTO operations.issued_forecasts BY NAME
WITH last_issued AS (
    SELECT * FROM operations.issued_forecasts
    WHERE as_of BETWEEN $first AND $last
    QUALIFY made_at = max(made_at) OVER (PARTITION BY as_of, term)
)

SELECT fresh.* EXCLUDE (left_out), $run_id AS run_id, now() AS made_at
FROM enrollment.enrollment_forecast AS fresh
WHERE fresh.as_of BETWEEN $first AND $last
    -- a forecast is all rows of a day and term: one that differs is issued as a whole
    AND (fresh.as_of, fresh.term) IN (
        SELECT (as_of, term)
        FROM (
            SELECT as_of, term, target_date, method, forecast, note FROM enrollment.enrollment_forecast
            WHERE as_of BETWEEN $first AND $last
            EXCEPT
            SELECT as_of, term, target_date, method, forecast, note FROM last_issued
        )
    )
