-- name: enrollment_trend
-- stage: insight
-- grain: One row per day and term with an accepted snapshot
-- description: Moving averages, the mean change of a day with its interval, and the volatility.
-- kind: view
-- depends_on: enrollment_metrics
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   total_enrollment: 'BIGINT - Headcount: distinct students'
--   moving_average_7: DOUBLE - Mean headcount of the snapshots of the last 7 days
--   moving_average_28: DOUBLE - Mean headcount of the snapshots of the last 28 days
--   slope: DOUBLE - Mean change of the last 28 days, students a day
--   slope_lower: 'DOUBLE - Lower bound of the 95% interval (Student''s t) of that past mean; it is no
--     forecast of the next day'
--   slope_upper: DOUBLE - Upper bound of it
--   volatility: DOUBLE - Standard deviation of the daily changes of the last 28 days
--   direction: 'VARCHAR - rising, falling, level, or empty: fewer than 3 changes'

-- Where the headcount is going: moving averages, mean change of a day with its interval, volatility.
-- Grain: one row per day and term with an accepted snapshot. No binds. All windows end on the row's day.
-- The slope is the mean change of a day over the changes of 28 days, its interval Student's t over their
-- spread: headcounts are sums of daily changes, so that a regression on them would seem far too sure.
WITH changes AS (
    SELECT
        date,
        term,
        total_enrollment,
        net_change,
        days_since_baseline,
        -- a change over a gap counts as so many changes of a day
        net_change / days_since_baseline AS daily_change
    FROM enrollment.enrollment_metrics
),

windows AS (
    SELECT
        date,
        term,
        total_enrollment,
        avg(total_enrollment) OVER week AS moving_average_7,
        avg(total_enrollment) OVER month AS moving_average_28,
        count(daily_change) OVER month AS changes,
        sum(net_change) FILTER (daily_change IS NOT NULL) OVER month
            / nullif(sum(days_since_baseline) OVER month, 0) AS slope,
        stddev_samp(daily_change) OVER month AS volatility
    FROM changes
    WINDOW
        week AS (
            PARTITION BY term ORDER BY date RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW
        ),
        month AS (
            PARTITION BY term ORDER BY date RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW
        )
),

bounded AS (
    SELECT
        *,
        -- the 97.5th percentiles of Student's t for 1 to 27 degrees of freedom
        volatility / sqrt(changes) * list_extract(
            [
                12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
                2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
                2.052
            ],
            changes - 1
        ) AS half_width
    FROM windows
)

SELECT
    date,
    term,
    total_enrollment,
    moving_average_7,
    moving_average_28,
    CASE WHEN changes >= 3 THEN slope END AS slope,
    CASE WHEN changes >= 3 THEN slope - half_width END AS slope_lower,
    CASE WHEN changes >= 3 THEN slope + half_width END AS slope_upper,
    CASE WHEN changes >= 3 THEN volatility END AS volatility,
    CASE
        WHEN changes < 3 THEN NULL
        WHEN slope - half_width > 0 THEN 'rising'
        WHEN slope + half_width < 0 THEN 'falling'
        ELSE 'level'
    END AS direction
FROM bounded
