-- name: fact_segment_daily
-- stage: exports
-- grain: One row per day, term, dimension and segment with students in the term or its comparison
-- description: "The segments as they may leave the warehouse: withheld figures are empty, and say
--   why."
-- depends_on: enrollment_metrics, segment_disclosure, segment_metrics, segment_point_in_time
-- binds: first, last
-- columns:
--   segment_key: "VARCHAR - Dimension and segment: key of dim_segment"
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   dimension: VARCHAR - Name of the dimension
--   segment: VARCHAR - Value of the dimension
--   total_enrollment: BIGINT - Headcount on the date
--   suppression: "VARCHAR - Why the figure is empty: small (few students), or complement (it would
--     reveal a small one)"
--   net_change: BIGINT - Change since the baseline; empty if either total is withheld
--   comparison_term: VARCHAR - The term that it is compared with
--   comparison_date: "DATE - The snapshot of it that is shown: of that day, or the last before"
--   comparison_total: BIGINT - Headcount of the comparison term on comparison_date
--   comparison_suppression: "VARCHAR - Why the figure is empty: small (few students), or complement
--     (it would reveal a small one)"
--   change: BIGINT - The first less the second
--   change_pct: DOUBLE - The change in percent of comparison_total
--   contribution_pct: "DOUBLE - The change in percent of the comparison's whole headcount: its
--     contribution to the growth"
--   comparison_census: BIGINT - Its headcount at its census; empty until that was known
--   comparison_census_suppression: "VARCHAR - Why the figure is empty: small (few students), or
--     complement (it would reveal a small one)"
--   comparison_final: BIGINT - Its headcount on its last accepted day; empty until it ended
--   comparison_final_suppression: "VARCHAR - Why the figure is empty: small (few students), or
--     complement (it would reveal a small one)"

-- Export: the segments as they may leave the warehouse. Grain: one row per day, term, dimension and segment.
-- Binds: $first, $last (days, both inclusive).
SELECT *, dimension || '=' || segment AS segment_key
FROM (
    {% include "published_segments.sql" %}
)
ORDER BY date, term, dimension, segment
