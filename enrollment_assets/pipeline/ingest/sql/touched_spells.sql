-- The stored spells of touched keys that reach into their region. Grain: one row per spell. Reads the
-- temporary tables `touched_keys` and `spell_regions`. No binds.
{% import "spell_key.sql" as keys with context %}
CREATE OR REPLACE TEMP TABLE touched_spells AS
SELECT spells.*
FROM enrollment.enrollment_spells AS spells
JOIN spell_regions AS regions ON spells.term = regions.term
SEMI JOIN touched_keys AS touched ON {{ keys.same_key("spells", "touched") }}
WHERE spells.valid_from <= coalesce(regions.after_day, DATE '9999-12-31')
    AND coalesce(spells.valid_to > regions.before_day, true)
