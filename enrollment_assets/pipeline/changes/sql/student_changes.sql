-- name: student_changes
-- stage: changes
-- grain: One row per snapshot day, term and student who was added, dropped or moved
-- description: The baseline is the latest earlier accepted snapshot of the same term.
-- date: snapshot_date
-- depends_on: enrollment_snapshots, snapshot_log
-- binds: first, last
-- lineage: dimensions
-- columns:
--   snapshot_date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   baseline_date: DATE - Day of the snapshot that it is compared with
--   change: VARCHAR - added, dropped or moved
--   returning: BOOLEAN - Added, and enrolled earlier in the same term
--   student_id: VARCHAR - The student's id
--   student_name: VARCHAR - The student's name
--   <dimension>: VARCHAR - The student's <dimension> now; for dropped students the last known one
--   from_<dimension>: VARCHAR - The student's <dimension> at the baseline; empty for added students

-- Who was added, dropped or moved since the baseline.
-- Grain: one row per snapshot day, term and student. Binds: $first, $last (days, both inclusive).
-- The baseline is the latest earlier accepted snapshot of the same term; a term's first snapshot
-- has none, and so no changes. They are the borders of the spells. A student moves by the dimensions with
-- which both days were read: one that is configured, renamed or removed between them moves nobody.
-- Example: 9,000 students yesterday, 8,995 of them and 12 others today give 12 rows `added` and 5 `dropped`.
{% macro shown(value) %}
{# a set of values as text; compared are the sets, in which an empty value counts as one #}
{{ "nullif(array_to_string(list_filter(" ~ value ~ ", lambda v: v <> ''), '; '), '')" if by_program else value }}
{%- endmacro %}
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

-- Days whose snapshots were pruned can no longer be compared: their changes are kept.
pairs AS (
    SELECT
        accepted.term,
        accepted.snapshot_date,
        accepted.baseline_date,
{% for name in dimensions %}
        {% include "is_compared.sql" %} AS "compares_{{ name }}"{{ "," if not loop.last }}
{% endfor %}
    FROM accepted
    LEFT JOIN frozen USING (term)
    WHERE accepted.snapshot_date BETWEEN $first AND $last
        AND accepted.baseline_date IS NOT NULL
        AND (frozen.kept_from IS NULL OR accepted.snapshot_date > frozen.kept_from)
),

-- The borders of spells: what a day shows that its baseline does not, and the reverse.
today AS (
    SELECT spells.* EXCLUDE (valid_from, valid_to), pairs.snapshot_date, pairs.baseline_date
    FROM enrollment.enrollment_spells AS spells
    JOIN pairs ON spells.term = pairs.term AND spells.valid_from = pairs.snapshot_date
),

before AS (
    SELECT spells.* EXCLUDE (valid_from, valid_to), pairs.snapshot_date, pairs.baseline_date
    FROM enrollment.enrollment_spells AS spells
    JOIN pairs ON spells.term = pairs.term AND spells.valid_to = pairs.snapshot_date
),

{% if by_program %}
-- Students with any row that came, went or differs; all of their rows are gathered into sets.
touched AS (
    SELECT snapshot_date, baseline_date, term, student_id FROM today
    UNION
    SELECT snapshot_date, baseline_date, term, student_id FROM before
),

{% for side, day in [("today", "snapshot_date"), ("before", "baseline_date")] %}
{{ side }}_sets AS (
    SELECT
        touched.snapshot_date,
        touched.term,
        touched.student_id,
        min(spells.student_name) AS student_name,
{% for name in dimensions %}
        list_sort(list(DISTINCT coalesce(spells."{{ name }}", ''))) AS "{{ name }}"{{ "," if not loop.last }}
{% endfor %}
    FROM touched
    JOIN enrollment.enrollment_spells AS spells
        ON spells.term = touched.term
        AND spells.student_id = touched.student_id
        AND spells.valid_from <= touched.{{ day }}
        AND touched.{{ day }} < coalesce(spells.valid_to, DATE '9999-12-31')
    GROUP BY touched.snapshot_date, touched.term, touched.student_id
),

{% endfor %}
{% endif %}
{% set now = "today_sets" if by_program else "today" %}
{% set then = "before_sets" if by_program else "before" %}
differences AS (
    SELECT
        coalesce(now.snapshot_date, was.snapshot_date) AS snapshot_date,
        coalesce(now.term, was.term) AS term,
        CASE
            WHEN was.student_id IS NULL THEN 'added'
            WHEN now.student_id IS NULL THEN 'dropped'
            ELSE 'moved'
        END AS change,
        coalesce(now.student_id, was.student_id) AS student_id,
        CASE WHEN now.student_id IS NULL THEN was.student_name ELSE now.student_name END
            AS student_name,
{% for name in dimensions %}
        {{ shown("CASE WHEN now.student_id IS NULL THEN was." ~ '"' ~ name ~ '"' ~ " ELSE now." ~ '"' ~ name ~ '"' ~ " END") }}
            AS "{{ name }}",
        {{ shown('was."' ~ name ~ '"') }} AS "from_{{ name }}",
{% endfor %}
    FROM {{ now }} AS now
    FULL JOIN {{ then }} AS was
        ON now.snapshot_date = was.snapshot_date
        AND now.term = was.term
        AND now.student_id = was.student_id
    JOIN pairs
        ON pairs.term = coalesce(now.term, was.term)
        AND pairs.snapshot_date = coalesce(now.snapshot_date, was.snapshot_date)
    WHERE now.student_id IS NULL OR was.student_id IS NULL
{% for name in dimensions %}
        OR (pairs."compares_{{ name }}" AND now."{{ name }}" IS DISTINCT FROM was."{{ name }}")
{% endfor %}
),

-- Who is added after a drop in the same term returns.
first_drops AS (
    SELECT term, student_id, min(snapshot_date) AS first_drop
    FROM (
        SELECT stored.term, stored.student_id, stored.snapshot_date
        FROM enrollment.student_changes AS stored
        LEFT JOIN frozen USING (term)
        WHERE stored.change = 'dropped'
            AND (stored.snapshot_date < $first OR stored.snapshot_date <= frozen.kept_from)
        UNION ALL
        SELECT term, student_id, snapshot_date FROM differences WHERE change = 'dropped'
    )
    GROUP BY term, student_id
)

SELECT
    differences.*,
    pairs.baseline_date,
    differences.change = 'added' AND coalesce(first_drops.first_drop < differences.snapshot_date, false)
        AS "returning"
FROM differences
JOIN pairs USING (term, snapshot_date)
LEFT JOIN first_drops USING (term, student_id)
ORDER BY differences.snapshot_date, differences.term, differences.change, differences.student_id
