-- What each accepted day of a term did to its headcount, between two days.
-- Grain: one row per accepted snapshot, from the latest one on or before $first (or the first one after
-- it, if there is none) to $last. Binds: $term, $first, $last (days, both inclusive).
-- A day that was not computed yet has no figures.
SELECT
    log.snapshot_date AS date,
    metrics.baseline_date,
    metrics.total_enrollment,
    metrics.new_students - metrics.returning_students AS first_time_students,
    metrics.returning_students,
    metrics.dropped_students,
    metrics.moved_students
FROM enrollment.snapshot_log AS log
LEFT JOIN enrollment.enrollment_metrics AS metrics
    ON metrics.term = log.term AND metrics.date = log.snapshot_date
WHERE log.term = $term AND log.status = 'accepted' AND log.snapshot_date <= $last
QUALIFY log.snapshot_date
    >= coalesce(max(log.snapshot_date) FILTER (log.snapshot_date <= $first) OVER (), $first)
ORDER BY log.snapshot_date
