-- Figures that differ from what was reported. Grain: one row per date, term, dimension, segment, metric.
-- No binds. A figure that has appeared or disappeared since has an empty value on one side.
WITH days AS (SELECT DISTINCT date FROM operations.reported_figures),

now_there AS (
    {% include "current_figures.sql" %}
),

changed AS (
    SELECT
        coalesce(was.date, now_there.date) AS date,
        coalesce(was.term, now_there.term) AS term,
        coalesce(was.dimension, now_there.dimension) AS dimension,
        coalesce(was.segment, now_there.segment) AS segment,
        coalesce(was.metric, now_there.metric) AS metric,
        was.value AS old_value,
        now_there.value AS new_value
    FROM operations.reported_figures AS was
    FULL JOIN now_there
        ON was.date = now_there.date
        AND was.term = now_there.term
        AND coalesce(was.dimension, '') = coalesce(now_there.dimension, '')
        AND coalesce(was.segment, '') = coalesce(now_there.segment, '')
        AND was.metric = now_there.metric
    WHERE was.value IS DISTINCT FROM now_there.value
),

-- Of the day's table and not of the figure: a column that is new in a formula was never reported.
reported AS (
    SELECT
        date,
        term,
        CASE WHEN dimension IS NULL THEN 'enrollment_metrics' ELSE 'segment_metrics' END AS table_name,
        max(lineage) AS lineage,
        max(code_version) AS code_version
    FROM operations.reported_figures
    GROUP BY ALL
)

SELECT
    changed.*,
    CASE
        WHEN reported.code_version <> derivations.code_version THEN
            CASE WHEN reported.lineage <> derivations.lineage THEN 'snapshots, formula' ELSE 'formula' END
        ELSE 'snapshots'
    END AS reason,
    derivations.lineage,
    derivations.code_version
FROM changed
LEFT JOIN reported
    ON reported.date = changed.date
    AND reported.term = changed.term
    AND reported.table_name
        = CASE WHEN changed.dimension IS NULL THEN 'enrollment_metrics' ELSE 'segment_metrics' END
LEFT JOIN operations.derivations AS derivations
    ON derivations.date = changed.date
    AND derivations.term = changed.term
    AND derivations.table_name
        = CASE WHEN changed.dimension IS NULL THEN 'enrollment_metrics' ELSE 'segment_metrics' END
