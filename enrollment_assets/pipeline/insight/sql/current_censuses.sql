{# each term's census snapshot by the current log: one row per term whose census has passed #}
SELECT
    log.term,
    any_value(terms.census) AS census_date,
    max(log.snapshot_date) FILTER (log.snapshot_date <= terms.census) AS snapshot_date,
    max_by(log.student_count, log.snapshot_date) FILTER (log.snapshot_date <= terms.census) AS student_count,
    max_by(log.content_hash, log.snapshot_date) FILTER (log.snapshot_date <= terms.census) AS content_hash
FROM enrollment.snapshot_log AS log
JOIN terms ON log.term = terms.code
WHERE log.status = 'accepted'
GROUP BY log.term
HAVING max(log.snapshot_date) >= any_value(terms.census)
    AND min(log.snapshot_date) <= any_value(terms.census)
