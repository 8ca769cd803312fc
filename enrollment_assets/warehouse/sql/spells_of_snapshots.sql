-- The spells of a term whose snapshots are stored as full rows. Grain: one row per spell. Binds: $term.
-- Stretches of accepted days that follow each other: position of the day less row number.
INSERT INTO enrollment.enrollment_spells BY NAME
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
        snapshots.*,
        accepted.next_day,
        accepted.position - row_number() OVER (
            PARTITION BY {% for name in row_columns if name != "term" %}snapshots."{{ name }}"{{ ", " if not loop.last }}{% endfor %}

            ORDER BY accepted.position
        ) AS stretch
    FROM enrollment.enrollment_snapshots AS snapshots
    JOIN accepted ON accepted.snapshot_date = snapshots.snapshot_date
    WHERE snapshots.term = $term
)

SELECT
{% for name in row_columns %}
    "{{ name }}",
{% endfor %}
    min(snapshot_date) AS valid_from,
    CASE WHEN bool_or(next_day IS NULL) THEN NULL ELSE max(next_day) END AS valid_to
FROM days
GROUP BY {% for name in row_columns %}"{{ name }}", {% endfor %}stretch
