-- How many students of each staged snapshot were in the staged one before it.
-- Grain: one row per snapshot day and term with an earlier staged day of the same term. No binds.
-- Duplicates are not removed first: where there are more than a few, the term is rejected for them.
WITH days AS (
    SELECT DISTINCT snapshot_date, term FROM staged WHERE standing = 'counted'
),

pairs AS (
    SELECT
        snapshot_date,
        term,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM days
),

today AS (
    SELECT pairs.*, staged.student_id
    FROM staged
    JOIN pairs USING (snapshot_date, term)
    WHERE staged.standing = 'counted' AND pairs.baseline_date IS NOT NULL
),

before AS (
    SELECT snapshot_date, term, student_id FROM staged WHERE standing = 'counted'
)

SELECT
    today.snapshot_date,
    today.term,
    today.baseline_date,
    {{ "count(DISTINCT today.student_id)" if by_program else "count(*)" }} AS retained
FROM today
SEMI JOIN before
    ON before.snapshot_date = today.baseline_date
    AND before.term = today.term
    AND before.student_id = today.student_id
GROUP BY ALL
