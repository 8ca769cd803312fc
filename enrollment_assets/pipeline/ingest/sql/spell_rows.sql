-- The staged rows that were accepted, one for each key. Grain: snapshot day, term, student (and program).
-- Reads the temporary tables `staged` and `verdicts`. No binds. Of rows with the same key the smallest by
-- (dimensions, name, status) is kept, so that the order of a file never looks like a move; `dedupe` is off
-- where no key repeats.
CREATE OR REPLACE TEMP VIEW spell_rows AS
SELECT
    staged.snapshot_date,
{% for name in row_columns %}
    staged."{{ name }}",
{% endfor %}
{% for name in former_columns %}
    NULL::VARCHAR AS "{{ name }}",
{% endfor %}
FROM staged
JOIN verdicts
    ON staged.snapshot_date = verdicts.snapshot_date AND staged.term = verdicts.term
WHERE staged.standing = 'counted' AND verdicts.status = 'accepted'
{% if dedupe %}
{% include "one_of_each_key.sql" %}
{% endif %}
