-- Days whose derived rows are not what the accepted snapshots give today: never computed, computed
-- from other snapshots, or left over from a snapshot that was rejected.
-- Grain: one row per term and day. No binds.
WITH lineage AS (
    {% include "lineage.sql" %}
),

recorded AS (
    {% include "recorded.sql" %}
)

SELECT
    term,
    date,
    string_agg(table_name, ', ' ORDER BY table_name) AS table_names
FROM lineage
FULL JOIN recorded USING (table_name, term, date)
WHERE table_name IN ('{{ lineage.core | join("', '") }}')
    AND (recorded.lineage IS NULL OR recorded.lineage IS DISTINCT FROM lineage.lineage)
GROUP BY term, date
ORDER BY date, term
