-- name: segment_metrics
-- stage: metrics
-- grain: One row per day, term, dimension and segment with students now or at the baseline
-- description: Headcount and movement of each segment. A student with several programs counts once
--   in each, so that segments may add up to more than the headcount.
-- date: date
-- depends_on: student_changes, enrollment_snapshots, snapshot_log
-- binds: first, last, blank_segment
-- lineage: dimensions
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   dimension: VARCHAR - Name of the dimension
--   segment: VARCHAR - Value of the dimension
--   baseline_date: DATE - Day of the snapshot that the day is compared with; empty at first
--   days_since_baseline: INTEGER - Calendar days between the two
--   total_enrollment: BIGINT - Distinct students in the segment
--   new_students: BIGINT - Added students who are in it
--   dropped_students: BIGINT - Dropped students who were in it
--   moved_in: BIGINT - Retained students who are in it and were not
--   moved_out: BIGINT - Retained students who were in it and are not
--   net_change: BIGINT - Change of the total since the baseline

-- Headcount and movement of each segment of each dimension.
-- Grain: one row per day, term, dimension and segment that has students now or had some at the
-- baseline. Binds: $first, $last (days, both inclusive), $blank_segment (name for an empty value).
-- Identity: total = baseline's total + new - dropped + moved in - moved out. A student with several
-- programs counts once in each of them, so that segments may add up to more than the headcount.
{% if not dimensions %}
-- without dimensions there are no segments
SELECT date, term FROM enrollment.enrollment_metrics
WHERE false AND date BETWEEN $first AND $last AND term = $blank_segment
{% else %}
WITH days AS (
    SELECT
        term,
        snapshot_date AS date,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
),

totals AS (
{% for name in dimensions %}
    SELECT
        snapshot_date AS date,
        term,
        '{{ name }}' AS dimension,
        coalesce("{{ name }}", $blank_segment) AS segment,
        {{ "count(DISTINCT student_id)" if by_program else "count(*)" }} AS total_enrollment
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date BETWEEN $first AND $last
    GROUP BY ALL
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
),

changes AS (
    SELECT snapshot_date AS date, term, baseline_date, student_id, change
    FROM enrollment.student_changes
    WHERE snapshot_date BETWEEN $first AND $last
),

-- Where the changed students are now, and where they were.
places AS (
    SELECT changes.*, true AS is_now, snapshots.* EXCLUDE (snapshot_date, term, student_id)
    FROM changes
    JOIN enrollment.enrollment_snapshots AS snapshots
        ON snapshots.snapshot_date = changes.date
        AND snapshots.term = changes.term
        AND snapshots.student_id = changes.student_id
    WHERE changes.change <> 'dropped'
    UNION ALL
    SELECT changes.*, false AS is_now, snapshots.* EXCLUDE (snapshot_date, term, student_id)
    FROM changes
    JOIN enrollment.enrollment_snapshots AS snapshots
        ON snapshots.snapshot_date = changes.baseline_date
        AND snapshots.term = changes.term
        AND snapshots.student_id = changes.student_id
    WHERE changes.change <> 'added'
),

memberships AS (
    SELECT date, term, student_id, change, dimension, segment, bool_or(is_now) AS is_in, bool_or(NOT is_now) AS was_in
    FROM (
{% for name in dimensions %}
        SELECT
            date, term, student_id, change, is_now,
            '{{ name }}' AS dimension, coalesce("{{ name }}", $blank_segment) AS segment
        FROM places
{% if not loop.last %}
        UNION ALL
{% endif %}
{% endfor %}
    )
    GROUP BY ALL
),

flows AS (
    SELECT
        date,
        term,
        dimension,
        segment,
        count(*) FILTER (change = 'added') AS new_students,
        count(*) FILTER (change = 'dropped') AS dropped_students,
        count(*) FILTER (change = 'moved' AND is_in AND NOT was_in) AS moved_in,
        count(*) FILTER (change = 'moved' AND was_in AND NOT is_in) AS moved_out
    FROM memberships
    GROUP BY ALL
)

SELECT
    date,
    term,
    dimension,
    segment,
    days.baseline_date,
    date - days.baseline_date AS days_since_baseline,
    coalesce(totals.total_enrollment, 0) AS total_enrollment,
    coalesce(flows.new_students, 0) AS new_students,
    coalesce(flows.dropped_students, 0) AS dropped_students,
    coalesce(flows.moved_in, 0) AS moved_in,
    coalesce(flows.moved_out, 0) AS moved_out,
    coalesce(flows.new_students - flows.dropped_students + flows.moved_in - flows.moved_out, 0)
        AS net_change
FROM totals
FULL JOIN flows USING (date, term, dimension, segment)
JOIN days USING (date, term)
ORDER BY date, term, dimension, segment
{% endif %}
