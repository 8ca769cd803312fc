-- The snapshots that wait for a person and agree with the first of them, which came on a day.
-- Grain: one row per day and term. Binds: $first (that day), $term (or NULL for all).
SELECT log.snapshot_date, log.term
FROM enrollment.snapshot_log AS log
JOIN operations.snapshot_attempts AS attempts
    ON attempts.snapshot_date = log.snapshot_date
    AND attempts.term = log.term
    AND attempts.attempted_at = log.extracted_at
WHERE log.status IN ('held', 'rejected')
    AND attempts.held_since = $first
    AND attempts.decided_by IS NULL
    AND ($term IS NULL OR log.term = $term)
ORDER BY log.snapshot_date, log.term
