-- name: dim_date
-- stage: exports
-- grain: One row per date, whole calendar years
-- description: Whole calendar years that terms and figures lie in.
-- depends_on: enrollment_forecast, enrollment_metrics
-- binds: closures, event_dates, event_names
-- columns:
--   date: DATE - The date (key)
--   year: INTEGER - Calendar year
--   quarter: INTEGER - Quarter, 1 to 4
--   month: INTEGER - Month, 1 to 12
--   month_name: VARCHAR - Name of the month
--   YearMonth: VARCHAR - Year and month, such as 2025-09
--   DayOfWeek: INTEGER - Day of the week, 1 (Monday) to 7 (Sunday)
--   day_name: VARCHAR - Name of the day of the week
--   iso_year: INTEGER - Year of the ISO week
--   iso_week: INTEGER - ISO week, 1 to 53
--   academic_year: VARCHAR - Academic year, starting July 1, such as 2025/26
--   is_business_day: BOOLEAN - Monday to Friday and not a closure
--   closure: BOOLEAN - Whether the institution is closed
--   event: VARCHAR - Events of the calendar on this day
--   term: VARCHAR - Code of the term in session; if several are, the last to start
--   term_day: INTEGER - Day of that term; 1 on its first day

-- Export: every day of the calendar years that terms and figures lie in. Grain: one row per date.
-- Binds: $closures (dates), $event_dates, $event_names (of the same length).
-- The academic year begins on 1 July. `term` is the one that has started and not ended, the last to start
-- where there are several; `term_day` counts from its start, which is day 1.
WITH span AS (
    SELECT min(date) AS first, max(date) AS last
    FROM (
        SELECT unnest([registration_opens, ends]) AS date FROM terms
        UNION ALL
        SELECT date FROM enrollment.enrollment_metrics
        UNION ALL
        SELECT target_date FROM enrollment.enrollment_forecast
    )
),

days AS (
    SELECT unnest(generate_series(
        date_trunc('year', first), last_day(date_trunc('year', last) + INTERVAL 11 MONTH), INTERVAL 1 DAY
    ))::DATE AS date
    FROM span
),

events AS (
    SELECT date, string_agg(name, '; ' ORDER BY name) AS names
    FROM (SELECT unnest($event_dates::DATE[]) AS date, unnest($event_names::VARCHAR[]) AS name)
    GROUP BY date
),

running AS (
    SELECT days.date, max_by(terms.code, (terms.starts, terms.code)) AS code
    FROM days
    JOIN terms ON days.date BETWEEN terms.starts AND terms.ends
    GROUP BY days.date
)

SELECT
    days.date,
    year(days.date) AS year,
    quarter(days.date) AS quarter,
    month(days.date) AS month,
    monthname(days.date) AS month_name,
    strftime(days.date, '%Y-%m') AS "YearMonth",
    isodow(days.date) AS "DayOfWeek",
    dayname(days.date) AS day_name,
    isoyear(days.date) AS iso_year,
    weekofyear(days.date) AS iso_week,
    format('{}/{:02d}', year(days.date - INTERVAL 6 MONTH), (year(days.date - INTERVAL 6 MONTH) + 1) % 100)
        AS academic_year,
    isodow(days.date) < 6 AND NOT list_contains($closures::DATE[], days.date) AS is_business_day,
    list_contains($closures::DATE[], days.date) AS closure,
    events.names AS event,
    running.code AS term,
    days.date - terms.starts + 1 AS term_day
FROM days
LEFT JOIN events USING (date)
LEFT JOIN running USING (date)
LEFT JOIN terms ON terms.code = running.code
ORDER BY days.date
