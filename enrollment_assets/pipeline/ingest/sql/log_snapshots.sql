-- Logs the verdicts of a batch. Grain: one row per snapshot day and term.
-- Reads the temporary tables `verdicts` and `spell_rows`. No binds.
-- A day that is missing or rejected now, and was accepted before, keeps its accepted row.
INSERT INTO enrollment.snapshot_log BY NAME
WITH hashes AS (
    SELECT
        snapshot_date,
        term,
        {% include "row_hash.sql" %} AS content_hash
    FROM spell_rows
    GROUP BY snapshot_date, term
)

SELECT
    verdicts.snapshot_date,
    verdicts.term,
    verdicts.status,
    verdicts.row_count,
    CASE WHEN verdicts.status = 'accepted' THEN verdicts.student_count ELSE 0 END AS student_count,
    verdicts.duplicate_count,
    verdicts.missing_count,
    verdicts.reasons,
    verdicts.source,
    CASE WHEN verdicts.status = 'accepted' THEN hashes.content_hash END AS content_hash,
    verdicts.read_with,
    verdicts.attempted_at AS extracted_at
FROM verdicts
LEFT JOIN hashes USING (snapshot_date, term)
WHERE verdicts.term IS NOT NULL AND verdicts.status <> 'outside'
    AND NOT EXISTS (
        SELECT 1 FROM enrollment.snapshot_log AS old
        WHERE old.snapshot_date = verdicts.snapshot_date AND old.term = verdicts.term
    )
ORDER BY verdicts.snapshot_date, verdicts.term
