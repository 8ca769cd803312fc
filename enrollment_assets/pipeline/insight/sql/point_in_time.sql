-- name: point_in_time
-- stage: insight
-- grain: One row per day and term with an accepted snapshot
-- description: "The same relative day of the comparison term beside it: both dates, the gap if that
--   day had no snapshot, and what the comparison term came to."
-- date: date
-- depends_on: enrollment_metrics
-- binds: first, last
-- figures: comparison_total, change, change_pct
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   comparison_term: VARCHAR - The term that it is compared with
--   comparison_day: DATE - Day of that term with the same distance to the anchor
--   comparison_date: 'DATE - The snapshot of it that is shown: of that day, or the last before'
--   comparison_gap_days: INTEGER - Days between the two; 0 where the day has a snapshot
--   days_to_start: INTEGER - Days until the term starts; negative afterwards
--   total_enrollment: BIGINT - Headcount on the date
--   comparison_total: BIGINT - Headcount of the comparison term on comparison_date
--   change: BIGINT - The first less the second
--   change_pct: DOUBLE - The change in percent of comparison_total
--   comparison_census: BIGINT - Its official headcount, as frozen at its census; empty until that was known
--   comparison_census_live: BIGINT - Its headcount of that day by the current snapshots
--   comparison_final: BIGINT - Its headcount on its last accepted day; empty until it ended
--   note: VARCHAR - What the comparison lacks

-- Each day of a term beside the same relative day of its comparison term.
-- Grain: one row per day and term with an accepted snapshot. Binds: $first, $last (days, both inclusive).
-- The counterpart is the day with the same distance to `{{ anchor }}`; if that day has no snapshot, the
-- latest earlier one. In the first 14 days of registration it is the day with the same distance to the opening:
-- a calendar that shifts by a day would else compare the first day with none. Nothing from after the row's own date is shown. Example: 10 days before the start of
-- 2026FA is compared with 10 days before the start of 2025FA.
WITH asked AS (
    SELECT
        metrics.date,
        metrics.term,
        metrics.days_to_start,
        metrics.total_enrollment,
        past.code AS comparison_term,
        past.census,
        past.ends,
        metrics.date < terms.registration_opens + 14 AS is_opening,
        CASE
            WHEN metrics.date < terms.registration_opens + 14
                THEN past.registration_opens + (metrics.date - terms.registration_opens)::INTEGER
            ELSE past.{{ anchor }} + (metrics.date - terms.{{ anchor }})::INTEGER
        END AS comparison_day,
        least(comparison_day, metrics.date) AS newest_day
    FROM enrollment.enrollment_metrics AS metrics
    JOIN terms ON metrics.term = terms.code
    LEFT JOIN terms AS past ON terms.comparison = past.code
    WHERE metrics.date BETWEEN $first AND $last
),

marks AS (
    SELECT
        metrics.term,
        any_value(frozen_at.student_count) AS census_total,
        coalesce(
            any_value(total_enrollment) FILTER (date = frozen_at.snapshot_date),
            max_by(total_enrollment, date) FILTER (date <= terms.census)
        ) AS live_total,
        max_by(total_enrollment, date) AS final_total
    FROM enrollment.enrollment_metrics AS metrics
    JOIN terms ON metrics.term = terms.code
    LEFT JOIN operations.census_snapshots AS frozen_at ON frozen_at.term = metrics.term
    GROUP BY metrics.term
),

compared AS (
    SELECT asked.*, past.date AS comparison_date, past.total_enrollment AS comparison_total
    FROM asked
    ASOF LEFT JOIN enrollment.enrollment_metrics AS past
        ON asked.comparison_term = past.term AND asked.newest_day >= past.date
)

SELECT
    compared.date,
    compared.term,
    comparison_term,
    comparison_day,
    comparison_date,
    comparison_day - comparison_date AS comparison_gap_days,
    days_to_start,
    total_enrollment,
    comparison_total,
    total_enrollment - comparison_total AS change,
    100.0 * (total_enrollment - comparison_total) / nullif(comparison_total, 0) AS change_pct,
    CASE WHEN census <= compared.date
        THEN coalesce(marks.census_total, marks.live_total) END AS comparison_census,
    CASE WHEN census <= compared.date THEN marks.live_total END AS comparison_census_live,
    CASE WHEN ends <= compared.date THEN marks.final_total END AS comparison_final,
    nullif(concat_ws(
        '; ',
{% if anchor != "registration_opens" %}
        CASE WHEN is_opening AND comparison_date IS NOT NULL
            THEN 'compared by the opening of registration until its day 14' END,
{% endif %}
        CASE
            WHEN comparison_term IS NULL THEN 'no comparison term is configured for ' || compared.term
            WHEN comparison_date IS NULL
                THEN comparison_term || ' has no snapshot on or before ' || newest_day
            WHEN comparison_day > ends
                THEN comparison_term || ' had ended by ' || comparison_day
                    || '; its last snapshot is shown'
            WHEN comparison_day > comparison_date
                THEN comparison_term || ' had no snapshot on ' || comparison_day || '; that of '
                    || comparison_date || ' is shown'
        END
    ), '') AS note
FROM compared
LEFT JOIN marks ON compared.comparison_term = marks.term
ORDER BY compared.date, compared.term
