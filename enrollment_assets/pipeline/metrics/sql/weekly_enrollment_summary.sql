-- Weeks from Monday to Sunday: mean headcount, adds, drops, mean day-over-day continuation.
-- Grain: one row per term and week with an accepted snapshot. No binds.
CREATE OR REPLACE VIEW enrollment.weekly_enrollment_summary AS
SELECT
    term,
    date_trunc('week', date)::DATE AS week_start,
    avg(total_enrollment) AS avg_enrollment,
    sum(new_students) AS weekly_adds,
    sum(dropped_students) AS weekly_drops,
    avg(retention_rate) AS avg_retention
FROM enrollment.enrollment_metrics
GROUP BY ALL
