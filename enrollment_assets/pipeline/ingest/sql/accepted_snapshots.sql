-- The accepted snapshots of a batch's days, and each term's latest before them.
-- Grain: one row per term and such day. Binds: $first, $last (days of the batch, both inclusive).
WITH decisions AS (
    SELECT
        snapshot_date,
        term,
        arg_max(decided_by, attempted_at) AS decided_by
    FROM operations.snapshot_attempts
    WHERE decided_by IS NOT NULL AND status = 'accepted' AND snapshot_date <= $last
    GROUP BY ALL
)

SELECT
    log.term,
    log.snapshot_date,
    log.student_count,
    log.content_hash,
    log.reasons,
    CASE WHEN log.reasons IS NOT NULL THEN decisions.decided_by END AS decided_by
FROM enrollment.snapshot_log AS log
LEFT JOIN decisions USING (snapshot_date, term)
WHERE log.status = 'accepted' AND log.snapshot_date <= $last
QUALIFY log.snapshot_date >= $first
    OR log.snapshot_date
        = max(log.snapshot_date) FILTER (log.snapshot_date < $first) OVER (PARTITION BY log.term)
ORDER BY log.snapshot_date, log.term
