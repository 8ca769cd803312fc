-- Days with insight that was computed from other snapshots or by another formula than today.
-- Grain: one row per term and day. No binds. What was never asked for is not stale: a backfill of the core
-- leaves insight out.
WITH lineage AS (
    {% include "lineage.sql" %}
),

recorded AS (
    {% include "recorded.sql" %}
)

SELECT
    recorded.term,
    recorded.date,
    string_agg(recorded.table_name, ', ' ORDER BY recorded.table_name) AS table_names
FROM recorded
LEFT JOIN lineage USING (table_name, term, date)
LEFT JOIN code_versions USING (table_name)
WHERE recorded.table_name IN ('{{ lineage.insight | join("', '") }}')
    AND {% include "is_stale.sql" %}

GROUP BY ALL
ORDER BY ALL
