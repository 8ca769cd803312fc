-- Where the students of each segment are in the other dimensions, on days with a small segment.
-- Grain: one row per day, term, dimension, segment and later dimension. Binds: $first, $last (days, both
-- inclusive), $small_cell, $blank_segment (name for an empty value). Example: program History, in the
-- dimension division: [Arts].
WITH days AS (
    SELECT DISTINCT date AS snapshot_date, term
    FROM enrollment.segment_metrics
    WHERE date BETWEEN $first AND $last
        AND total_enrollment BETWEEN 1 AND $small_cell - 1
        AND $blank_segment IS NOT NULL
)

{% if dimensions | length < 2 %}
SELECT snapshot_date AS date, term, NULL AS dimension, NULL AS segment, NULL AS other, NULL AS segments
FROM days
WHERE false
{% else %}
, places AS (
    SELECT DISTINCT
        snapshot_date AS date,
        term,
{% for name in dimensions %}
        coalesce("{{ name }}", $blank_segment) AS "{{ name }}"{{ "," if not loop.last }}
{% endfor %}
    FROM enrollment.enrollment_snapshots
    SEMI JOIN days USING (snapshot_date, term)
)

{% for name in dimensions[:-1] %}
{% for other in dimensions[loop.index:] %}
SELECT
    date, term, '{{ name }}' AS dimension, "{{ name }}" AS segment, '{{ other }}' AS other,
    list(DISTINCT "{{ other }}") AS segments
FROM places
GROUP BY ALL
{% if not loop.last %}
UNION ALL
{% endif %}
{% endfor %}
{% if not loop.last %}
UNION ALL
{% endif %}
{% endfor %}
{% endif %}
