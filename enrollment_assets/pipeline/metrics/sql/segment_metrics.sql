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
WITH accepted AS (
    SELECT
        term,
        snapshot_date,
        read_with,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date,
        lag(read_with) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_read_with
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
),

-- A day knows the segments of the dimensions that it was read with. Where its baseline was not, it begins
-- like a first snapshot.
days AS (
{% for name in dimensions %}
    SELECT
        snapshot_date AS date,
        term,
        '{{ name }}' AS dimension,
        CASE WHEN {% include "is_compared.sql" %} THEN baseline_date END AS baseline_date
    FROM accepted
    WHERE snapshot_date BETWEEN $first AND $last
        AND coalesce(list_contains(read_with, '{{ name }}'), true)
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
),

bounds AS (
    SELECT term, min(date) AS first_day, max(date) AS last_day FROM days GROUP BY term
),

-- Where spells begin, or hold already on the first of the days (+1), and where they end (-1).
spells AS (
    SELECT
        spells.* EXCLUDE (valid_from, valid_to),
        greatest(spells.valid_from, bounds.first_day) AS begins,
        CASE WHEN spells.valid_to <= bounds.last_day THEN spells.valid_to END AS ends
    FROM enrollment.enrollment_spells AS spells
    JOIN bounds
        ON spells.term = bounds.term
        AND spells.valid_from <= bounds.last_day
        AND coalesce(spells.valid_to > bounds.first_day, true)
),

borders AS (
{% for name in dimensions %}
    SELECT
        term,
        '{{ name }}' AS dimension,
        coalesce("{{ name }}", $blank_segment) AS segment,
{% if by_program %}
        student_id,
{% endif %}
        unnest([{date: begins, step: 1}, {date: ends, step: -1}], recursive := true)
    FROM spells
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
),

{% if by_program %}
-- A student with several rows in a segment is in it from the first to the last of them.
rows_of_students AS (
    SELECT
        *,
        sum(step) OVER (
            PARTITION BY term, dimension, segment, student_id ORDER BY date
        ) AS rows_now
    FROM (
        SELECT term, dimension, segment, student_id, date, sum(step) AS step
        FROM borders
        WHERE date IS NOT NULL
        GROUP BY ALL
    )
),
{% endif %}

steps AS (
{% if by_program %}
    SELECT
        term,
        dimension,
        segment,
        date,
        sum((rows_now > 0)::INTEGER - (rows_now - step > 0)::INTEGER) AS step
    FROM rows_of_students
{% else %}
    SELECT term, dimension, segment, date, sum(step) AS step
    FROM borders
    WHERE date IS NOT NULL
{% endif %}
    GROUP BY ALL
),

-- The headcount of a day is the sum of the steps up to it.
totals AS (
    SELECT
        days.date,
        days.term,
        days.dimension,
        segments.segment,
        sum(steps.step) OVER (
            PARTITION BY days.term, days.dimension, segments.segment ORDER BY days.date
        )::BIGINT AS total_enrollment
    FROM (
        SELECT accepted.snapshot_date AS date, accepted.term, dimensions.dimension
        FROM accepted
        CROSS JOIN (SELECT DISTINCT dimension FROM days) AS dimensions
        WHERE accepted.snapshot_date BETWEEN $first AND $last
    ) AS days
    JOIN (SELECT DISTINCT term, dimension, segment FROM steps) AS segments
        USING (term, dimension)
    LEFT JOIN steps USING (term, dimension, segment, date)
),

changes AS (
    SELECT * FROM enrollment.student_changes WHERE snapshot_date BETWEEN $first AND $last
),

-- Where the changed students are now, and where they were.
places AS (
{% if by_program %}
{% for is_now, day, other in [("true", "snapshot_date", "dropped"), ("false", "baseline_date", "added")] %}
    SELECT
        changes.snapshot_date AS date,
        changes.term,
        changes.student_id,
        changes.change,
        {{ is_now }} AS is_now,
{% for name in dimensions %}
        spells."{{ name }}"{{ "," if not loop.last }}
{% endfor %}
    FROM changes
    JOIN enrollment.enrollment_spells AS spells
        ON spells.term = changes.term
        AND spells.student_id = changes.student_id
        AND spells.valid_from <= changes.{{ day }}
        AND changes.{{ day }} < coalesce(spells.valid_to, DATE '9999-12-31')
    WHERE changes.change <> '{{ other }}'
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
{% else %}
{% for is_now, prefix, other in [("true", "", "dropped"), ("false", "from_", "added")] %}
    SELECT
        snapshot_date AS date,
        term,
        student_id,
        change,
        {{ is_now }} AS is_now,
{% for name in dimensions %}
        "{{ prefix }}{{ name }}" AS "{{ name }}"{{ "," if not loop.last }}
{% endfor %}
    FROM changes
    WHERE change <> '{{ other }}'
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
{% endif %}
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
{% for name in ("new_students", "dropped_students", "moved_in", "moved_out") %}
    CASE WHEN days.baseline_date IS NULL THEN 0 ELSE coalesce(flows.{{ name }}, 0) END AS {{ name }},
{% endfor %}
    CASE WHEN days.baseline_date IS NULL THEN 0
        ELSE coalesce(flows.new_students - flows.dropped_students + flows.moved_in - flows.moved_out, 0)
    END AS net_change
FROM totals
FULL JOIN flows USING (date, term, dimension, segment)
JOIN days USING (date, term, dimension)
WHERE totals.total_enrollment > 0 OR flows.date IS NOT NULL
ORDER BY date, term, dimension, segment
{% endif %}
