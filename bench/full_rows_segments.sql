-- Segments by plain DuckDB from full rows of every day: what `range_run.py` compares with.
-- Binds: $first, $last, $blank_segment.
WITH days AS (
    SELECT
        term,
        snapshot_date AS date,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
),

totals AS (
    SELECT
        snapshot_date AS date,
        term,
        'division' AS dimension,
        coalesce("division", $blank_segment) AS segment,
        count(*) AS total_enrollment
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date BETWEEN $first AND $last
    GROUP BY ALL
    UNION ALL
    SELECT
        snapshot_date AS date,
        term,
        'program' AS dimension,
        coalesce("program", $blank_segment) AS segment,
        count(*) AS total_enrollment
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date BETWEEN $first AND $last
    GROUP BY ALL
    UNION ALL
    SELECT
        snapshot_date AS date,
        term,
        'level' AS dimension,
        coalesce("level", $blank_segment) AS segment,
        count(*) AS total_enrollment
    FROM enrollment.enrollment_snapshots
    WHERE snapshot_date BETWEEN $first AND $last
    GROUP BY ALL
),

changes AS (
    SELECT snapshot_date AS date, term, baseline_date, student_id, change
    FROM enrollment.student_changes
    WHERE snapshot_date BETWEEN $first AND $last
),

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
        SELECT
            date, term, student_id, change, is_now,
            'division' AS dimension, coalesce("division", $blank_segment) AS segment
        FROM places
        UNION ALL
        SELECT
            date, term, student_id, change, is_now,
            'program' AS dimension, coalesce("program", $blank_segment) AS segment
        FROM places
        UNION ALL
        SELECT
            date, term, student_id, change, is_now,
            'level' AS dimension, coalesce("level", $blank_segment) AS segment
        FROM places
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
