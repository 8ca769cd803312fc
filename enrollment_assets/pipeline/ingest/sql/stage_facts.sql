-- What a batch of staged days holds, term by term.
-- Grain: one row per snapshot day and term; rows of terms that are not configured are counted together
-- under a NULL term, since such a value may be anything, even a name. Those that are excluded are no
-- rows of anything. No binds.
SELECT
    snapshot_date,
    CASE WHEN standing = 'unknown_term' THEN NULL ELSE term END AS known_term,
    count(*) FILTER (standing NOT IN ('outside', 'excluded')) AS row_count,
    count(DISTINCT student_id) FILTER (standing = 'counted') AS student_count,
    count(*) FILTER (standing = 'counted')
{% if by_program %}
    - count(DISTINCT (student_id, coalesce(program, ''))) FILTER (standing = 'counted')
{% else %}
    - count(DISTINCT student_id) FILTER (standing = 'counted')
{% endif %}
        AS duplicate_count,
    count(*) FILTER (standing = 'no_id') AS missing_count,
    count(*) FILTER (standing = 'counted' AND has_blank) AS blank_count,
    count(*) FILTER (standing = 'counted' AND has_invalid_id) AS invalid_count,
    count(*) FILTER (standing = 'outside') AS outside_count,
    count(*) FILTER (standing IN ('uncounted', 'excluded')) AS uncounted_count,
    count(*) FILTER (standing = 'unknown_status') AS unknown_status_count
FROM staged
WHERE standing <> 'excluded_unknown'
GROUP BY ALL
ORDER BY ALL
