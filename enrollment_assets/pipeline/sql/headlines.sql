-- The headline figures of every term up to a day. Grain: one row per term. Binds: $day.
SELECT
    coalesce(terms.name, metrics.term) AS term,
    count(*) AS snapshots,
    max(total_enrollment) AS highest,
    arg_max(date, total_enrollment) AS highest_date,
    arg_max(total_enrollment, date) AS headcount,
    arg_max(net_change, date) AS net_change,
    max(gross_enrollment)::BIGINT AS gross
FROM enrollment.enrollment_metrics AS metrics
LEFT JOIN terms ON metrics.term = terms.code
WHERE date <= $day
GROUP BY metrics.term, terms.name
ORDER BY min(date)
