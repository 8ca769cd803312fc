-- What of a range is not accepted, or was held or rejected by a run although earlier rows are accepted.
-- Grain: one row per day and term, by day. Binds: $first, $last (days, both inclusive), $run_id.
SELECT snapshot_date, term, status, reasons
FROM enrollment.snapshot_log
WHERE status <> 'accepted' AND snapshot_date BETWEEN $first AND $last
UNION
SELECT snapshot_date, term, status, reasons
FROM operations.snapshot_attempts
WHERE run_id = $run_id
    AND term IS NOT NULL
    AND status IN ('held', 'rejected', 'missing')
    AND snapshot_date BETWEEN $first AND $last
ORDER BY snapshot_date, term
