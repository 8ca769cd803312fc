-- The figures that the checks on a snapshot judge, from the ledger of attempts and the log.
-- Grain: one row per snapshot day and term of the newest attempt, or of a person's decision since;
-- the term is NULL for rows of terms that are not configured. Binds: $first, $last (days, both
-- inclusive). `is_unchanged`: the rows are those of the last business day; `usually_differs`: more than half
-- of the term's last 20 business days were not.
WITH accepted AS (
    SELECT
        term,
        snapshot_date,
        student_count,
        lag(snapshot_date) OVER earlier AS baseline_date,
        lag(student_count) OVER earlier AS baseline_count,
        content_hash
    FROM enrollment.snapshot_log
    WHERE status = 'accepted' AND snapshot_date <= $last
    WINDOW earlier AS (PARTITION BY term ORDER BY snapshot_date)
),

-- A Sunday usually repeats: business days are compared with the business day before.
business_days AS (
    SELECT
        term,
        snapshot_date,
        content_hash = lag(content_hash) OVER earlier AS is_unchanged,
    FROM accepted
    WHERE isodow(snapshot_date) < 6
    WINDOW earlier AS (PARTITION BY term ORDER BY snapshot_date)
),

usual AS (
    SELECT
        term,
        snapshot_date,
        is_unchanged,
        avg((NOT is_unchanged)::INTEGER) OVER (
            PARTITION BY term ORDER BY snapshot_date ROWS BETWEEN 20 PRECEDING AND 1 PRECEDING
        ) > 0.5 AS usually_differs
    FROM business_days
)

SELECT
    attempts.snapshot_date,
    attempts.term,
    attempts.status,
    attempts.reasons,
    attempts.decided_by,
    attempts.row_count,
    attempts.duplicate_count,
    attempts.missing_count,
    attempts.blank_count,
    attempts.invalid_count,
    attempts.outside_count,
    attempts.unknown_status_count,
    accepted.student_count,
    accepted.baseline_date,
    accepted.baseline_count,
    usual.is_unchanged,
    usual.usually_differs
FROM operations.snapshot_attempts AS attempts
LEFT JOIN accepted USING (snapshot_date, term)
LEFT JOIN usual USING (snapshot_date, term)
WHERE attempts.snapshot_date BETWEEN $first AND $last
-- every attempt on a day writes all of its terms with the same time; a decision writes only its own terms
QUALIFY attempts.attempted_at = max(attempts.attempted_at)
        OVER (PARTITION BY attempts.snapshot_date, attempts.term)
    AND attempts.attempted_at >= coalesce(
        max(attempts.attempted_at) FILTER (attempts.decided_by IS NULL)
            OVER (PARTITION BY attempts.snapshot_date),
        attempts.attempted_at
    )
ORDER BY attempts.snapshot_date, attempts.term
