-- From what a range of days of a table was computed. Binds: $table_name, $first, $last (days, both
-- inclusive), $run_id. Call after its rows were written, in their transaction.
-- A day that was computed beside earlier changes that are stale is stale from the start; insight looks at
-- other terms, and is stale if any term's figures up to its day are.
INSERT INTO operations.derivations BY NAME
WITH lineage AS (
    {% include "lineage.sql" %}
),

recorded AS (
    {% include "recorded.sql" %}
),

first_stale AS (
    SELECT term, min(date) AS date
    FROM lineage
    FULL JOIN recorded USING (table_name, term, date)
    LEFT JOIN code_versions USING (table_name)
    WHERE table_name = 'student_changes'
        AND {% include "is_stale.sql" %}

        AND ($table_name <> 'student_changes' OR date < $first)
    GROUP BY term
),

first_stale_of AS (
    SELECT
        code AS term,
        CASE WHEN $table_name IN ('{{ lineage.core | join("', '") }}')
            THEN first_stale.date
            ELSE (SELECT min(date) FROM first_stale)
        END AS date
    FROM (SELECT DISTINCT term AS code FROM lineage) AS codes
    LEFT JOIN first_stale ON first_stale.term = codes.code
)

SELECT
    lineage.table_name,
    lineage.date,
    lineage.term,
    CASE WHEN first_stale_of.date IS NULL OR first_stale_of.date > lineage.date
        THEN lineage.lineage END AS lineage,
    (SELECT version FROM code_versions WHERE code_versions.table_name = $table_name) AS code_version,
    $run_id AS run_id,
    now() AS derived_at
FROM lineage
LEFT JOIN first_stale_of USING (term)
WHERE lineage.table_name = $table_name AND lineage.date BETWEEN $first AND $last
