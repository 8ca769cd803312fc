-- Export: the terms. Grain: one row per term. No binds. The academic year is that of the term's start, and
-- begins on 1 July.
SELECT
    code,
    name,
    registration_opens,
    starts,
    census,
    ends,
    format('{}/{:02d}', year(starts - INTERVAL 6 MONTH), (year(starts - INTERVAL 6 MONTH) + 1) % 100)
        AS academic_year,
    comparison
FROM terms
ORDER BY starts, code
