-- Removes the spells that `touched_spells` holds, which new ones replace. No binds.
{% import "spell_key.sql" as keys with context %}
DELETE FROM enrollment.enrollment_spells AS spells
USING touched_spells AS touched
WHERE {{ keys.same_key("spells", "touched") }} AND spells.valid_from = touched.valid_from
