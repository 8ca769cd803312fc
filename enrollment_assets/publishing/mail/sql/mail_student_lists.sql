-- Students added and dropped on a day, for the mail with lists of students (off by default).
-- Grain: one row per term, student and kind of change, at most $most of each kind; of_all counts them all. Binds: $day, $most. Example: added, 2024FA, 00042, Ada, 17.
SELECT
    change,
    term,
    student_id,
    student_name,
    count(*) OVER (PARTITION BY change) AS of_all
FROM enrollment.student_changes
WHERE snapshot_date = $day AND change IN ('added', 'dropped')
QUALIFY row_number() OVER (PARTITION BY change ORDER BY term, student_id) <= $most
ORDER BY change, term, student_id
