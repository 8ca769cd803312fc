-- What became of the students of each segment of `old_rows` in `new_rows`.
-- Grain: one row per dimension and segment, the largest loss first. No binds.
-- `gone`: its students who are not in the term any more; `now`: the students in it today.
{% if dimensions %}
WITH old AS (
    SELECT
        old_rows.student_id,
        new.student_id IS NULL AS is_gone,
        unnest([{% for name in dimensions %}{dimension: '{{ name }}', segment: "{{ name }}"}{{ ", " if not loop.last }}{% endfor %}], recursive := true)
    FROM old_rows
    LEFT JOIN (SELECT DISTINCT student_id FROM new_rows) AS new
        ON new.student_id = old_rows.student_id
),

new AS (
    SELECT
        student_id,
        unnest([{% for name in dimensions %}{dimension: '{{ name }}', segment: "{{ name }}"}{{ ", " if not loop.last }}{% endfor %}], recursive := true)
    FROM new_rows
),

before AS (
    SELECT
        dimension,
        segment,
        count({{ "DISTINCT " if by_program }}student_id) AS before,
        count({{ "DISTINCT " if by_program }}student_id) FILTER (is_gone) AS gone
    FROM old
    WHERE segment IS NOT NULL
    GROUP BY ALL
),

now AS (
    SELECT dimension, segment, count({{ "DISTINCT " if by_program }}student_id) AS now
    FROM new
    WHERE segment IS NOT NULL
    GROUP BY ALL
)

SELECT dimension, segment, before.before, before.gone, coalesce(now.now, 0) AS now
FROM before
LEFT JOIN now USING (dimension, segment)
ORDER BY gone DESC, dimension, segment
{% else %}
SELECT NULL AS dimension, NULL AS segment, 0 AS before, 0 AS gone, 0 AS now WHERE false
{% endif %}
