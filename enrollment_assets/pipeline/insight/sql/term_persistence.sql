-- name: term_persistence
-- stage: insight
-- grain: One row per cohort term, later term, dimension and segment
-- description: The students of a census cohort who are enrolled at the censuses of later terms.
-- depends_on: enrollment_snapshots, snapshot_log, student_changes
-- columns:
--   cohort_term: VARCHAR - Term at whose census the cohort was enrolled
--   term: VARCHAR - Later term whose census is behind
--   dimension: VARCHAR - Name of the dimension; empty for the whole cohort
--   segment: VARCHAR - The student's value of it at the census of the cohort's term
--   cohort_size: BIGINT - Students enrolled at the census of cohort_term
--   enrolled: BIGINT - Of these, enrolled at the census of term
--   persistence_rate: DOUBLE - Percent

-- The census cohort of each term at the censuses of later terms.
-- Grain: one row per cohort term, later term, dimension and segment (both NULL for the whole cohort).
-- Binds: $deposited (status codes of those who only promised to come), $blank_segment (name for an empty
-- value). A student with several programs is followed in each of them.
WITH members AS (
    SELECT * FROM operations.census_members
    WHERE NOT coalesce(list_contains($deposited::VARCHAR[], status), false)
),

places AS (
{% set people = "members" %}
    {% include "places.sql" %}

),

pairs AS (
    SELECT cohort.term AS cohort_term, later.term, log.read_with
    FROM operations.census_snapshots AS cohort
    JOIN operations.census_snapshots AS later ON later.census_date > cohort.census_date
    LEFT JOIN enrollment.snapshot_log AS log
        ON log.term = cohort.term AND log.snapshot_date = cohort.snapshot_date
),

present AS (
    SELECT DISTINCT term, student_id FROM members
)

SELECT
    pairs.cohort_term,
    pairs.term,
    places.dimension,
    places.segment,
    count(*) AS cohort_size,
    count(present.student_id) AS enrolled,
    100.0 * count(present.student_id) / count(*) AS persistence_rate
FROM pairs
JOIN places ON places.term = pairs.cohort_term
LEFT JOIN present ON present.term = pairs.term AND present.student_id = places.student_id
-- a dimension that the census was not read with has no segments
WHERE (places.dimension IS NULL OR coalesce(list_contains(pairs.read_with, places.dimension), true))
    AND $blank_segment IS NOT NULL
GROUP BY pairs.cohort_term, pairs.term, places.dimension, places.segment
ORDER BY ALL
