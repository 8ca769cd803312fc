-- Every logged day of every term, and whether its figures are stale.
-- Grain: one row per term and day. Binds: $first, $last (days, both inclusive).
WITH stale AS (
{% include "stale_days.sql" %}
)

SELECT
    log.term,
    log.snapshot_date,
    log.status,
    log.reasons,
    stale.date IS NOT NULL AS is_stale
FROM enrollment.snapshot_log AS log
LEFT JOIN stale ON stale.term = log.term AND stale.date = log.snapshot_date
WHERE log.snapshot_date BETWEEN $first AND $last
ORDER BY log.term, log.snapshot_date
