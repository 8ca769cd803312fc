-- name: census_members
-- schema: operations
-- grain: "One row per term, student (and program): who was enrolled at the frozen census"
-- columns:
--   term: VARCHAR - Code of the term
--   student_id: VARCHAR - The student's id
--   status: VARCHAR - Status code as the source gave it
--   <dimension>: VARCHAR - The student's <dimension> at the census

-- Who was enrolled at the censuses that were frozen just now.
-- Grain: one row per term, student (and program). No binds.
INSERT INTO operations.census_members BY NAME
SELECT
    snapshots.term,
    snapshots.student_id,
{% for name in dimensions %}
    snapshots."{{ name }}",
{% endfor %}
    snapshots.status
FROM enrollment.enrollment_snapshots AS snapshots
JOIN operations.census_snapshots AS frozen_at
    ON snapshots.term = frozen_at.term AND snapshots.snapshot_date = frozen_at.snapshot_date
WHERE NOT EXISTS (SELECT 1 FROM operations.census_members AS old WHERE old.term = snapshots.term)
