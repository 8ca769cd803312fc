-- What became of the students of each staged snapshot in the next staged one of the term.
-- Grain: one row per snapshot day and term with an earlier staged day of the same term; `changed`
-- counts the retained students by column whose value changed. No binds.
-- Duplicates are not removed first: where there are more than a few, the term is rejected for them.
WITH days AS (
    SELECT DISTINCT snapshot_date, term FROM staged WHERE standing = 'counted'
),

pairs AS (
    SELECT
        snapshot_date,
        term,
        lag(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS baseline_date
    FROM days
),

before AS (
    SELECT
        snapshot_date,
        term,
{% include "per_student.sql" %}
        student_id
    FROM staged
    WHERE standing = 'counted'
    {{ "GROUP BY snapshot_date, term, student_id" if by_program }}
),

today AS (
    SELECT before.*, pairs.baseline_date
    FROM before
    JOIN pairs USING (snapshot_date, term)
    WHERE pairs.baseline_date IS NOT NULL
)

{% include "compared.sql" %}
