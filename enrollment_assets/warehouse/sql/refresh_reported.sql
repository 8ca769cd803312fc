-- From what all reported figures of a day are computed now, those that did not change among them: so the
-- next change is compared with this state. No binds. Call after changes went to metric_restatements.
UPDATE operations.reported_figures AS reported
SET lineage = derivations.lineage, code_version = derivations.code_version
FROM operations.derivations AS derivations
WHERE derivations.date = reported.date
    AND derivations.term = reported.term
    AND derivations.table_name
        = CASE WHEN reported.dimension IS NULL THEN 'enrollment_metrics' ELSE 'segment_metrics' END
    -- Empty if the day is still stale: what it was before counts until it is restated.
    AND derivations.lineage IS NOT NULL
    AND (
        reported.lineage IS DISTINCT FROM derivations.lineage
        OR reported.code_version IS DISTINCT FROM derivations.code_version
    )
