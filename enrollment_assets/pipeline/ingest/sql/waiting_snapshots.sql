-- The snapshots that wait for a person since each term's last accepted one, with their rows kept.
-- Grain: one row per term and such day, by day. Binds: $first (first day of the batch).
SELECT log.term, log.snapshot_date, attempts.student_count, attempts.held_since
FROM enrollment.snapshot_log AS log
JOIN operations.snapshot_attempts AS attempts
    ON attempts.snapshot_date = log.snapshot_date
    AND attempts.term = log.term
    AND attempts.attempted_at = log.extracted_at
WHERE log.status IN ('held', 'rejected')
    AND log.snapshot_date < $first
    AND attempts.held_since IS NOT NULL
    AND log.snapshot_date > coalesce(
        (
            SELECT max(accepted.snapshot_date)
            FROM enrollment.snapshot_log AS accepted
            WHERE accepted.term = log.term
                AND accepted.status = 'accepted'
                AND accepted.snapshot_date < $first
        ),
        DATE '0001-01-01'
    )
ORDER BY log.snapshot_date, log.term
