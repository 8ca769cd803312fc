-- Of the students with several rows in a staged snapshot, how many differ in each dimension.
-- Grain: one row, a column for each dimension. Binds: $day, $term.
SELECT
{% for name in dimensions %}
    count(*) FILTER ("{{ name }}" > 1) AS "{{ name }}"{{ "," if not loop.last }}
{% else %}
    0 AS nothing
{% endfor %}
FROM (
    SELECT
        student_id{% for name in dimensions %},
        count(DISTINCT coalesce("{{ name }}", '')) AS "{{ name }}"
{%- endfor %}

    FROM staged
    WHERE snapshot_date = $day AND term = $term AND standing = 'counted'
    GROUP BY student_id
    HAVING count(*) > 1
)
