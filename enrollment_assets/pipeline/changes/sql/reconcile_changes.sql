-- Headcounts counted again from the stored rows, beside what baseline and changes add up to.
-- Grain: one row per day and term with a baseline that was not pruned. Binds: $first, $last (days, both inclusive).
-- H(now) = H(baseline) + added - dropped must hold on every row.
WITH days AS (
    SELECT
        term,
        snapshot_date,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM enrollment.snapshot_log
    WHERE status = 'accepted' AND snapshot_date <= $last
),

pairs AS (
    SELECT days.* FROM days
    LEFT JOIN frozen USING (term)
    WHERE days.snapshot_date >= $first
        AND days.baseline_date IS NOT NULL
        AND (frozen.kept_from IS NULL OR days.snapshot_date > frozen.kept_from)
),

headcounts AS (
    SELECT snapshot_date, term, {{ "count(DISTINCT student_id)" if by_program else "count(*)" }} AS students
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date BETWEEN coalesce((SELECT min(baseline_date) FROM pairs), $first) AND $last
    GROUP BY ALL
),

moves AS (
    SELECT
        snapshot_date,
        term,
        count(*) FILTER (change = 'added') AS added,
        count(*) FILTER (change = 'dropped') AS dropped
    FROM enrollment.student_changes
    WHERE snapshot_date BETWEEN $first AND $last
    GROUP BY ALL
)

SELECT
    pairs.snapshot_date,
    pairs.term,
    pairs.baseline_date,
    coalesce(before.students, 0) AS baseline_count,
    coalesce(moves.added, 0) AS added,
    coalesce(moves.dropped, 0) AS dropped,
    coalesce(today.students, 0) AS student_count
FROM pairs
LEFT JOIN headcounts AS today USING (snapshot_date, term)
LEFT JOIN headcounts AS before
    ON before.snapshot_date = pairs.baseline_date AND before.term = pairs.term
LEFT JOIN moves USING (snapshot_date, term)
ORDER BY pairs.snapshot_date, pairs.term
