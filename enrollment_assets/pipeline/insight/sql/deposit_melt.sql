-- name: deposit_melt
-- stage: insight
-- grain: One row per term, dimension and segment with deposit-like students, once the census is
--   behind
-- description: Students with a deposit-like status before the census who are not enrolled at it.
-- depends_on: enrollment_snapshots, snapshot_log, student_changes
-- columns:
--   term: VARCHAR - Code of the term
--   dimension: VARCHAR - Name of the dimension; empty for the whole term
--   segment: VARCHAR - The student's last value of it with a deposit-like status
--   deposited: BIGINT - Students who ever had a deposit-like status before the census
--   enrolled: BIGINT - Of these, at the census with another status
--   melted: BIGINT - The others
--   melt_rate: DOUBLE - Percent of deposited

-- Who was on a term's list with a deposit-like status before its census, and is not enrolled at it.
-- Grain: one row per term, dimension and segment (both NULL for the whole term). Binds: $deposited (status
-- codes), $blank_segment, $terms (codes of the terms that were frozen just now).
WITH promises AS (
    SELECT snapshots.*
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN operations.census_snapshots AS census USING (term)
    WHERE list_contains($deposited::VARCHAR[], snapshots.status)
        AND list_contains($terms::VARCHAR[], snapshots.term)
        AND snapshots.snapshot_date <= census.snapshot_date
),

-- a student's place is that of the last day with such a status
latest AS (
    SELECT * FROM promises
    QUALIFY snapshot_date = max(snapshot_date) OVER (PARTITION BY term, student_id)
),

places AS (
{% set people = "latest" %}
    {% include "places.sql" %}

),

enrolled AS (
    SELECT DISTINCT term, student_id FROM operations.census_members
    WHERE NOT coalesce(list_contains($deposited::VARCHAR[], status), false)
)

SELECT
    places.term,
    places.dimension,
    places.segment,
    count(*) AS deposited,
    count(enrolled.student_id) AS enrolled,
    count(*) - count(enrolled.student_id) AS melted,
    100.0 * (count(*) - count(enrolled.student_id)) / count(*) AS melt_rate
FROM places
LEFT JOIN enrolled USING (term, student_id)
{% if not dimensions %}
WHERE $blank_segment IS NOT NULL
{% endif %}
GROUP BY ALL
ORDER BY ALL
