-- The fingerprint and the students of each accepted day of a term, as its spells say now. Binds: $term.
UPDATE enrollment.snapshot_log AS log
SET content_hash = stored.content_hash, student_count = stored.student_count
FROM (
    SELECT
        snapshot_date,
        {% include "row_hash.sql" %} AS content_hash,
        count(DISTINCT student_id) AS student_count
    FROM enrollment.enrollment_snapshots
    WHERE term = $term
    GROUP BY snapshot_date
) AS stored
WHERE log.term = $term AND log.status = 'accepted' AND log.snapshot_date = stored.snapshot_date
