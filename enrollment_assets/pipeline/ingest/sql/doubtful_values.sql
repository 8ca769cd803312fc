-- The retained students of `new_rows` and `old_rows` whose value of a column changed, by what it became.
-- Grain: one row per compared column. No binds. `blank`: no value any more. `respelled`: the same letters
-- and digits. `unknown`: another value, which nobody had before. `moved`: to a value that others had.
WITH before AS (
    SELECT
{% include "per_student.sql" %}
        student_id
    FROM old_rows
    GROUP BY ALL
),

today AS (
    SELECT
{% include "per_student.sql" %}
        student_id
    FROM new_rows
    GROUP BY ALL
)

{% macro plain(value) %}lower(regexp_replace({{ value }}, '[^\p{L}\p{N}]', '', 'g')){% endmacro %}
{% for name in compared_columns %}
SELECT
    '{{ name }}' AS column_name,
    count(*) FILTER (today."{{ name }}" IS NULL) AS blank,
    count(*) FILTER ({{ plain('today."' ~ name ~ '"') }} = {{ plain('before."' ~ name ~ '"') }}) AS respelled,
    count(*) FILTER (
        {{ plain('today."' ~ name ~ '"') }} IS DISTINCT FROM {{ plain('before."' ~ name ~ '"') }}
        AND today."{{ name }}" NOT IN (SELECT "{{ name }}" FROM old_rows WHERE "{{ name }}" IS NOT NULL)
    ) AS unknown,
    count(*) FILTER (
        {{ plain('today."' ~ name ~ '"') }} IS DISTINCT FROM {{ plain('before."' ~ name ~ '"') }}
        AND today."{{ name }}" IN (SELECT "{{ name }}" FROM old_rows WHERE "{{ name }}" IS NOT NULL)
    ) AS moved
FROM today
JOIN before USING (student_id)
-- a column that was empty, or has come into the configuration since, may be filled
WHERE before."{{ name }}" IS NOT NULL AND today."{{ name }}" IS DISTINCT FROM before."{{ name }}"
{{ "UNION ALL" if not loop.last }}
{% endfor %}
