-- The tables with days that were computed by another formula than today's. Grain: one row per table.
-- Binds: $start (the first day that has a partition). Reads the temporary table `code_versions`.
WITH recorded AS (
    {% include "recorded.sql" %}
)

SELECT table_name, min(recorded.date) AS first_day, max(recorded.date) AS last_day
FROM recorded
JOIN code_versions USING (table_name)
WHERE recorded.code_version <> code_versions.version AND recorded.date >= $start
GROUP BY table_name
ORDER BY table_name
