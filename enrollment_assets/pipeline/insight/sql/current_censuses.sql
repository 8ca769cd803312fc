{# Each term's census snapshot by the current log: one row per term whose census has passed. Binds: $terms
   and $days, which go together: the census, or the last day before it on which a snapshot is expected.
   A day that is missing, held, rejected or in doubt gives none: a person decides about it. #}
SELECT
    log.term,
    terms.census AS census_date,
    log.snapshot_date,
    log.student_count,
    log.content_hash
FROM enrollment.snapshot_log AS log
JOIN terms ON log.term = terms.code
JOIN (SELECT unnest($terms::VARCHAR[]) AS term, unnest($days::DATE[]) AS day) AS expected
    ON log.term = expected.term AND log.snapshot_date = expected.day
LEFT JOIN operations.snapshot_attempts AS attempts
    ON attempts.term = log.term
    AND attempts.snapshot_date = log.snapshot_date
    AND attempts.attempted_at = log.extracted_at
WHERE log.status = 'accepted'
    AND (log.reasons IS NULL OR attempts.decided_by IS NOT NULL)
    AND EXISTS (
        SELECT 1 FROM enrollment.snapshot_log AS later
        WHERE later.term = log.term AND later.status = 'accepted' AND later.snapshot_date >= terms.census
    )
