-- How many students of `old_rows` look as if they were in `new_rows` under another ID.
-- Grain: one row. No binds. The forms of an ID: without leading zeros; in capitals; its letters and digits
-- without a decimal part; its digits, if there are at least five. Names count where both have one.
WITH gone AS (
    SELECT DISTINCT
        student_id,
        student_name,
        [{% for name in dimensions %}"{{ name }}"{{ ", " if not loop.last }}{% endfor %}]::VARCHAR[] AS segments
    FROM old_rows ANTI JOIN new_rows USING (student_id)
),

added AS (
    SELECT DISTINCT
        student_id,
        student_name,
        [{% for name in dimensions %}"{{ name }}"{{ ", " if not loop.last }}{% endfor %}]::VARCHAR[] AS segments
    FROM new_rows ANTI JOIN old_rows USING (student_id)
),

{% for side in ("gone", "added") %}
{{ side }}_forms AS (
    SELECT
        *,
        ltrim(student_id, '0') AS without_zeros,
        upper(student_id) AS capitals,
        ltrim(
            regexp_replace(regexp_replace(upper(student_id), '\.0+$', ''), '[^\p{L}\p{N}]', '', 'g'), '0'
        ) AS plain,
        CASE
            WHEN len(regexp_replace(student_id, '[^0-9]', '', 'g')) >= 5
                THEN ltrim(
                    regexp_replace(
                        regexp_replace(student_id, '\.0+$', ''), '[^0-9]', '', 'g'
                    ), '0'
                )
        END AS digits,
        nullif(lower(regexp_replace(strip_accents(student_name), '[^\p{L}\p{N}]', '', 'g')), '') AS name
    FROM {{ side }}
){{ "," if not loop.last }}
{% endfor %}

{% macro alike(form) %}
EXISTS (
            SELECT 1 FROM added_forms AS added
            WHERE added.{{ form }} = gone.{{ form }}
                AND (added.name = gone.name OR added.name IS NULL OR gone.name IS NULL)
        )
{%- endmacro %}
SELECT
    count(*) FILTER (zeros OR capitals OR marks OR same_person) AS found,
    count(*) FILTER (zeros) AS zeros,
    count(*) FILTER (capitals AND NOT zeros) AS capitals,
    count(*) FILTER (marks AND NOT zeros AND NOT capitals) AS marks
FROM (
    SELECT
        {{ alike("without_zeros") }} AS zeros,
        {{ alike("capitals") }} AS capitals,
        {{ alike("plain") }} OR {{ alike("digits") }} AS marks,
        EXISTS (
            SELECT 1 FROM added_forms AS added
            WHERE added.name = gone.name AND added.segments = gone.segments
        ) AS same_person
    FROM gone_forms AS gone
)
