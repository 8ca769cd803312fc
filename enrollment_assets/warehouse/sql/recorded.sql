{# what the derived rows that are there were computed from, without pruned days #}
SELECT derivations.table_name, derivations.term, derivations.date, derivations.lineage, derivations.code_version
FROM operations.derivations
LEFT JOIN frozen ON frozen.term = derivations.term
WHERE derivations.table_name NOT IN ('{{ lineage.reading | join("', '") }}')
    OR frozen.kept_from IS NULL
    OR derivations.date > frozen.kept_from
