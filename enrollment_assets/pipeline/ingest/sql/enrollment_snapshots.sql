-- name: enrollment_snapshots
-- stage: ingest
-- kind: daily view
-- grain: One row per snapshot day, term and student (and program in grain registration)
-- description: The students of each day, as the source gave them; a view over `enrollment_spells` and
--   the accepted days of `snapshot_log`.
-- date: snapshot_date
-- depends_on: enrollment_spells, snapshot_log
-- columns:
--   snapshot_date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term, opaque text
--   student_id: VARCHAR - The student's id, text from end to end
--   student_name: VARCHAR - The student's name
--   <dimension>: VARCHAR - The student's <dimension> on that day
--   status: VARCHAR - Status code as the source gave it

-- Every accepted day of a term with the spells that hold on it. No binds.
SELECT
    log.snapshot_date,
{% for name in row_columns %}
    spells."{{ name }}"{{ "," if not loop.last }}
{% endfor %}
FROM enrollment.enrollment_spells AS spells
JOIN enrollment.snapshot_log AS log
    ON log.term = spells.term
    AND log.status = 'accepted'
    AND log.snapshot_date >= spells.valid_from
    AND log.snapshot_date < coalesce(spells.valid_to, DATE '9999-12-31')
