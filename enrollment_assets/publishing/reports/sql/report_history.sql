-- The daily figures for a report of one day: nothing from after that day.
-- Grain: one row per day and term. Binds: $day, $terms (codes to show, comparison terms included).
SELECT *
FROM enrollment.enrollment_metrics
WHERE date <= $day AND list_contains($terms::VARCHAR[], term)
ORDER BY term, date
