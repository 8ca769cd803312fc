-- What became of the students of `old_rows` in `new_rows`, two views on snapshots of one term.
-- Grain: one row, or none if no student is in both; `changed` counts the retained students by column whose
-- value changed. No binds.
WITH before AS (
    SELECT
        DATE '0001-01-01' AS snapshot_date,
        '' AS term,
{% include "per_student.sql" %}
        student_id
    FROM old_rows
    GROUP BY ALL
),

today AS (
    SELECT
        DATE '0001-01-01' AS snapshot_date,
        DATE '0001-01-01' AS baseline_date,
        '' AS term,
{% include "per_student.sql" %}
        student_id
    FROM new_rows
    GROUP BY ALL
)

{% include "compared.sql" %}
