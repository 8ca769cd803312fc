-- Continuation since census: the share of the census cohort that is still enrolled, in percent.
-- Grain: one row per term and day from the census on. Binds: $day, $terms (codes).
-- The cohort is the term's latest accepted snapshot on or before its census.
WITH cohorts AS (
    SELECT log.term, max(log.snapshot_date) AS census_date
    FROM enrollment.snapshot_log AS log
    JOIN terms ON log.term = terms.code
    WHERE log.status = 'accepted'
        AND log.snapshot_date <= terms.census
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

still AS (
    SELECT snapshots.term, snapshots.snapshot_date AS date, count(DISTINCT snapshots.student_id) AS enrolled
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN members
        ON snapshots.term = members.term
        AND snapshots.student_id = members.student_id
        AND snapshots.snapshot_date >= members.census_date
    WHERE snapshots.snapshot_date BETWEEN (SELECT min(census_date) FROM cohorts) AND $day
    GROUP BY ALL
)

SELECT still.term, still.date, 100.0 * still.enrolled / sizes.cohort_size AS continuation_pct
FROM still
JOIN (SELECT term, count(*) AS cohort_size FROM members GROUP BY term) AS sizes USING (term)
ORDER BY still.term, still.date
