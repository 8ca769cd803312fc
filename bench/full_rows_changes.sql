-- Who was added, dropped or moved since the baseline, where each day is stored in full.
-- Grain: one row per snapshot day, term and student. No binds.
WITH pairs AS (
    SELECT
        term,
        snapshot_date,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
    QUALIFY baseline_date IS NOT NULL
),

today AS (
    SELECT snapshots.*
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN pairs USING (term, snapshot_date)
),

before AS (
    SELECT snapshots.* EXCLUDE (snapshot_date), pairs.snapshot_date
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN pairs ON snapshots.term = pairs.term AND snapshots.snapshot_date = pairs.baseline_date
),

differences AS (
    SELECT
        coalesce(now.snapshot_date, was.snapshot_date) AS snapshot_date,
        coalesce(now.term, was.term) AS term,
        CASE
            WHEN was.student_id IS NULL THEN 'added'
            WHEN now.student_id IS NULL THEN 'dropped'
            ELSE 'moved'
        END AS change,
        coalesce(now.student_id, was.student_id) AS student_id,
        coalesce(now.student_name, was.student_name) AS student_name,
        coalesce(now.division, was.division) AS division,
        coalesce(now.program, was.program) AS program,
        coalesce(now.level, was.level) AS level,
        was.division AS from_division,
        was.program AS from_program,
        was.level AS from_level
    FROM today AS now
    FULL JOIN before AS was
        ON now.snapshot_date = was.snapshot_date
        AND now.term = was.term
        AND now.student_id = was.student_id
    WHERE now.student_id IS NULL OR was.student_id IS NULL
        OR (now.division, now.program, now.level) IS DISTINCT FROM (was.division, was.program, was.level)
),

first_drops AS (
    SELECT term, student_id, min(snapshot_date) AS first_drop
    FROM differences
    WHERE change = 'dropped'
    GROUP BY term, student_id
)

SELECT
    differences.*,
    pairs.baseline_date,
    change = 'added' AND coalesce(first_drop < snapshot_date, false) AS "returning"
FROM differences
JOIN pairs USING (term, snapshot_date)
LEFT JOIN first_drops USING (term, student_id)
ORDER BY snapshot_date, term, change, student_id
