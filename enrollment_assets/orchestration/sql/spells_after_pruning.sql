-- What is left of a term's spells that began before the first snapshot that is kept. Grain: one row per
-- spell. Binds: $term, $kept_from (day), $pruned (days that are removed).
-- The accepted days up to `kept_from` that stay, such as the census, are gathered into stretches of days
-- that follow each other; the one that reaches `kept_from` ends where its spell ends.
CREATE OR REPLACE TEMP TABLE spells_after_pruning AS
WITH accepted AS (
    SELECT
        snapshot_date,
        row_number() OVER (ORDER BY snapshot_date) AS position,
        lead(snapshot_date) OVER (ORDER BY snapshot_date) AS next_day
    FROM enrollment.snapshot_log
    WHERE status = 'accepted' AND term = $term
),

days AS (
    SELECT
        spells.*,
        accepted.snapshot_date,
        accepted.next_day,
        accepted.position - row_number() OVER (
            PARTITION BY spells.student_id, {% if by_program %}spells.program, {% endif %}spells.valid_from
            ORDER BY accepted.position
        ) AS stretch
    FROM enrollment.enrollment_spells AS spells
    JOIN accepted
        ON accepted.snapshot_date >= spells.valid_from
        AND accepted.snapshot_date < coalesce(spells.valid_to, DATE '9999-12-31')
    WHERE spells.term = $term
        AND spells.valid_from < $kept_from
        AND accepted.snapshot_date <= $kept_from
        AND NOT list_contains($pruned::DATE[], accepted.snapshot_date)
)

SELECT
{% for name in spell_columns %}
    "{{ name }}",
{% endfor %}
    min(snapshot_date) AS valid_from,
    CASE WHEN max(snapshot_date) = $kept_from THEN valid_to ELSE max(next_day) END AS valid_to
FROM days
GROUP BY {% for name in spell_columns %}"{{ name }}", {% endfor %}days.valid_from, days.valid_to, stretch
