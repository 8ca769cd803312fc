-- What the checks on a snapshot look at, from the ledger of attempts and the log.
-- Grain: one row per snapshot day and term of the newest attempt; the term is NULL for rows of
-- terms that are not configured. Binds: $first, $last (days, both inclusive).
WITH accepted AS (
    SELECT
        snapshot_date,
        term,
        student_count,
        lag(snapshot_date) OVER earlier AS baseline_date,
        lag(student_count) OVER earlier AS baseline_count
    FROM enrollment.snapshot_log
    WHERE status = 'accepted' AND snapshot_date <= $last
    WINDOW earlier AS (PARTITION BY term ORDER BY snapshot_date)
)

SELECT
    attempts.snapshot_date,
    attempts.term,
    attempts.status,
    attempts.reasons,
    attempts.row_count,
    attempts.duplicate_count,
    attempts.missing_count,
    attempts.blank_count,
    attempts.invalid_count,
    attempts.outside_count,
    attempts.unknown_status_count,
    accepted.student_count,
    accepted.baseline_date,
    accepted.baseline_count
FROM operations.snapshot_attempts AS attempts
LEFT JOIN accepted USING (snapshot_date, term)
WHERE attempts.snapshot_date BETWEEN $first AND $last
-- every attempt on a day writes all of its terms with one time
QUALIFY attempts.attempted_at = max(attempts.attempted_at) OVER (PARTITION BY attempts.snapshot_date)
ORDER BY attempts.snapshot_date, attempts.term
