-- stand-in, replaced at the merge. Binds: $first, $last
SELECT
    s.date, s.term, s.dimension, s.segment,
    CASE WHEN s.total_enrollment = 0 OR s.total_enrollment >= 10 THEN s.total_enrollment END AS total_enrollment,
    CASE WHEN s.total_enrollment BETWEEN 1 AND 9 THEN 'small' END AS suppression,
    CASE WHEN s.total_enrollment = 0 OR s.total_enrollment >= 10 THEN m.net_change END AS net_change,
    s.comparison_term, s.comparison_date,
    CASE WHEN s.comparison_total = 0 OR s.comparison_total >= 10 THEN s.comparison_total END AS comparison_total,
    CASE WHEN s.comparison_total BETWEEN 1 AND 9 THEN 'small' END AS comparison_suppression,
    CASE WHEN NOT (s.total_enrollment BETWEEN 1 AND 9 OR s.comparison_total BETWEEN 1 AND 9) THEN s.change END AS change,
    CASE WHEN NOT (s.total_enrollment BETWEEN 1 AND 9 OR s.comparison_total BETWEEN 1 AND 9) THEN s.change_pct END AS change_pct,
    CASE WHEN NOT (s.total_enrollment BETWEEN 1 AND 9 OR s.comparison_total BETWEEN 1 AND 9) THEN s.contribution_pct END AS contribution_pct,
    CASE WHEN s.comparison_census = 0 OR s.comparison_census >= 10 THEN s.comparison_census END AS comparison_census,
    CASE WHEN s.comparison_census BETWEEN 1 AND 9 THEN 'small' END AS comparison_census_suppression,
    CASE WHEN s.comparison_final = 0 OR s.comparison_final >= 10 THEN s.comparison_final END AS comparison_final,
    CASE WHEN s.comparison_final BETWEEN 1 AND 9 THEN 'small' END AS comparison_final_suppression
FROM enrollment.segment_point_in_time AS s
LEFT JOIN enrollment.segment_metrics AS m USING (date, term, dimension, segment)
WHERE s.date BETWEEN $first AND $last
ORDER BY ALL
