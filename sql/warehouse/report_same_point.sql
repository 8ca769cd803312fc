-- Where the comparison term stood at the same distance to its start.
-- Grain: one row per open term with a snapshot on the day and a comparison. Binds: $day.
-- A day without a snapshot takes the latest earlier accepted one; both dates are given.
SELECT
    metrics.term,
    terms.comparison AS comparison_term,
    earlier.starts - metrics.days_to_start AS comparison_day,
    max(past.date) AS comparison_date,
    max_by(past.total_enrollment, past.date) AS comparison_total
FROM enrollment.enrollment_metrics AS metrics
JOIN terms ON metrics.term = terms.code
JOIN terms AS earlier ON terms.comparison = earlier.code
JOIN enrollment.enrollment_metrics AS past
    ON past.term = terms.comparison
    AND past.date <= earlier.starts - metrics.days_to_start
    AND past.date <= $day
WHERE metrics.date = $day
GROUP BY ALL
ORDER BY metrics.term
