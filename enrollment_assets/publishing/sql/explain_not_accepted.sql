-- The days of a term, after one day, of which no snapshot stands although one was looked for.
-- Grain: one row per day. Binds: $term, $first (exclusive), $last (inclusive).
SELECT
    snapshot_date,
    CASE status WHEN 'rejected' THEN 'refused' ELSE status END AS verdict,
    reasons
FROM enrollment.snapshot_log
WHERE term = $term AND status <> 'accepted' AND snapshot_date > $first AND snapshot_date <= $last
ORDER BY snapshot_date
