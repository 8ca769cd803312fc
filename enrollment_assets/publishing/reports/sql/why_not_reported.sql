-- The terms that keep a day from being reported: not accepted, or not by this run.
-- Grain: one row per term. Binds: $day, $run_id. `held_since` is set if the rows are kept.
SELECT log.term, log.status, log.reasons, attempts.held_since
FROM enrollment.snapshot_log AS log
LEFT JOIN operations.snapshot_attempts AS attempts
    ON attempts.snapshot_date = log.snapshot_date
    AND attempts.term = log.term
    AND attempts.attempted_at = log.extracted_at
WHERE log.snapshot_date = $day AND log.status <> 'accepted'
UNION
SELECT term, status, reasons, held_since
FROM operations.snapshot_attempts
WHERE snapshot_date = $day
    AND run_id = $run_id
    AND term IS NOT NULL
    AND status IN ('held', 'rejected', 'missing')
ORDER BY term
