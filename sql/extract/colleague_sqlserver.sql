-- Students registered on a day in Ellucian Colleague.
-- For: SQL Server.
-- Grain: one row per student and term, however many sections.
-- Binds: snapshot_date (date).
-- Dated: registration by the dates of its statuses, the program by its dates and statuses. As of now:
-- names, titles, a program's department and level. A status entered later with an earlier date changes
-- past days.
-- Reads: STUDENT_ACAD_CRED, STC_STATUSES, TERMS, PERSON, STUDENT_PROGRAMS, STPR_STATUSES, STPR_DATES,
-- ACAD_PROGRAMS, DEPTS, DIVISIONS.
-- Counts: credits whose newest status by that day (the lowest POS of those dated) is N (new) or A
-- (added). Credits without a term, such as non-term continuing education, are left out.
-- Program: of the programs in status A on the day, within their dates, the one begun last; of equals,
-- the first code. A student without one stays, with the level of the credits.
-- Terms: STC_TERM (such as 2024FA) is the code in enrollment.yaml. A term not listed there is
-- reported as unknown: leave out here what you do not watch. Terms that have ended are left out, so
-- `ends` must not be later than TERM_END_DATE.
-- Adapt: status codes of credits and of programs. level is the code of ACPG_ACAD_LEVEL; division is the
-- division of STPR_DEPT. Credit types or locations to leave out go beside the statuses. Test students:
-- `exclude`.
-- Verify: that your replica has one row per value in STC_STATUSES, STPR_STATUSES and STPR_DATES with
-- POS 1 as the newest, and that a program no longer counts on its end date.
SELECT
    c.person_id AS student_id,
    CASE
        WHEN p.FIRST_NAME > '' THEN CONCAT(p.LAST_NAME, ', ', p.FIRST_NAME)
        ELSE p.LAST_NAME
    END AS student_name,
    c.term AS term,
    COALESCE(v.DIV_DESC, d.DEPTS_DIVISION, d.DEPTS_DESC, g.department) AS division,
    COALESCE(a.ACPG_TITLE, g.program) AS program,
    COALESCE(a.ACPG_ACAD_LEVEL, c.acad_level) AS [level],
    'enrolled' AS status
FROM (
    SELECT
        s.STC_PERSON_ID AS person_id,
        s.STC_TERM AS term,
        MIN(s.STC_ACAD_LEVEL) AS acad_level
    FROM STUDENT_ACAD_CRED s
    INNER JOIN (
        SELECT
            x.STUDENT_ACAD_CRED_ID,
            x.STC_STATUS,
            ROW_NUMBER() OVER (PARTITION BY x.STUDENT_ACAD_CRED_ID ORDER BY x.POS) AS place
        FROM STC_STATUSES x
        WHERE x.STC_STATUS_DATE < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
    ) t
        ON t.STUDENT_ACAD_CRED_ID = s.STUDENT_ACAD_CRED_ID
        AND t.place = 1
    WHERE t.STC_STATUS IN ('N', 'A')
        AND s.STC_TERM > ''
        AND NOT EXISTS (
            SELECT 1
            FROM TERMS e
            WHERE e.TERMS_ID = s.STC_TERM
                AND e.TERM_END_DATE < CAST(:snapshot_date AS date)
        )
    GROUP BY s.STC_PERSON_ID, s.STC_TERM
) c
LEFT JOIN PERSON p ON p.ID = c.person_id
LEFT JOIN (
    -- the key of STUDENT_PROGRAMS is person*program
    SELECT
        LEFT(x.STUDENT_PROGRAMS_ID, CHARINDEX('*', x.STUDENT_PROGRAMS_ID) - 1) AS person_id,
        SUBSTRING(x.STUDENT_PROGRAMS_ID, CHARINDEX('*', x.STUDENT_PROGRAMS_ID) + 1, 100) AS program,
        x.STPR_DEPT AS department,
        ROW_NUMBER() OVER (
            PARTITION BY LEFT(x.STUDENT_PROGRAMS_ID, CHARINDEX('*', x.STUDENT_PROGRAMS_ID) - 1)
            ORDER BY y.STPR_START_DATE DESC, x.STUDENT_PROGRAMS_ID
        ) AS place
    FROM STUDENT_PROGRAMS x
    INNER JOIN STPR_DATES y
        ON y.STUDENT_PROGRAMS_ID = x.STUDENT_PROGRAMS_ID
        AND y.STPR_START_DATE < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
        AND (
            y.STPR_END_DATE IS NULL
            OR y.STPR_END_DATE >= DATEADD(DAY, 1, CAST(:snapshot_date AS date))
        )
    INNER JOIN (
        SELECT
            z.STUDENT_PROGRAMS_ID,
            z.STPR_STATUS,
            ROW_NUMBER() OVER (PARTITION BY z.STUDENT_PROGRAMS_ID ORDER BY z.POS) AS place
        FROM STPR_STATUSES z
        WHERE z.STPR_STATUS_DATE < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
    ) u
        ON u.STUDENT_PROGRAMS_ID = x.STUDENT_PROGRAMS_ID
        AND u.place = 1
        AND u.STPR_STATUS = 'A'
) g
    ON g.person_id = c.person_id
    AND g.place = 1
LEFT JOIN ACAD_PROGRAMS a ON a.ACAD_PROGRAMS_ID = g.program
LEFT JOIN DEPTS d ON d.DEPTS_ID = g.department
LEFT JOIN DIVISIONS v ON v.DIVISIONS_ID = d.DEPTS_DIVISION
