-- Terms whose census has passed and is not frozen, because its snapshot is missing, held, rejected or in
-- doubt. Grain: one row per term. Binds: $terms and $days (see `current_censuses.sql`), $today.
SELECT
    terms.code AS term,
    terms.census AS census_date,
    expected.day AS expected_day,
    CASE WHEN log.status = 'accepted' THEN 'in doubt' ELSE coalesce(log.status, 'missing') END AS status
FROM terms
JOIN (SELECT unnest($terms::VARCHAR[]) AS term, unnest($days::DATE[]) AS day) AS expected
    ON terms.code = expected.term
ANTI JOIN operations.census_snapshots AS frozen_at ON frozen_at.term = terms.code
LEFT JOIN enrollment.snapshot_log AS log
    ON log.term = terms.code AND log.snapshot_date = expected.day
WHERE terms.census < $today
    AND EXISTS (
        SELECT 1 FROM enrollment.snapshot_log AS later
        WHERE later.term = terms.code AND later.status = 'accepted' AND later.snapshot_date >= terms.census
    )
    AND EXISTS (
        SELECT 1 FROM enrollment.snapshot_log AS earlier
        WHERE earlier.term = terms.code AND earlier.status = 'accepted'
            AND earlier.snapshot_date < terms.census
    )
ORDER BY terms.starts, terms.code
