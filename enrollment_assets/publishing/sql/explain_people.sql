-- The same two totals by people: who is in both stored snapshots, and who in one of them.
-- Grain: one row. Binds: $term, $first, $last (the two days). A snapshot that was pruned has nobody.
-- `passed_through` came after the first day, left before the last one, and is in neither.
WITH before AS (
    SELECT DISTINCT student_id
    FROM enrollment.enrollment_snapshots
    WHERE term = $term AND snapshot_date = $first
),

after AS (
    SELECT DISTINCT student_id
    FROM enrollment.enrollment_snapshots
    WHERE term = $term AND snapshot_date = $last
),

came AS (
    SELECT DISTINCT student_id
    FROM enrollment.student_changes
    WHERE term = $term AND change = 'added' AND snapshot_date > $first AND snapshot_date <= $last
)

SELECT
    (SELECT count(*) FROM before) AS total_before,
    (SELECT count(*) FROM before ANTI JOIN after USING (student_id)) AS gone,
    (SELECT count(*) FROM before SEMI JOIN after USING (student_id)) AS stayed,
    (SELECT count(*) FROM after ANTI JOIN before USING (student_id)) AS joined,
    (SELECT count(*) FROM after) AS total_after,
    (SELECT count(*) FROM came ANTI JOIN before USING (student_id) ANTI JOIN after USING (student_id))
        AS passed_through
