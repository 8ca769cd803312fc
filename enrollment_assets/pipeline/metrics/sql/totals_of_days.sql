{# all terms of a day together: one row per day; with `of_one_day` only of $day #}
{% set of_day = " AND snapshot_date = $day" if of_one_day is defined else "" %}
WITH logged AS (
    SELECT snapshot_date, count(*) AS open_terms, sum(student_count)::BIGINT AS total_enrollment
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'{{ of_day }}
    GROUP BY snapshot_date
),

stored AS (
    SELECT
        snapshot_date,
        count(DISTINCT student_id) AS students,
        count(DISTINCT (term, student_id)) AS students_by_term
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date IN (SELECT snapshot_date FROM logged WHERE open_terms > 1){{ of_day }}
    GROUP BY snapshot_date
)

SELECT
    logged.snapshot_date AS date,
    logged.open_terms,
    logged.total_enrollment,
    CASE
        WHEN logged.open_terms = 1 THEN logged.total_enrollment
        WHEN stored.students_by_term = logged.total_enrollment THEN stored.students
        WHEN logged.total_enrollment = 0 THEN 0
    END AS unduplicated_enrollment
FROM logged
LEFT JOIN stored USING (snapshot_date)
