-- The days of a term, after one day, that were tried and have no accepted snapshot.
-- Grain: one row per day. Binds: $term, $first (exclusive), $last (inclusive).
SELECT
    snapshot_date,
    status AS verdict,
    reasons
FROM enrollment.snapshot_log
WHERE term = $term AND status <> 'accepted' AND snapshot_date > $first AND snapshot_date <= $last
ORDER BY snapshot_date
