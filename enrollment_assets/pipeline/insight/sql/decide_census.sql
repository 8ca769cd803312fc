-- Freezes the official count of a term by a person's decision: from the accepted snapshot of a day.
-- Grain: one row. Binds: $term, $day, $run_id.
INSERT INTO operations.census_snapshots BY NAME
SELECT
    log.term,
    terms.census AS census_date,
    log.snapshot_date,
    log.student_count,
    log.content_hash,
    $run_id AS run_id,
    now() AS frozen_at
FROM enrollment.snapshot_log AS log
JOIN terms ON log.term = terms.code
WHERE log.term = $term AND log.snapshot_date = $day AND log.status = 'accepted'
