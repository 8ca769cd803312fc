{# the current figures of all reported days, and from what they were computed: one row per date, term,
   dimension, segment and metric #}
SELECT figures.*, derivations.lineage, derivations.code_version
FROM (
    SELECT date, term, NULL::VARCHAR AS dimension, NULL::VARCHAR AS segment, metric, value
    FROM (
        UNPIVOT (
            SELECT date, term, columns(* EXCLUDE (date, term, baseline_date))::DOUBLE
            FROM enrollment.enrollment_metrics
            SEMI JOIN days USING (date)
        ) ON columns(* EXCLUDE (date, term)) INTO NAME metric VALUE value
    )
    UNION ALL
    SELECT date, term, dimension, segment, metric, value
    FROM (
        UNPIVOT (
            SELECT
                date, term, dimension, segment,
                columns(* EXCLUDE (date, term, dimension, segment, baseline_date, days_since_baseline))::DOUBLE
            FROM enrollment.segment_metrics
            SEMI JOIN days USING (date)
        ) ON columns(* EXCLUDE (date, term, dimension, segment)) INTO NAME metric VALUE value
    )
) AS figures
LEFT JOIN operations.derivations AS derivations
    ON derivations.date = figures.date
    AND derivations.term = figures.term
    AND derivations.table_name
        = CASE WHEN figures.dimension IS NULL THEN 'enrollment_metrics' ELSE 'segment_metrics' END
