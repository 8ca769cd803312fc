-- name: headcount_by_program
-- grain: one row per day, term and program with students
-- description: Headcount of each program, and its share of the term's headcount. A student of several
--   programs counts once in each, so that shares may add up to more than 100 percent.
-- key: date, term, program
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   program: VARCHAR - Name of the program
--   headcount: BIGINT - Students in the program
--   share_pct: DOUBLE - Headcount in percent of the term's
-- binds: $first, $last
-- checks:
--   share_in_range: share_pct > 0 AND share_pct <= 100

SELECT
    segments.date,
    segments.term,
    segments.segment AS program,
    segments.total_enrollment AS headcount,
    100 * segments.total_enrollment / totals.total_enrollment AS share_pct
FROM enrollment.segment_metrics AS segments
JOIN enrollment.enrollment_metrics AS totals USING (date, term)
WHERE segments.dimension = 'program'
    AND segments.date BETWEEN $first AND $last
    AND segments.total_enrollment > 0
