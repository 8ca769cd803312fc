-- Since when a term's snapshots have been read with each dimension, as of a day. Grain: one row per
-- dimension. Binds: $term, $day. `since` is empty where all snapshots of the term were; `is_read`: whether
-- the day was.
WITH days AS (
    SELECT snapshot_date, read_with FROM enrollment.snapshot_log
    WHERE status = 'accepted' AND term = $term AND snapshot_date <= $day
)

{% for name in dimensions %}
SELECT
    '{{ name }}' AS dimension,
    CASE WHEN max(snapshot_date) FILTER (NOT list_contains(read_with, '{{ name }}')) IS NOT NULL
        THEN min(snapshot_date) FILTER (
            list_contains(read_with, '{{ name }}')
            AND snapshot_date > (
                SELECT max(before.snapshot_date) FROM days AS before
                WHERE NOT list_contains(before.read_with, '{{ name }}')
            )
        ) END AS since,
    coalesce(list_contains(max_by(read_with, snapshot_date), '{{ name }}'), true) AS is_read
FROM days
{% if not loop.last %}
UNION ALL
{% endif %}
{% else %}
SELECT NULL AS dimension, NULL::DATE AS since, true AS is_read FROM days WHERE false
{% endfor %}
