-- Students enrolled on a day in PowerSchool SIS.
-- For: Oracle.
-- Grain: one row per student and school year; of enrollments that overlap, the one entered last.
-- Binds: snapshot_date (date).
-- Dated: who, school and grade, by entry date (first day) and exit date (first day not there). As of
-- now: names. Entry and exit dates that are corrected later change past days.
-- Reads: STUDENTS, REENROLLMENTS, SCHOOLS, TERMS.
-- Counts: the current enrollment (STUDENTS) and earlier ones (REENROLLMENTS). No-shows, which leave on
-- the day they enter, do not count, nor does school 999999, which holds graduates. Of ENROLL_STATUS
-- active (0), transferred out (2) and graduated (3) count between their dates; inactive (1),
-- pre-registered (-1) and imported (4) do not.
-- Terms: the school's year that has not ended (TERMS, ISYEARREC 1), written as 2024-2025: that is the
-- code in enrollment.yaml. YEARID 34 is 2024-2025. A school without a year gives rows without a term,
-- which are reported.
-- Adapt: grade bands of division; program is the school. Schools to leave out go beside 999999. Test
-- students: `exclude`, or STUDENTS.STATE_EXCLUDEFROMREPORTING where you use it for them.
-- Verify: that exit dates are the first day not attended. Before a year begins its students are not
-- enrolled yet: nobody comes out in summer.
SELECT
    CAST(s.STUDENT_NUMBER AS VARCHAR2(20)) AS student_id,
    CASE
        WHEN s.FIRST_NAME IS NOT NULL THEN s.LAST_NAME || ', ' || s.FIRST_NAME
        ELSE s.LAST_NAME
    END AS student_name,
    CASE
        WHEN y.YEARID IS NOT NULL
            THEN CAST(y.YEARID + 1990 AS VARCHAR2(4)) || '-' || CAST(y.YEARID + 1991 AS VARCHAR2(4))
    END AS term,
    CASE
        WHEN e.GRADE_LEVEL <= 5 THEN 'Elementary'
        WHEN e.GRADE_LEVEL <= 8 THEN 'Middle'
        WHEN e.GRADE_LEVEL <= 12 THEN 'High'
    END AS division,
    COALESCE(c.NAME, CAST(e.SCHOOLID AS VARCHAR2(20))) AS program,
    CASE
        WHEN e.GRADE_LEVEL < 0 THEN 'Pre-K'
        WHEN e.GRADE_LEVEL = 0 THEN 'K'
        ELSE CAST(e.GRADE_LEVEL AS VARCHAR2(20))
    END AS "level",
    'enrolled' AS status
FROM (
    SELECT
        x.STUDENTID,
        x.SCHOOLID,
        x.GRADE_LEVEL,
        ROW_NUMBER() OVER (
            PARTITION BY x.STUDENTID ORDER BY x.ENTRYDATE DESC, x.SCHOOLID
        ) AS place
    FROM (
        SELECT ID AS STUDENTID, SCHOOLID, GRADE_LEVEL, ENTRYDATE, EXITDATE
        FROM STUDENTS
        WHERE ENROLL_STATUS IN (0, 2, 3)
        UNION ALL
        SELECT STUDENTID, SCHOOLID, GRADE_LEVEL, ENTRYDATE, EXITDATE
        FROM REENROLLMENTS
    ) x
    WHERE x.ENTRYDATE < :snapshot_date + 1
        AND (x.EXITDATE IS NULL OR x.EXITDATE >= :snapshot_date + 1)
        AND x.SCHOOLID <> 999999
) e
LEFT JOIN STUDENTS s ON s.ID = e.STUDENTID
LEFT JOIN SCHOOLS c ON c.SCHOOL_NUMBER = e.SCHOOLID
LEFT JOIN (
    SELECT t.SCHOOLID, MIN(t.YEARID) AS YEARID
    FROM TERMS t
    WHERE t.ISYEARREC = 1
        AND t.LASTDAY >= :snapshot_date
    GROUP BY t.SCHOOLID
) y ON y.SCHOOLID = e.SCHOOLID
WHERE e.place = 1
