{# `source` with the configured new names of values and IDs, from the temporary table `new_names` #}
{% macro renamed(source) %}
SELECT {{ source }}.*{% if renamed_columns %} REPLACE (
{% for name in renamed_columns %}
    coalesce("new_{{ name }}".new_name, {{ source }}."{{ name }}") AS "{{ name }}"{{ "," if not loop.last }}
{% endfor %}
){% endif %}

FROM {{ from_renamed(source) }}
{%- endmacro %}
{# `source` beside the new name of each value that has one #}
{% macro from_renamed(source) %}
{{ source }}
{% for name in renamed_columns %}
LEFT JOIN new_names AS "new_{{ name }}"
    ON "new_{{ name }}".column_name = '{{ name }}' AND "new_{{ name }}".old_name = {{ source }}."{{ name }}"
{% endfor %}
{%- endmacro %}
{# that a row of it has a new name #}
{% macro is_renamed() -%}
(false{% for name in renamed_columns %} OR "new_{{ name }}".new_name IS NOT NULL{% endfor %})
{%- endmacro %}
