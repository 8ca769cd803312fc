-- Students enrolled on a day in a OneRoster 1.1 or 1.2 export (bulk).
-- Reads: users, enrollments, orgs: files of the ZIP, each a table with text columns.
-- Counts: users with an enrollment as a student in a class whose dates hold the day, at the school where
-- most of their classes are. What is to be deleted does not count, nor do users who are not enabled.
-- Adapt: `metadata` columns of your system, such as a program, from users.
WITH classes_of AS (
    SELECT
        userSourcedId AS student,
        schoolSourcedId AS school,
        count(*) AS classes
    FROM enrollments
    WHERE
        lower(role) = 'student'
        AND coalesce(lower(status), '') NOT IN ('tobedeleted', 'inactive')
        AND (nullif(beginDate, '') IS NULL OR left(beginDate, 10)::DATE <= :snapshot_date)
        AND (nullif(endDate, '') IS NULL OR left(endDate, 10)::DATE >= :snapshot_date)
    GROUP BY ALL
),

school_of AS (
    SELECT student, arg_max(school, (classes, school)) AS school
    FROM classes_of
    GROUP BY student
)

SELECT
    u.sourcedId AS student_id,
    concat_ws(', ', nullif(u.familyName, ''), nullif(u.givenName, '')) AS student_name,
    o.name AS school,
    nullif(split_part(u.grades, ',', 1), '') AS grade
FROM school_of AS s
INNER JOIN users AS u ON u.sourcedId = s.student
LEFT JOIN orgs AS o ON o.sourcedId = s.school
WHERE
    coalesce(lower(u.status), '') NOT IN ('tobedeleted', 'inactive')
    AND coalesce(lower(u.enabledUser), 'true') NOT IN ('false', '0')
