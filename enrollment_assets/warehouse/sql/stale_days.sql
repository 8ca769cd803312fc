-- Days whose derived rows are not what the accepted snapshots give today: never computed, computed
-- from other snapshots or by another formula, or left over from a snapshot that was rejected.
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
LEFT JOIN code_versions USING (table_name)
WHERE table_name IN ('{{ lineage.core | join("', '") }}')
    AND {% include "is_stale.sql" %}

GROUP BY term, date
ORDER BY date, term
