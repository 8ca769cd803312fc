-- name: dim_term
-- stage: exports
-- grain: One row per term
-- description: The configured terms.
-- depends_on: enrollment_metrics
-- columns:
--   code: VARCHAR - Code of the term (key)
--   name: VARCHAR - Name of the term
--   registration_opens: DATE - First day on which students can register
--   starts: DATE - First day of classes
--   census: DATE - Day of the official count
--   ends: DATE - Last day of the term
--   academic_year: VARCHAR - Academic year, starting July 1, such as 2025/26
--   comparison: VARCHAR - Code of the term it is compared with
--   census_snapshot: DATE - Day of the snapshot that the official count is frozen from; empty until then
--   census_enrollment: BIGINT - The official headcount, as frozen
--   census_enrollment_live: BIGINT - Headcount of that day by the current snapshots

-- Export: the terms. Grain: one row per term. No binds. The academic year is that of the term's start, and
-- begins on 1 July.
SELECT
    terms.code,
    terms.name,
    registration_opens,
    starts,
    census,
    ends,
    format('{}/{:02d}', year(starts - INTERVAL 6 MONTH), (year(starts - INTERVAL 6 MONTH) + 1) % 100)
        AS academic_year,
    comparison,
    official.snapshot_date AS census_snapshot,
    official.student_count AS census_enrollment,
    live.total_enrollment AS census_enrollment_live
FROM terms
LEFT JOIN operations.census_snapshots AS official ON official.term = terms.code
LEFT JOIN enrollment.enrollment_metrics AS live
    ON live.term = official.term AND live.date = official.snapshot_date
ORDER BY starts, code
