{# what became of the students of a baseline; of CTEs `today` and `before` with one row per student #}
SELECT
    today.snapshot_date,
    today.term,
    today.baseline_date,
    count(*) AS retained,
    [
{% for name in compared_columns %}
        count(*) FILTER (today."{{ name }}" IS DISTINCT FROM before."{{ name }}"){{ "," if not loop.last }}
{% endfor %}
    ] AS changed
FROM today
JOIN before
    ON before.snapshot_date = today.baseline_date
    AND before.term = today.term
    AND before.student_id = today.student_id
GROUP BY ALL
