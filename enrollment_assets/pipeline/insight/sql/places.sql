{# where the students of the relation `people` are: one row per term, student, dimension and segment, and one
   without either for the whole term #}
SELECT DISTINCT term, student_id, NULL::VARCHAR AS dimension, NULL::VARCHAR AS segment FROM {{ people }}
{% for name in dimensions %}
UNION ALL
SELECT DISTINCT term, student_id, '{{ name }}', coalesce("{{ name }}", $blank_segment) FROM {{ people }}
{% endfor %}
