-- Calendar months: mean headcount, adds, drops, mean day-over-day continuation.
-- Grain: one row per term and month with an accepted snapshot. No binds.
CREATE OR REPLACE VIEW enrollment.monthly_enrollment_summary AS
SELECT
    term,
    date_trunc('month', date)::DATE AS month_start,
    avg(total_enrollment) AS avg_enrollment,
    sum(new_students) AS monthly_adds,
    sum(dropped_students) AS monthly_drops,
    avg(retention_rate) AS avg_retention
FROM enrollment.enrollment_metrics
GROUP BY ALL
