-- name: fact_student_change
-- stage: exports
-- grain: One row per day, term and student who was added, dropped or moved
-- description: Changes of single students, only where exports.student_changes asks for it; without
--   names.
-- depends_on: student_changes
-- without: snapshot_date, student_name
-- binds: outer, inner
-- columns:
--   date: DATE - Day of the snapshot
--   <student_changes>: the columns of that table

-- Export, only on request: who was added, dropped or moved, without names. Grain: one row per day, term and
-- student. Binds: $outer, $inner (pads of the key, see `warehouse/exports.py`; NULL leaves ids as they are).
-- A pseudonym is HMAC-SHA-256 (RFC 2104) of the id: sha256(outer || sha256(inner || id)).
SELECT
    * EXCLUDE (snapshot_date, student_id, student_name),
    snapshot_date AS date,
    CASE WHEN $outer::BLOB IS NULL THEN student_id
        ELSE sha256($outer::BLOB || unhex(sha256($inner::BLOB || encode(student_id)))) END AS student_id
FROM enrollment.student_changes
ORDER BY date, term, change, student_id
