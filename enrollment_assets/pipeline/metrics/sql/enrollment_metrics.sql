-- name: enrollment_metrics
-- stage: metrics
-- grain: One row per day and term with an accepted snapshot
-- description: Headcount, adds and drops, day-over-day continuation and growth, from the log and
--   the changes.
-- date: date
-- depends_on: student_changes, snapshot_log
-- binds: first, last
-- lineage: term_dates
-- figures: total_enrollment, net_change, new_students, dropped_students
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   baseline_date: DATE - Day of the snapshot that the day is compared with; empty at first
--   days_since_baseline: INTEGER - Calendar days between the two
--   total_enrollment: 'BIGINT - Headcount: distinct students'
--   new_students: BIGINT - Students added since the baseline, returning ones included
--   returning_students: BIGINT - Of these, enrolled earlier in the same term
--   dropped_students: BIGINT - Students of the baseline who are not there now
--   moved_students: BIGINT - Retained students with another value of some dimension
--   retained_students: BIGINT - Students in both snapshots; all of them at first
--   net_change: BIGINT - Added less dropped students
--   retention_rate: 'DOUBLE - Day-over-day continuation: retained / baseline, percent; empty without a
--     baseline'
--   growth_rate: DOUBLE - Net change / baseline, percent; empty without a baseline
--   gross_enrollment: BIGINT - Students ever enrolled in the term so far
--   days_to_start: INTEGER - Days until the term starts; negative afterwards
--   days_to_census: INTEGER - Days until the census; negative afterwards

-- Headcount, movement and rates of each day, from the log and the changes alone.
-- Grain: one row per day and term with an accepted snapshot. Binds: $first, $last (days, both
-- inclusive). Identity: total = baseline's total + new - dropped.
WITH days AS (
    SELECT
        term,
        snapshot_date AS date,
        student_count AS total_enrollment,
        lag(snapshot_date) OVER earlier AS baseline_date,
        lag(student_count) OVER earlier AS baseline_total,
        first_value(student_count) OVER earlier AS opening_total
    FROM enrollment.snapshot_log
    WHERE status = 'accepted' AND snapshot_date <= $last
    WINDOW earlier AS (PARTITION BY term ORDER BY snapshot_date)
),

moves AS (
    SELECT
        term,
        snapshot_date AS date,
        count(*) FILTER (change = 'added') AS new_students,
        count(*) FILTER ("returning") AS returning_students,
        count(*) FILTER (change = 'dropped') AS dropped_students,
        count(*) FILTER (change = 'moved') AS moved_students
    FROM enrollment.student_changes
    WHERE snapshot_date <= $last
    GROUP BY term, snapshot_date
),

history AS (
    SELECT
        days.*,
        coalesce(moves.new_students, 0) AS new_students,
        coalesce(moves.returning_students, 0) AS returning_students,
        coalesce(moves.dropped_students, 0) AS dropped_students,
        coalesce(moves.moved_students, 0) AS moved_students,
        days.opening_total + sum(coalesce(moves.new_students - moves.returning_students, 0))
            OVER (PARTITION BY days.term ORDER BY days.date) AS gross_enrollment
    FROM days
    LEFT JOIN moves ON days.term = moves.term AND days.date = moves.date
)

SELECT
    history.date,
    history.term,
    history.baseline_date,
    history.date - history.baseline_date AS days_since_baseline,
    history.total_enrollment,
    history.new_students,
    history.returning_students,
    history.dropped_students,
    history.moved_students,
    coalesce(history.baseline_total - history.dropped_students, history.total_enrollment)
        AS retained_students,
    history.new_students - history.dropped_students AS net_change,
    -- a first snapshot, or an empty baseline, has no rates: a made-up 100 would raise averages
    100.0 * (history.baseline_total - history.dropped_students) / nullif(history.baseline_total, 0)
        AS retention_rate,
    100.0 * (history.new_students - history.dropped_students) / nullif(history.baseline_total, 0)
        AS growth_rate,
    history.gross_enrollment,
    terms.starts - history.date AS days_to_start,
    terms.census - history.date AS days_to_census
FROM history
LEFT JOIN terms ON history.term = terms.code
WHERE history.date BETWEEN $first AND $last
ORDER BY history.date, history.term
