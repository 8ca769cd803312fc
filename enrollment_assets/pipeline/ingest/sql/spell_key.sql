{# that two rows, `a` and `b`, are of the same term and student (and program in grain registration) #}
{% macro same_key(a, b) -%}
{{ a }}.term = {{ b }}.term AND {{ a }}.student_id = {{ b }}.student_id
{%- if by_program %} AND coalesce({{ a }}.program, '') = coalesce({{ b }}.program, ''){% endif %}
{%- endmacro %}
{# the columns that make a key #}
{% macro key(a) -%}
{{ a }}.term, {{ a }}.student_id{% if by_program %}, coalesce({{ a }}.program, '') AS program{% endif %}
{%- endmacro %}
