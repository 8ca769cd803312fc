-- The keys of a term whose spells have to be made anew: those with a value or an ID that has a new name,
-- before and after it, and those whose spells follow each other with the same row. Grain: one row per key.
-- Binds: $term. Reads the temporary table `new_names`.
{% import "spell_key.sql" as keys with context %}
{% import "new_names.sql" as names with context %}
CREATE OR REPLACE TEMP TABLE touched_keys AS
WITH spells AS (
    SELECT * FROM enrollment.enrollment_spells WHERE term = $term
),

renamed AS (
    {{ names.renamed("spells") }}
    WHERE {{ names.is_renamed() }}
)

SELECT {{ keys.key("spells") }}
FROM {{ names.from_renamed("spells") }}
WHERE {{ names.is_renamed() }}
UNION
SELECT {{ keys.key("renamed") }} FROM renamed
UNION
SELECT {{ keys.key("spells") }}
FROM spells
JOIN spells AS following
    ON spells.valid_to = following.valid_from
{% for name in spell_columns %}
    AND spells."{{ name }}" IS NOT DISTINCT FROM following."{{ name }}"
{% endfor %}
