-- Continuation since census: the share of the census cohort that is still enrolled, in percent.
-- Grain: one row per term and day from the census on. Binds: $day, $terms (codes).
-- The cohort is the snapshot that the census is frozen from, or else the last accepted one on or before it. Later drops and returns are in
-- the changes, so that no later snapshot has to be read.
WITH cohorts AS (
    SELECT
        log.term,
        coalesce(
            max(log.snapshot_date) FILTER (log.snapshot_date = frozen_at.snapshot_date),
            max(log.snapshot_date) FILTER (log.snapshot_date <= terms.census)
        ) AS census_date
    FROM enrollment.snapshot_log AS log
    JOIN terms ON log.term = terms.code
    LEFT JOIN operations.census_snapshots AS frozen_at ON frozen_at.term = log.term
    WHERE log.status = 'accepted'
        AND log.snapshot_date <= $day
        AND terms.census <= $day
        AND list_contains($terms::VARCHAR[], log.term)
    GROUP BY log.term
),

members AS (
    SELECT DISTINCT cohorts.term, cohorts.census_date, snapshots.student_id
    FROM cohorts
    JOIN enrollment.enrollment_snapshots AS snapshots
        ON snapshots.term = cohorts.term AND snapshots.snapshot_date = cohorts.census_date
),

moves AS (
    SELECT
        changes.term,
        changes.snapshot_date AS date,
        count(*) FILTER (changes.change = 'added') - count(*) FILTER (changes.change = 'dropped')
            AS net_change
    FROM enrollment.student_changes AS changes
    JOIN members
        ON changes.term = members.term
        AND changes.student_id = members.student_id
        AND changes.snapshot_date > members.census_date
    WHERE changes.snapshot_date <= $day
    GROUP BY ALL
)

SELECT
    log.term,
    log.snapshot_date AS date,
    (log.snapshot_date - terms.census)::INTEGER AS days_since_census,
    100.0 * (
        sizes.cohort_size
        + coalesce(sum(moves.net_change) OVER (PARTITION BY log.term ORDER BY log.snapshot_date), 0)
    ) / sizes.cohort_size AS continuation_pct
FROM enrollment.snapshot_log AS log
JOIN terms ON log.term = terms.code
JOIN (SELECT term, census_date, count(*) AS cohort_size FROM members GROUP BY ALL) AS sizes
    ON sizes.term = log.term AND sizes.census_date <= log.snapshot_date
LEFT JOIN moves ON moves.term = log.term AND moves.date = log.snapshot_date
WHERE log.status = 'accepted' AND log.snapshot_date <= $day
ORDER BY log.term, log.snapshot_date
