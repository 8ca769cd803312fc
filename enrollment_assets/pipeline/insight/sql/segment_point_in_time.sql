-- Each segment of a term beside itself on the same relative day of the comparison term.
-- Grain: one row per day, term, dimension and segment with students in either. Binds: $first, $last (days,
-- both inclusive). Reads `point_in_time`, which says which snapshots stand beside each other.
WITH days AS (
    SELECT * FROM enrollment.point_in_time WHERE date BETWEEN $first AND $last
),

marks AS (
    SELECT
        metrics.term,
        max(date) FILTER (date <= terms.census) AS census_date,
        max(date) AS final_date
    FROM enrollment.enrollment_metrics AS metrics
    JOIN terms ON metrics.term = terms.code
    GROUP BY metrics.term
),

sides AS (
    SELECT date, term, dimension, segment, segments.total_enrollment, NULL::BIGINT AS comparison_total
    FROM days
    JOIN enrollment.segment_metrics AS segments USING (date, term)
    WHERE segments.total_enrollment > 0
    UNION ALL
    SELECT days.date, days.term, past.dimension, past.segment, NULL::BIGINT, past.total_enrollment
    FROM days
    JOIN enrollment.segment_metrics AS past
        ON days.comparison_term = past.term AND days.comparison_date = past.date
    WHERE past.total_enrollment > 0
),

segments AS (
    SELECT
        date,
        term,
        dimension,
        segment,
        coalesce(max(total_enrollment), 0) AS total_enrollment,
        coalesce(max(comparison_total), 0) AS comparison_total
    FROM sides
    GROUP BY ALL
)

SELECT
    segments.date,
    segments.term,
    segments.dimension,
    segments.segment,
    days.comparison_term,
    days.comparison_day,
    days.comparison_date,
    days.comparison_gap_days,
    days.days_to_start,
    segments.total_enrollment,
    CASE WHEN days.comparison_date IS NOT NULL THEN segments.comparison_total END AS comparison_total,
    CASE WHEN days.comparison_date IS NOT NULL
        THEN segments.total_enrollment - segments.comparison_total END AS change,
    CASE WHEN days.comparison_date IS NOT NULL
        THEN 100.0 * (segments.total_enrollment - segments.comparison_total)
            / nullif(segments.comparison_total, 0) END AS change_pct,
    CASE WHEN days.comparison_census IS NOT NULL THEN coalesce(census.total_enrollment, 0) END
        AS comparison_census,
    CASE WHEN days.comparison_final IS NOT NULL THEN coalesce(final.total_enrollment, 0) END
        AS comparison_final,
    days.note,
    CASE WHEN days.comparison_date IS NOT NULL
        THEN 100.0 * (segments.total_enrollment - segments.comparison_total)
            / nullif(days.comparison_total, 0) END AS contribution_pct
FROM segments
JOIN days USING (date, term)
LEFT JOIN marks ON days.comparison_term = marks.term
LEFT JOIN enrollment.segment_metrics AS census
    ON census.term = marks.term
    AND census.date = marks.census_date
    AND census.dimension = segments.dimension
    AND census.segment = segments.segment
LEFT JOIN enrollment.segment_metrics AS final
    ON final.term = marks.term
    AND final.date = marks.final_date
    AND final.dimension = segments.dimension
    AND final.segment = segments.segment
ORDER BY segments.date, segments.term, segments.dimension, segments.segment
