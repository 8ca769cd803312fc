-- Who was added, dropped or moved on a day, with names. Grain: one row per student. Binds: $day, $term,
-- $change.
SELECT * EXCLUDE (change)
FROM enrollment.student_changes
WHERE snapshot_date = $day AND term = $term AND change = $change
ORDER BY student_name, student_id
