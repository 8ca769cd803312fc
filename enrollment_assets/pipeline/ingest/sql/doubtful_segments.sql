-- What became of the students of each segment of `old_rows` in `new_rows`.
-- Grain: one row per dimension and segment, the largest loss first. No binds.
-- `gone`: its students who are not in the term any more; `now`: the students in it today.
WITH new_students AS (SELECT DISTINCT student_id FROM new_rows)

{% for name in dimensions %}
SELECT
    '{{ name }}' AS dimension,
    old.segment,
    old.before,
    old.gone,
    coalesce(new.now, 0) AS now
FROM (
    SELECT
        "{{ name }}" AS segment,
        count(DISTINCT student_id) AS before,
        count(DISTINCT student_id)
            FILTER (student_id NOT IN (SELECT student_id FROM new_students)) AS gone
    FROM old_rows
    GROUP BY ALL
) AS old
LEFT JOIN (
    SELECT "{{ name }}" AS segment, count(DISTINCT student_id) AS now FROM new_rows GROUP BY ALL
) AS new
    ON new.segment = old.segment
WHERE old.segment IS NOT NULL
{{ "UNION ALL" if not loop.last }}
{% else %}
SELECT NULL AS dimension, NULL AS segment, 0 AS before, 0 AS gone, 0 AS now WHERE false
{% endfor %}
ORDER BY gone DESC, dimension, segment
