-- Frozen censuses that differ from what the current snapshots would give.
-- Grain: one row per term. No binds.
WITH censuses AS (
    {% include "current_censuses.sql" %}
)

SELECT
    old.term,
    old.snapshot_date,
    old.student_count,
    censuses.snapshot_date AS snapshot_date_now,
    censuses.student_count AS student_count_now
FROM operations.census_snapshots AS old
LEFT JOIN censuses USING (term)
WHERE old.snapshot_date IS DISTINCT FROM censuses.snapshot_date
    OR old.content_hash IS DISTINCT FROM censuses.content_hash
ORDER BY old.term
