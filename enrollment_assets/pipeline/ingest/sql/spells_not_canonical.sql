-- The spells that break a rule, and how many spells were looked at. Grain: one row. Binds: $terms (codes).
-- `same_row`: follows a spell with the same row. `overlapping`: begins before the one before it has ended.
-- `empty`: ends before a day shows it. `no_snapshot`: begins or ends on a day without an accepted snapshot.
WITH spells AS (
    SELECT
        *,
        lag(valid_to) OVER of_key AS ended,
        row_number() OVER of_key AS place,
{% for name in spell_columns if name not in ("term", "student_id") %}
        "{{ name }}" IS NOT DISTINCT FROM lag("{{ name }}") OVER of_key AND
{% endfor %}
        true AS is_same
    FROM enrollment.enrollment_spells
    WHERE list_contains($terms::VARCHAR[], term)
    WINDOW of_key AS (PARTITION BY term, student_id{{ ", program" if by_program }} ORDER BY valid_from)
),

accepted AS (
    SELECT term, snapshot_date FROM enrollment.snapshot_log WHERE status = 'accepted'
)

SELECT
    count(*) AS spells,
    count(*) FILTER (place > 1 AND is_same AND valid_from = ended) AS same_row,
    count(*) FILTER (place > 1 AND coalesce(valid_from < ended, true)) AS overlapping,
    count(*) FILTER (valid_to <= valid_from) AS empty,
    count(*) FILTER (
        begins.term IS NULL OR (spells.valid_to IS NOT NULL AND ends.term IS NULL)
    ) AS no_snapshot
FROM spells
LEFT JOIN accepted AS begins
    ON begins.term = spells.term AND begins.snapshot_date = spells.valid_from
LEFT JOIN accepted AS ends ON ends.term = spells.term AND ends.snapshot_date = spells.valid_to
