-- Who was enrolled at each frozen census, under the new names. Grain: one row per term, student (and
-- program). Reads the temporary table `new_names`. No binds.
{% import "new_names.sql" as names with context %}
CREATE OR REPLACE TEMP TABLE renamed_members AS
WITH members AS (
    FROM operations.census_members
)

SELECT DISTINCT ON (term, student_id{{ ", program" if by_program }}) *
FROM (
    {{ names.renamed("members") }}
)
ORDER BY ALL
