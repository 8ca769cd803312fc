-- Snapshots that need not be kept any longer. Grain: one row per term and day.
-- Binds: $cutoff (day). Each term keeps the latest accepted snapshot on or before the cutoff, as the
-- baseline of the first one after it; its census snapshot, and the one that a person froze; and so always
-- its newest one. Snapshots
-- before `kept_from` are removed, except the census. A term that is no longer configured has no known
-- census date: all of it is kept.
WITH accepted AS (
    SELECT
        log.term,
        log.snapshot_date,
        max(log.snapshot_date) FILTER (log.snapshot_date <= $cutoff) OVER (PARTITION BY log.term)
            AS kept_from,
        max(log.snapshot_date) FILTER (log.snapshot_date <= terms.census) OVER (PARTITION BY log.term)
            AS census_date
    FROM enrollment.snapshot_log AS log
    JOIN terms ON terms.code = log.term
    WHERE log.status = 'accepted'
)

SELECT accepted.term, accepted.snapshot_date, accepted.kept_from, stored.row_count
FROM accepted
JOIN (
    SELECT term, snapshot_date, count(*) AS row_count
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date < $cutoff
    GROUP BY ALL
) AS stored USING (term, snapshot_date)
WHERE accepted.snapshot_date < accepted.kept_from
    AND accepted.snapshot_date IS DISTINCT FROM accepted.census_date
    AND (accepted.term, accepted.snapshot_date)
        NOT IN (SELECT (term, snapshot_date) FROM operations.census_snapshots)
ORDER BY accepted.term, accepted.snapshot_date
