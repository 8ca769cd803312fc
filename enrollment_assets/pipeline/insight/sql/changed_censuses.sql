-- Frozen censuses that differ from what the current snapshots would give.
-- Grain: one row per term. Binds: $terms and $days (see `current_censuses.sql`). What a person decided is
-- compared with the snapshot of the day that was chosen.
WITH censuses AS (
    {% include "current_censuses.sql" %}
),

decided AS (
    SELECT term, max_by(snapshot_date, decided_at) AS snapshot_date
    FROM operations.census_decisions
    GROUP BY term
),

current_ones AS (
    SELECT term, snapshot_date, student_count, content_hash FROM censuses ANTI JOIN decided USING (term)
    UNION ALL
    SELECT log.term, log.snapshot_date, log.student_count, log.content_hash
    FROM enrollment.snapshot_log AS log
    JOIN decided USING (term, snapshot_date)
    WHERE log.status = 'accepted'
)

SELECT
    old.term,
    old.snapshot_date,
    old.student_count,
    current_ones.snapshot_date AS snapshot_date_now,
    current_ones.student_count AS student_count_now
FROM operations.census_snapshots AS old
LEFT JOIN current_ones USING (term)
WHERE old.snapshot_date IS DISTINCT FROM current_ones.snapshot_date
    OR old.content_hash IS DISTINCT FROM current_ones.content_hash
ORDER BY old.term
