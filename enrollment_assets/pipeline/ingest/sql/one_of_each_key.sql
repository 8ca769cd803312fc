{# of rows with the same key the smallest is kept, so that the order of a file never looks like a move #}
QUALIFY row_number() OVER (
    PARTITION BY
        staged.snapshot_date, staged.term, staged.student_id
{% if by_program %}
        , staged.program
{% endif %}
    ORDER BY
{% for name in dimensions %}
        staged."{{ name }}" NULLS FIRST,
{% endfor %}
        staged.student_name NULLS FIRST, staged.status NULLS FIRST
) = 1
