-- Snapshots whose last decision by a person was to reject them.
-- Grain: one row per term and day. Binds: $first, $last (days of the batch, both inclusive).
SELECT snapshot_date, term, content_hash, reasons
FROM operations.snapshot_attempts
WHERE decided_by IS NOT NULL AND snapshot_date BETWEEN $first AND $last
QUALIFY attempted_at = max(attempted_at) OVER (PARTITION BY snapshot_date, term)
    AND status = 'rejected'
