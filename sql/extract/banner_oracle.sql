-- Students registered on a day in Ellucian Banner Student.
-- For: Oracle.
-- Grain: one row per student and term, however many sections.
-- Binds: snapshot_date (date).
-- Dated: who is registered, from the registration audit (what it held at the end of that day).
-- As of now: ids, names, and the general student record of the term (college, major, level).
-- Reads: SFRSTCA, STVRSTS, STVTERM, SPRIDEN, SGBSTDN, STVCOLL, STVMAJR, STVLEVL.
-- Counts: the last BASE row of each section, where STVRSTS includes its status in section enrollment
-- and does not call it a withdrawal, and no error flag stands against it. TEMP rows are attempts.
-- Terms: STVTERM_CODE (such as 202480) is the code in enrollment.yaml. A term not listed there is
-- reported as unknown: leave out here what you do not watch. Terms that have ended are left out, so
-- `ends` must not be later than STVTERM_END_DATE.
-- Adapt: error flags that do not count (F fatal, L waitlist, D do not count; verify yours). Section
-- campuses or levels to leave out go beside SFRSTCA_SOURCE_CDE. Test students: `exclude`.
-- Verify: that the audit was on and not purged since the first date asked for, and that rows taken off
-- SFRSTCR leave a drop in it; compare today's headcount with SFRSTCR. Institutions that keep programs
-- in SORLCUR and SORLFOS only must join those.
SELECT
    i.SPRIDEN_ID AS student_id,
    CASE
        WHEN i.SPRIDEN_FIRST_NAME IS NOT NULL
            THEN i.SPRIDEN_LAST_NAME || ', ' || i.SPRIDEN_FIRST_NAME
        ELSE i.SPRIDEN_LAST_NAME
    END AS student_name,
    k.term AS term,
    COALESCE(c.STVCOLL_DESC, k.college) AS division,
    COALESCE(m.STVMAJR_DESC, k.major) AS program,
    COALESCE(l.STVLEVL_DESC, k.student_level) AS "level",
    'enrolled' AS status
FROM (
    SELECT
        a.SFRSTCA_PIDM AS pidm,
        a.SFRSTCA_TERM_CODE AS term,
        s.SGBSTDN_COLL_CODE_1 AS college,
        s.SGBSTDN_MAJR_CODE_1 AS major,
        s.SGBSTDN_LEVL_CODE AS student_level,
        -- one row of all sections, with the latest general record that is in effect in the term
        ROW_NUMBER() OVER (
            PARTITION BY a.SFRSTCA_PIDM, a.SFRSTCA_TERM_CODE ORDER BY s.SGBSTDN_TERM_CODE_EFF DESC
        ) AS place
    FROM (
        SELECT
            x.SFRSTCA_PIDM,
            x.SFRSTCA_TERM_CODE,
            x.SFRSTCA_RSTS_CODE,
            x.SFRSTCA_ERROR_FLAG,
            ROW_NUMBER() OVER (
                PARTITION BY x.SFRSTCA_TERM_CODE, x.SFRSTCA_PIDM, x.SFRSTCA_CRN
                ORDER BY x.SFRSTCA_SEQ_NUMBER DESC
            ) AS place
        FROM SFRSTCA x
        WHERE x.SFRSTCA_SOURCE_CDE = 'BASE'
            AND x.SFRSTCA_ACTIVITY_DATE < :snapshot_date + 1
            AND NOT EXISTS (
                SELECT 1
                FROM STVTERM t
                WHERE t.STVTERM_CODE = x.SFRSTCA_TERM_CODE
                    AND t.STVTERM_END_DATE < :snapshot_date
            )
    ) a
    INNER JOIN STVRSTS v ON v.STVRSTS_CODE = a.SFRSTCA_RSTS_CODE
    LEFT JOIN SGBSTDN s
        ON s.SGBSTDN_PIDM = a.SFRSTCA_PIDM
        AND s.SGBSTDN_TERM_CODE_EFF <= a.SFRSTCA_TERM_CODE
    WHERE a.place = 1
        AND v.STVRSTS_INCL_SECT_ENRL = 'Y'
        AND v.STVRSTS_WITHDRAW_IND = 'N'
        AND (a.SFRSTCA_ERROR_FLAG IS NULL OR a.SFRSTCA_ERROR_FLAG NOT IN ('F', 'L', 'D'))
) k
LEFT JOIN SPRIDEN i
    ON i.SPRIDEN_PIDM = k.pidm
    AND i.SPRIDEN_CHANGE_IND IS NULL
LEFT JOIN STVCOLL c ON c.STVCOLL_CODE = k.college
LEFT JOIN STVMAJR m ON m.STVMAJR_CODE = k.major
LEFT JOIN STVLEVL l ON l.STVLEVL_CODE = k.student_level
WHERE k.place = 1
