{# that the rows of `recorded` are not what today's snapshots (`lineage`) and formulas give #}
(
    recorded.lineage IS NULL
    OR recorded.lineage IS DISTINCT FROM lineage.lineage
    OR coalesce(recorded.code_version <> code_versions.version, false)
)
