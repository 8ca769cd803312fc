-- Students enrolled on a day in PeopleSoft Campus Solutions.
-- For: SQL Server. The same query for Oracle is peoplesoft_oracle.sql; change both.
-- Grain: one row per student and term. Of several careers, the one with the most classes that day;
-- of equals, the first code.
-- Binds: snapshot_date (date).
-- Dated: classes by their add and drop dates, term withdrawals by theirs; program, plan, names and
-- descriptions by effective date and sequence. As of now: level, and the career number of the term.
-- A class dropped and added again keeps its last dates only: the days before are then lost.
-- Reads: PS_STDNT_ENRL, PS_STDNT_CAR_TERM, PS_TERM_TBL, PS_NAMES, PS_ACAD_PROG, PS_ACAD_PLAN,
-- PS_ACAD_PROG_TBL, PS_ACAD_GROUP_TBL, PS_ACAD_PLAN_TBL.
-- Counts: classes in status E, but for withdrawn ones (WDRW), and classes in E or D whose drop date is
-- after the day, but for those that were only wait-listed (DRWL).
-- Terms: STRM (such as 2248) is the code in enrollment.yaml. A term not listed there is reported as
-- unknown: leave out here what you do not watch. Terms that have ended are left out, so `ends` must
-- not be later than TERM_END_DT.
-- Adapt: the institution, where the database holds several. division is the program's academic group,
-- program the plan with the lowest sequence, level the code of ACAD_LEVEL_BOT, status PROG_STATUS: say
-- under `statuses` which are counted. Test students: `exclude`.
-- Verify: that dropped classes are kept (the academic calendar can delete them, the drop purge does):
-- where they are deleted, past days miss those who dropped. And that ENRL_ADD_DT is always filled.
SELECT
    e.EMPLID AS student_id,
    CASE
        WHEN n.FIRST_NAME <> ' ' THEN CONCAT(n.LAST_NAME, ', ', n.FIRST_NAME)
        ELSE n.LAST_NAME
    END AS student_name,
    e.STRM AS term,
    COALESCE(g.DESCR, b.ACAD_GROUP) AS division,
    COALESCE(d.DESCR, l.ACAD_PLAN, p.ACAD_PROG) AS program,
    NULLIF(t.ACAD_LEVEL_BOT, ' ') AS [level],
    p.PROG_STATUS AS status
FROM (
    SELECT
        c.EMPLID,
        c.INSTITUTION,
        c.ACAD_CAREER,
        c.STRM,
        ROW_NUMBER() OVER (
            PARTITION BY c.EMPLID, c.STRM
            ORDER BY COUNT(*) DESC, c.ACAD_CAREER, c.INSTITUTION
        ) AS place
    FROM PS_STDNT_ENRL c
    WHERE c.ENRL_ADD_DT < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
        AND (
            (c.STDNT_ENRL_STATUS = 'E' AND c.ENRL_STATUS_REASON <> 'WDRW')
            OR (
                c.STDNT_ENRL_STATUS IN ('E', 'D')
                AND c.ENRL_STATUS_REASON <> 'DRWL'
                AND c.ENRL_DROP_DT >= DATEADD(DAY, 1, CAST(:snapshot_date AS date))
            )
        )
        AND NOT EXISTS (
            SELECT 1
            FROM PS_STDNT_CAR_TERM w
            WHERE w.EMPLID = c.EMPLID
                AND w.ACAD_CAREER = c.ACAD_CAREER
                AND w.INSTITUTION = c.INSTITUTION
                AND w.STRM = c.STRM
                AND w.WITHDRAW_CODE IN ('WDR', 'CAN')
                AND w.WITHDRAW_DATE < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
        )
        AND NOT EXISTS (
            SELECT 1
            FROM PS_TERM_TBL m
            WHERE m.INSTITUTION = c.INSTITUTION
                AND m.ACAD_CAREER = c.ACAD_CAREER
                AND m.STRM = c.STRM
                AND m.TERM_END_DT < CAST(:snapshot_date AS date)
        )
    GROUP BY c.EMPLID, c.INSTITUTION, c.ACAD_CAREER, c.STRM
) e
LEFT JOIN PS_STDNT_CAR_TERM t
    ON t.EMPLID = e.EMPLID
    AND t.ACAD_CAREER = e.ACAD_CAREER
    AND t.INSTITUTION = e.INSTITUTION
    AND t.STRM = e.STRM
LEFT JOIN (
    SELECT
        x.EMPLID,
        x.ACAD_CAREER,
        x.STDNT_CAR_NBR,
        x.EFFDT,
        x.EFFSEQ,
        x.ACAD_PROG,
        x.PROG_STATUS,
        ROW_NUMBER() OVER (
            PARTITION BY x.EMPLID, x.ACAD_CAREER, x.STDNT_CAR_NBR
            ORDER BY x.EFFDT DESC, x.EFFSEQ DESC
        ) AS place
    FROM PS_ACAD_PROG x
    WHERE x.EFFDT < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
) p
    ON p.EMPLID = t.EMPLID
    AND p.ACAD_CAREER = t.ACAD_CAREER
    AND p.STDNT_CAR_NBR = t.STDNT_CAR_NBR
    AND p.place = 1
LEFT JOIN (
    SELECT
        x.EMPLID,
        x.ACAD_CAREER,
        x.STDNT_CAR_NBR,
        x.EFFDT,
        x.EFFSEQ,
        x.ACAD_PLAN,
        ROW_NUMBER() OVER (
            PARTITION BY x.EMPLID, x.ACAD_CAREER, x.STDNT_CAR_NBR, x.EFFDT, x.EFFSEQ
            ORDER BY x.PLAN_SEQUENCE, x.ACAD_PLAN
        ) AS place
    FROM PS_ACAD_PLAN x
) l
    ON l.EMPLID = p.EMPLID
    AND l.ACAD_CAREER = p.ACAD_CAREER
    AND l.STDNT_CAR_NBR = p.STDNT_CAR_NBR
    AND l.EFFDT = p.EFFDT
    AND l.EFFSEQ = p.EFFSEQ
    AND l.place = 1
LEFT JOIN (
    SELECT
        x.INSTITUTION,
        x.ACAD_PLAN,
        x.DESCR,
        ROW_NUMBER() OVER (PARTITION BY x.INSTITUTION, x.ACAD_PLAN ORDER BY x.EFFDT DESC) AS place
    FROM PS_ACAD_PLAN_TBL x
    WHERE x.EFFDT < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
) d
    ON d.INSTITUTION = e.INSTITUTION
    AND d.ACAD_PLAN = l.ACAD_PLAN
    AND d.place = 1
LEFT JOIN (
    SELECT
        x.INSTITUTION,
        x.ACAD_PROG,
        x.ACAD_GROUP,
        ROW_NUMBER() OVER (PARTITION BY x.INSTITUTION, x.ACAD_PROG ORDER BY x.EFFDT DESC) AS place
    FROM PS_ACAD_PROG_TBL x
    WHERE x.EFFDT < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
) b
    ON b.INSTITUTION = e.INSTITUTION
    AND b.ACAD_PROG = p.ACAD_PROG
    AND b.place = 1
LEFT JOIN (
    SELECT
        x.INSTITUTION,
        x.ACAD_GROUP,
        x.DESCR,
        ROW_NUMBER() OVER (PARTITION BY x.INSTITUTION, x.ACAD_GROUP ORDER BY x.EFFDT DESC) AS place
    FROM PS_ACAD_GROUP_TBL x
    WHERE x.EFFDT < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
) g
    ON g.INSTITUTION = e.INSTITUTION
    AND g.ACAD_GROUP = b.ACAD_GROUP
    AND g.place = 1
LEFT JOIN (
    SELECT
        x.EMPLID,
        x.LAST_NAME,
        x.FIRST_NAME,
        ROW_NUMBER() OVER (PARTITION BY x.EMPLID ORDER BY x.EFFDT DESC) AS place
    FROM PS_NAMES x
    WHERE x.NAME_TYPE = 'PRI'
        AND x.EFF_STATUS = 'A'
        AND x.EFFDT < DATEADD(DAY, 1, CAST(:snapshot_date AS date))
) n
    ON n.EMPLID = e.EMPLID
    AND n.place = 1
WHERE e.place = 1
