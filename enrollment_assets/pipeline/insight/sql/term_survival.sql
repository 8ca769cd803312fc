-- name: term_survival
-- stage: insight
-- grain: One row per term and number of days after a student's first snapshot in it
-- description: "How long students stay in a term: the Kaplan-Meier estimate."
-- depends_on: enrollment_snapshots, snapshot_log, student_changes
-- columns:
--   term: VARCHAR - Code of the term
--   days_enrolled: INTEGER - Days since the student was first in the term's list
--   at_risk: BIGINT - Students who were followed for so long and had not left before
--   dropped: BIGINT - Of these, left for good after so many days
--   survival_pct: DOUBLE - Kaplan-Meier estimate of the share still enrolled, percent
--   lower_95: DOUBLE - Its 95% interval (Greenwood's variance, log-log scale), percent
--   upper_95: DOUBLE - The same, upper bound

-- How long students stay in a term: the Kaplan-Meier estimate over days since they were first in its list.
-- Grain: one row per term and number of days after which somebody left for good (and day 0). No binds.
-- Who is still there on the last accepted day is followed until then and no further. Who was in the first
-- snapshot counts from that day. Interval: Greenwood's variance on the log-log scale.
WITH days AS (
    SELECT
        term,
        min(snapshot_date) AS first_day,
        max(snapshot_date) AS last_day,
        min_by(student_count, snapshot_date) AS first_count
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
    GROUP BY term
),

-- Students with a change. Those who are enrolled from the first day to the last have none.
students AS (
    SELECT
        term,
        student_id,
        min_by(change, snapshot_date) = 'added' AS came_later,
        min(snapshot_date) AS first_change,
        max_by(change, snapshot_date) = 'dropped' AS has_left,
        max(snapshot_date) AS last_change
    FROM enrollment.student_changes
    WHERE change <> 'moved'
    GROUP BY term, student_id
),

stays AS (
    SELECT
        students.term,
        CASE WHEN has_left THEN last_change ELSE days.last_day END
            - CASE WHEN came_later THEN first_change ELSE days.first_day END AS days_enrolled,
        count(*) AS students,
        count(*) FILTER (has_left) AS dropped
    FROM students
    JOIN days USING (term)
    GROUP BY ALL
    UNION ALL
    SELECT
        days.term,
        days.last_day - days.first_day,
        days.first_count - count(students.student_id),
        0
    FROM days
    LEFT JOIN students ON students.term = days.term AND NOT students.came_later
    GROUP BY days.term, days.last_day, days.first_day, days.first_count
    UNION ALL
    SELECT term, 0, 0, 0 FROM days
),

durations AS (
    SELECT term, days_enrolled, sum(students) AS students, sum(dropped) AS dropped
    FROM stays
    GROUP BY term, days_enrolled
),

risks AS (
    SELECT
        term,
        days_enrolled,
        dropped,
        sum(students) OVER (
            PARTITION BY term ORDER BY days_enrolled DESC
        ) AS at_risk
    FROM durations
),

estimates AS (
    SELECT
        *,
        product(1 - dropped / nullif(at_risk, 0)) OVER earlier AS survival,
        sum(dropped / nullif(at_risk * (at_risk - dropped), 0)) OVER earlier AS greenwood
    FROM risks
    WINDOW earlier AS (PARTITION BY term ORDER BY days_enrolled)
)

SELECT
    term,
    days_enrolled::INTEGER AS days_enrolled,
    at_risk::BIGINT AS at_risk,
    dropped::BIGINT AS dropped,
    100 * survival AS survival_pct,
    CASE WHEN survival > 0 AND survival < 1
        THEN 100 * survival ** exp(1.959964 * sqrt(greenwood) / abs(ln(survival))) END AS lower_95,
    CASE WHEN survival > 0 AND survival < 1
        THEN 100 * survival ** exp(-1.959964 * sqrt(greenwood) / abs(ln(survival))) END AS upper_95
FROM estimates
WHERE at_risk > 0 AND (dropped > 0 OR days_enrolled = 0)
ORDER BY term, days_enrolled
