-- Every logged day of every term, and whether its figures follow from what stands now.
-- Grain: one row per term and day. Binds: $first, $last (days, both inclusive). A day is stale if it
-- has no figures, or other ones than log and changes give today.
WITH fresh AS (
{% include "enrollment_metrics.sql" %}
)

SELECT
    log.term,
    log.snapshot_date,
    log.status,
    log.reasons,
    log.status = 'accepted' AND (
        metrics.date IS NULL
        OR metrics.baseline_date IS DISTINCT FROM fresh.baseline_date
        OR metrics.total_enrollment <> fresh.total_enrollment
        OR metrics.gross_enrollment <> fresh.gross_enrollment
        OR metrics.net_change <> fresh.net_change
        OR fresh.net_change <> fresh.total_enrollment - before.total_enrollment
    ) IS TRUE AS is_stale
FROM enrollment.snapshot_log AS log
LEFT JOIN fresh ON fresh.term = log.term AND fresh.date = log.snapshot_date
LEFT JOIN fresh AS before ON before.term = fresh.term AND before.date = fresh.baseline_date
LEFT JOIN enrollment.enrollment_metrics AS metrics
    ON metrics.term = log.term AND metrics.date = log.snapshot_date
WHERE log.snapshot_date BETWEEN $first AND $last
ORDER BY log.term, log.snapshot_date
