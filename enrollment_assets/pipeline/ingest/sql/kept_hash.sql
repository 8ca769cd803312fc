-- The content hash of the rows in quarantine that would count. Grain: one row. No binds. Reads the
-- temporary table `kept_rows`; rows that were accepted before they were rejected all count.
SELECT
    {% include "row_hash.sql" %}
FROM (
    SELECT staged.*
    FROM kept_rows AS staged
    WHERE coalesce(staged.standing, 'counted') = 'counted'
    {% include "one_of_each_key.sql" %}
)
