-- How many students each segment of each staged snapshot has. Grain: one row per snapshot day, term,
-- dimension and segment; the dimension is its place in the configuration, from 0. No binds.
-- Duplicates are not removed first: where there are more than a few, the term is rejected for them.
{% for name in dimensions %}
SELECT
    snapshot_date,
    term,
    {{ loop.index0 }} AS dimension,
    "{{ name }}" AS segment,
    count({{ "DISTINCT student_id" if by_program else "*" }}) AS students
FROM staged
WHERE standing = 'counted' AND "{{ name }}" IS NOT NULL
GROUP BY ALL
{{ "UNION ALL" if not loop.last }}
{% else %}
SELECT NULL, NULL, 0, NULL, 0 WHERE false
{% endfor %}
