-- The keys whose row is not the same on all days of their region. Grain: one row per key. Reads the
-- temporary tables `spell_regions` and `spell_rows`. No binds.
-- A key is untouched if one spell holds from the day before the region to the day after it (or to the
-- newest day), and every new day brings that row.
{% import "spell_key.sql" as keys with context %}
CREATE OR REPLACE TEMP TABLE touched_keys AS
WITH same AS (
    SELECT
{% for name in spell_columns %}
        "{{ name }}",
{% endfor %}
        count(*) AS days
    FROM spell_rows
    GROUP BY ALL
),

overlapping AS (
    SELECT
        spells.*,
        regions.new_days,
        coalesce(spells.valid_from <= regions.before_day, false)
        AND coalesce(spells.valid_to > regions.after_day, spells.valid_to IS NULL) AS is_covering
    FROM enrollment.enrollment_spells AS spells
    JOIN spell_regions AS regions ON spells.term = regions.term
    WHERE spells.valid_from <= coalesce(regions.after_day, DATE '9999-12-31')
        AND coalesce(spells.valid_to > regions.before_day, true)
),

untouched AS (
    SELECT {{ keys.key("spells") }}
    FROM overlapping AS spells
    LEFT JOIN same
        ON {{ keys.same_key("spells", "same") }}
{% for name in spell_columns if name not in ("term", "student_id") %}
        AND spells."{{ name }}" IS NOT DISTINCT FROM same."{{ name }}"
{% endfor %}
    WHERE spells.is_covering AND coalesce(same.days, 0) = spells.new_days
)

SELECT {{ keys.key("same") }} FROM same
UNION
SELECT {{ keys.key("overlapping") }} FROM overlapping
EXCEPT
FROM untouched
