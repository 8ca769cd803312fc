-- Figures that differ from what was reported. Grain: one row per date, term, dimension, segment, metric.
-- No binds. A figure that has appeared or disappeared since has an empty value on one side.
WITH days AS (SELECT DISTINCT date FROM operations.reported_figures),

now_there AS (
    {% include "current_figures.sql" %}
)

SELECT
    coalesce(was.date, now_there.date) AS date,
    coalesce(was.term, now_there.term) AS term,
    coalesce(was.dimension, now_there.dimension) AS dimension,
    coalesce(was.segment, now_there.segment) AS segment,
    coalesce(was.metric, now_there.metric) AS metric,
    was.value AS old_value,
    now_there.value AS new_value,
    CASE WHEN was.lineage = now_there.lineage AND was.code_version <> now_there.code_version
        THEN 'formula' ELSE 'snapshots' END AS reason,
    now_there.lineage,
    now_there.code_version
FROM operations.reported_figures AS was
FULL JOIN now_there
    ON was.date = now_there.date
    AND was.term = now_there.term
    AND coalesce(was.dimension, '') = coalesce(now_there.dimension, '')
    AND coalesce(was.segment, '') = coalesce(now_there.segment, '')
    AND was.metric = now_there.metric
WHERE was.value IS DISTINCT FROM now_there.value
