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
-- has none, and so no changes. Example: 9,000 students yesterday, 8,995 of them and 12 others today
-- give 12 rows `added` and 5 `dropped`.
{% macro shown(value) %}
{# a set of values as text; compared are the sets, in which an empty value counts as one #}
{{ "nullif(array_to_string(list_filter(" ~ value ~ ", lambda v: v <> ''), '; '), '')" if by_program else value }}
{%- endmacro %}
WITH accepted AS (
    SELECT
        term,
        snapshot_date,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
),

-- Days whose snapshots were pruned can no longer be compared: their changes are kept.
pairs AS (
    SELECT accepted.* FROM accepted
    LEFT JOIN frozen USING (term)
    WHERE accepted.snapshot_date BETWEEN $first AND $last
        AND accepted.baseline_date IS NOT NULL
        AND (frozen.kept_from IS NULL OR accepted.snapshot_date > frozen.kept_from)
),

today AS (
    SELECT snapshots.*
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN pairs USING (term, snapshot_date)
    WHERE snapshots.snapshot_date BETWEEN $first AND $last
),

before AS (
    SELECT snapshots.* EXCLUDE (snapshot_date), pairs.snapshot_date
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN pairs ON snapshots.term = pairs.term AND snapshots.snapshot_date = pairs.baseline_date
    WHERE snapshots.snapshot_date BETWEEN (SELECT min(baseline_date) FROM pairs) AND $last
),

{% if by_program %}
-- Students with any row that came, went or differs; only their rows are gathered into sets.
touched AS (
    SELECT DISTINCT
        coalesce(today.snapshot_date, before.snapshot_date) AS snapshot_date,
        coalesce(today.term, before.term) AS term,
        coalesce(today.student_id, before.student_id) AS student_id
    FROM today
    FULL JOIN before
        ON today.snapshot_date = before.snapshot_date
        AND today.term = before.term
        AND today.student_id = before.student_id
        AND coalesce(today.program, '') = coalesce(before.program, '')
    WHERE today.student_id IS NULL OR before.student_id IS NULL
{% for name in dimensions %}
        OR today."{{ name }}" IS DISTINCT FROM before."{{ name }}"
{% endfor %}
),

{% for side in ["today", "before"] %}
{{ side }}_sets AS (
    SELECT
        snapshot_date,
        term,
        student_id,
        min(student_name) AS student_name,
{% for name in dimensions %}
        list_sort(list(DISTINCT coalesce("{{ name }}", ''))) AS "{{ name }}",
{% endfor %}
    FROM {{ side }}
    SEMI JOIN touched USING (snapshot_date, term, student_id)
    GROUP BY snapshot_date, term, student_id
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
    WHERE now.student_id IS NULL OR was.student_id IS NULL
{% for name in dimensions %}
        OR now."{{ name }}" IS DISTINCT FROM was."{{ name }}"
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
