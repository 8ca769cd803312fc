-- Students registered now in Jenzabar EX or J1.
-- For: SQL Server.
-- Grain: one row per student and term, however many courses.
-- Binds: none.
-- Dated: nothing. The tables hold only the present (a drop before the census date may delete the row),
-- so the platform serves today's date from this query and refuses past ones. Run it every day.
-- Reads: STUDENT_CRS_HIST, YEAR_TERM_TABLE, NAME_MASTER, STUDENT_MASTER, STUD_TERM_SUM_DIV,
-- DEGREE_HISTORY, DIVISION_DEF, MAJOR_MINOR_DEF.
-- Counts: courses in status C (current), H (history, graded) or P (pre-registered), neither dropped
-- nor withdrawn: after the census date a withdrawn course keeps status C and gets a withdrawal date.
-- R (reserved), W (wait-listed) and D (dropped) do not count. status is the first of C, H, P.
-- Division, program and level: the term's summary, of several divisions the one with the most hours;
-- where there is none yet, the current degree that was begun last and the student's current class.
-- Terms: YR_CDE and TRM_CDE joined (such as 2024FA or 202410) are the code in enrollment.yaml. A
-- term not listed there is reported as unknown: leave out here what you do not watch. Terms that
-- have ended are left out, so `ends` must not be later than TRM_END_DTE.
-- Adapt: the statuses (add R where reserved courses count). level is the code of CLASS_CDE; program is
-- the first major. Test students: `exclude`.
-- Verify: that your version fills WITHDRAWAL_DTE and DROP_FLAG.
SELECT
    CAST(r.ID_NUM AS varchar(20)) AS student_id,
    CASE
        WHEN n.FIRST_NAME > '' THEN CONCAT(RTRIM(n.LAST_NAME), ', ', RTRIM(n.FIRST_NAME))
        ELSE RTRIM(n.LAST_NAME)
    END AS student_name,
    CONCAT(RTRIM(r.YR_CDE), RTRIM(r.TRM_CDE)) AS term,
    COALESCE(v.division, t.DIV_CDE, g.DIV_CDE) AS division,
    COALESCE(m.major, t.MAJOR_1, g.MAJOR_1) AS program,
    COALESCE(t.CLASS_CDE, q.CURRENT_CLASS_CDE) AS [level],
    r.status AS status
FROM (
    SELECT
        c.ID_NUM,
        c.YR_CDE,
        c.TRM_CDE,
        MIN(c.TRANSACTION_STS) AS status
    FROM STUDENT_CRS_HIST c
    WHERE c.TRANSACTION_STS IN ('C', 'H', 'P')
        AND c.WITHDRAWAL_DTE IS NULL
        AND COALESCE(c.DROP_FLAG, '') = ''
        AND NOT EXISTS (
            SELECT 1
            FROM YEAR_TERM_TABLE e
            WHERE e.YR_CDE = c.YR_CDE
                AND e.TRM_CDE = c.TRM_CDE
                AND e.TRM_END_DTE < CAST(GETDATE() AS date)
        )
    GROUP BY c.ID_NUM, c.YR_CDE, c.TRM_CDE
) r
LEFT JOIN NAME_MASTER n ON n.ID_NUM = r.ID_NUM
LEFT JOIN STUDENT_MASTER q ON q.ID_NUM = r.ID_NUM
LEFT JOIN (
    SELECT
        x.ID_NUM,
        x.YR_CDE,
        x.TRM_CDE,
        x.DIV_CDE,
        x.MAJOR_1,
        x.CLASS_CDE,
        ROW_NUMBER() OVER (
            PARTITION BY x.ID_NUM, x.YR_CDE, x.TRM_CDE ORDER BY x.HRS_ENROLLED DESC, x.DIV_CDE
        ) AS place
    FROM STUD_TERM_SUM_DIV x
) t
    ON t.ID_NUM = r.ID_NUM
    AND t.YR_CDE = r.YR_CDE
    AND t.TRM_CDE = r.TRM_CDE
    AND t.place = 1
LEFT JOIN (
    SELECT
        x.ID_NUM,
        x.DIV_CDE,
        x.MAJOR_1,
        ROW_NUMBER() OVER (
            PARTITION BY x.ID_NUM ORDER BY x.ENTRY_DTE DESC, x.DIV_CDE, x.MAJOR_1
        ) AS place
    FROM DEGREE_HISTORY x
    WHERE x.CUR_DEGREE = 'Y'
) g
    ON g.ID_NUM = r.ID_NUM
    AND g.place = 1
LEFT JOIN (
    SELECT x.DIV_CDE, MIN(x.DIV_DESC) AS division
    FROM DIVISION_DEF x
    GROUP BY x.DIV_CDE
) v ON v.DIV_CDE = COALESCE(t.DIV_CDE, g.DIV_CDE)
LEFT JOIN (
    SELECT x.MAJOR_CDE, MIN(x.MAJOR_MINOR_DESC) AS major
    FROM MAJOR_MINOR_DEF x
    GROUP BY x.MAJOR_CDE
) m ON m.MAJOR_CDE = COALESCE(t.MAJOR_1, g.MAJOR_1)
