-- name: segment_point_in_time
-- stage: insight
-- grain: One row per day, term, dimension and segment with students in the term or its comparison
-- description: The same point in time for each segment, and what it contributes to the change.
-- date: date
-- depends_on: point_in_time, enrollment_metrics, segment_metrics
-- binds: first, last
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   dimension: VARCHAR - Name of the dimension
--   segment: VARCHAR - Value of the dimension
--   comparison_term: VARCHAR - The term that it is compared with
--   comparison_day: DATE - Day of that term with the same distance to the anchor
--   comparison_date: 'DATE - The snapshot of it that is shown: of that day, or the last before'
--   comparison_gap_days: INTEGER - Days between the two; 0 where the day has a snapshot
--   days_to_start: INTEGER - Days until the term starts; negative afterwards
--   total_enrollment: BIGINT - Headcount on the date
--   comparison_total: BIGINT - Headcount of the comparison term on comparison_date
--   change: BIGINT - The first less the second
--   change_pct: DOUBLE - The change in percent of comparison_total
--   comparison_census: BIGINT - Its headcount at its census; empty until that was known
--   comparison_final: BIGINT - Its headcount on its last accepted day; empty until it ended
--   note: VARCHAR - What the comparison lacks
--   contribution_pct: 'DOUBLE - The change in percent of the comparison''s whole headcount: its
--     contribution to the growth'

-- Each segment of a term beside itself on the same relative day of the comparison term.
-- Grain: one row per day, term, dimension and segment with students in either. Binds: $first, $last (days,
-- both inclusive). Reads `point_in_time`, which says which snapshots are compared.
WITH days AS (
    SELECT * FROM enrollment.point_in_time WHERE date BETWEEN $first AND $last
),

marks AS (
    SELECT
        metrics.term,
        coalesce(
            max(date) FILTER (date = frozen_at.snapshot_date), max(date) FILTER (date <= terms.census)
        ) AS census_date,
        max(date) AS final_date
    FROM enrollment.enrollment_metrics AS metrics
    JOIN terms ON metrics.term = terms.code
    LEFT JOIN operations.census_snapshots AS frozen_at ON frozen_at.term = metrics.term
    GROUP BY metrics.term
),

known_marks AS (
    SELECT
        marks.term,
        segments.dimension,
        bool_or(segments.date = marks.census_date) AS at_census,
        bool_or(segments.date = marks.final_date) AS at_final
    FROM marks
    JOIN enrollment.segment_metrics AS segments
        ON segments.term = marks.term AND segments.date IN (marks.census_date, marks.final_date)
    GROUP BY marks.term, segments.dimension
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

-- A dimension of which the comparison knows no segment that day was not read then: nothing is compared.
known AS (
    SELECT DISTINCT date, term, dimension FROM sides WHERE comparison_total IS NOT NULL
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
    CASE WHEN known.date IS NOT NULL THEN segments.comparison_total END AS comparison_total,
    CASE WHEN known.date IS NOT NULL
        THEN segments.total_enrollment - segments.comparison_total END AS change,
    CASE WHEN known.date IS NOT NULL
        THEN 100.0 * (segments.total_enrollment - segments.comparison_total)
            / nullif(segments.comparison_total, 0) END AS change_pct,
    CASE WHEN days.comparison_census IS NOT NULL AND known_marks.at_census
        THEN coalesce(census.total_enrollment, 0) END AS comparison_census,
    CASE WHEN days.comparison_final IS NOT NULL AND known_marks.at_final
        THEN coalesce(final.total_enrollment, 0) END AS comparison_final,
    days.note,
    CASE WHEN known.date IS NOT NULL
        THEN 100.0 * (segments.total_enrollment - segments.comparison_total)
            / nullif(days.comparison_total, 0) END AS contribution_pct
FROM segments
JOIN days USING (date, term)
LEFT JOIN known USING (date, term, dimension)
LEFT JOIN marks ON days.comparison_term = marks.term
LEFT JOIN known_marks
    ON known_marks.term = marks.term AND known_marks.dimension = segments.dimension
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
