-- Every logged day of every term, and whether its figures follow from the snapshots that stand.
-- Grain: one row per term and day. No binds. A day is stale if it has no figures, or figures with
-- another baseline or headcount than it has now.
WITH accepted AS (
    SELECT
        term,
        snapshot_date,
        student_count,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
)

SELECT
    log.term,
    log.snapshot_date,
    log.status,
    log.reasons,
    log.status = 'accepted' AND (
        metrics.date IS NULL
        OR metrics.baseline_date IS DISTINCT FROM accepted.baseline_date
        OR metrics.total_enrollment <> accepted.student_count
    ) AS is_stale
FROM enrollment.snapshot_log AS log
LEFT JOIN accepted USING (term, snapshot_date)
LEFT JOIN enrollment.enrollment_metrics AS metrics
    ON metrics.term = log.term AND metrics.date = log.snapshot_date
ORDER BY log.term, log.snapshot_date
