-- Students enrolled on a day, from tables of your own that keep every change with its dates.
-- For: PostgreSQL, MySQL, MariaDB, SQLite.
-- Grain: one row per student, term and program. A student with several programs: grain registration.
-- Binds: snapshot_date (date).
-- Dated: who, term, program, level and status, by valid_from (first day) and valid_to (the first day
-- that it no longer holds; null while it holds). As of now: names, a program's title and division.
-- Reads: enrollment_history, students, programs.
-- Terms: enrollment_history.term must be the code in enrollment.yaml. A term's rows must end (valid_to)
-- by the day after the term's `ends`; rows that run on are counted in the log and left out.
-- Adapt: names of tables and columns. valid_from and valid_to are dates; of timestamps compare the
-- date part. Every status comes out: say under `statuses` which are counted. Test students: `exclude`.
SELECT
    h.student_id,
    -- the nested REPLACE joins two texts in all four databases (|| means OR in MySQL)
    COALESCE(
        REPLACE(REPLACE('{last}, {first}', '{first}', s.first_name), '{last}', s.last_name),
        s.last_name
    ) AS student_name,
    h.term,
    p.division,
    COALESCE(p.title, h.program) AS program,
    h.level,
    h.status
FROM enrollment_history h
LEFT JOIN students s ON s.student_id = h.student_id
LEFT JOIN programs p ON p.program = h.program
WHERE h.valid_from <= :snapshot_date
    AND (h.valid_to IS NULL OR h.valid_to > :snapshot_date)
