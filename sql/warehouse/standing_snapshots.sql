-- What stands already: the accepted snapshots of a batch's days, and each term's latest before them.
-- Grain: one row per term and such day. Binds: $first, $last (days of the batch, both inclusive).
SELECT term, snapshot_date, student_count, content_hash
FROM enrollment.snapshot_log
WHERE status = 'accepted' AND snapshot_date <= $last
QUALIFY snapshot_date >= $first
    OR snapshot_date = max(snapshot_date) FILTER (snapshot_date < $first) OVER (PARTITION BY term)
ORDER BY snapshot_date, term
