-- The days of the list of reports. Grain: one row per day and term in the log.
-- Binds: $first, $last (days, both inclusive).
-- `problem`: missing, held or rejected, also if an earlier snapshot is accepted and the newest one is not;
-- doubtful if a snapshot in doubt was accepted by `quality.on_doubt: warn`.
-- `is_restated`: a figure of the day changed after it was reported.
WITH newest AS (
    SELECT
        snapshot_date,
        term,
        max_by(status, attempted_at) AS status,
        max_by(status = 'accepted' AND reasons IS NOT NULL AND decided_by IS NULL, attempted_at) AS is_doubtful
    FROM operations.snapshot_attempts
    WHERE term IS NOT NULL AND snapshot_date BETWEEN $first AND $last
    GROUP BY ALL
),

restated AS (
    SELECT DISTINCT date, term
    FROM enrollment.metric_restatements
    WHERE date BETWEEN $first AND $last
    GROUP BY date, term, dimension, segment, metric
    HAVING arg_min_null(old_value, restated_at) IS DISTINCT FROM arg_max_null(new_value, restated_at)
)

SELECT
    log.snapshot_date AS date,
    log.term,
    metrics.total_enrollment,
    CASE WHEN metrics.baseline_date IS NOT NULL THEN metrics.net_change END AS net_change,
    CASE
        WHEN log.status <> 'accepted' THEN log.status
        WHEN newest.status IN ('held', 'rejected') THEN newest.status
        WHEN newest.is_doubtful THEN 'doubtful'
    END AS problem,
    restated.date IS NOT NULL AS is_restated
FROM enrollment.snapshot_log AS log
LEFT JOIN enrollment.enrollment_metrics AS metrics
    ON metrics.date = log.snapshot_date AND metrics.term = log.term
LEFT JOIN newest ON newest.snapshot_date = log.snapshot_date AND newest.term = log.term
LEFT JOIN restated ON restated.date = log.snapshot_date AND restated.term = log.term
WHERE log.snapshot_date BETWEEN $first AND $last
ORDER BY log.snapshot_date, log.term
