-- Rows that arrived, each with its standing, into the staging table.
-- Grain: one row of the extracts. Reads the registered table `incoming` and the temporary table
-- `new_names`: values and IDs get their new names first. Binds: $id_pattern,
-- $counted and $ignored (status codes), $exclude_N (one expression for each exclusion rule).
-- Standing, first match wins: excluded_unknown (of an unknown term, or none), unknown_term, outside,
-- excluded, no_id, uncounted, unknown_status, counted. Only counted rows are stored.
{% import "new_names.sql" as names with context %}
INSERT INTO staged BY NAME
SELECT
    incoming.*,
    CASE
{% for name in excluded %}
        WHEN terms.code IS NULL AND regexp_matches(incoming."{{ name }}", $exclude_{{ loop.index0 }})
            THEN 'excluded_unknown'
{% endfor %}
        WHEN terms.code IS NULL THEN 'unknown_term'
        WHEN open_days.code IS NULL THEN 'outside'
{% for name in excluded %}
        WHEN regexp_matches(incoming."{{ name }}", $exclude_{{ loop.index0 }}) THEN 'excluded'
{% endfor %}
        WHEN incoming.student_id IS NULL THEN 'no_id'
        WHEN list_contains($ignored::VARCHAR[], incoming.status) THEN 'uncounted'
        WHEN $counted::VARCHAR[] IS NOT NULL
            AND NOT coalesce(list_contains($counted::VARCHAR[], incoming.status), false)
            THEN 'unknown_status'
        ELSE 'counted'
    END AS standing,
    ($id_pattern::VARCHAR IS NOT NULL AND NOT regexp_full_match(incoming.student_id, $id_pattern))
    OR regexp_matches(incoming.student_id, '[\x00-\x1f\x7f\x{FFFD}]') AS has_invalid_id,
    false
{% for name in dimensions %}
    OR incoming."{{ name }}" IS NULL
{% endfor %}
        AS has_blank
FROM {% if renamed_columns %}({{ names.renamed("incoming") }}) AS {% endif %}incoming
LEFT JOIN terms ON incoming.term = terms.code
LEFT JOIN open_days
    ON incoming.term = open_days.code AND incoming.snapshot_date = open_days.snapshot_date
