-- The spells of touched keys as they will be. Grain: one row per spell. Reads the temporary tables
-- `touched_keys`, `touched_spells`, `spell_rows`, `spell_days` and `spell_regions`. No binds.
-- A key's rows on the days of its region are gathered into stretches of days that follow each other
-- (islands: position less row number). A stretch that begins on the day before the region, or ends on
-- the day after it, is the end or the beginning of the spell that holds there.
{% import "spell_key.sql" as keys with context %}
CREATE OR REPLACE TEMP TABLE new_spells AS
WITH days AS (
    SELECT
{% for name in spell_columns %}
        spells."{{ name }}",
{% endfor %}
        days.snapshot_date,
        days.position
    FROM touched_spells AS spells
    JOIN spell_days AS days
        ON days.term = spells.term
        AND NOT days.is_new
        AND days.snapshot_date >= spells.valid_from
        AND days.snapshot_date < coalesce(spells.valid_to, DATE '9999-12-31')
    UNION ALL
    SELECT
{% for name in spell_columns %}
        rows."{{ name }}",
{% endfor %}
        days.snapshot_date,
        days.position
    FROM spell_rows AS rows
    JOIN spell_days AS days
        ON days.term = rows.term AND days.snapshot_date = rows.snapshot_date AND days.is_new
    SEMI JOIN touched_keys AS touched ON {{ keys.same_key("rows", "touched") }}
),

numbered AS (
    SELECT
        *,
        position - row_number() OVER (
            PARTITION BY {% for name in spell_columns %}"{{ name }}"{{ ", " if not loop.last }}{% endfor %}

            ORDER BY position
        ) AS island
    FROM days
),

stretches AS (
    SELECT
{% for name in spell_columns %}
        "{{ name }}",
{% endfor %}
        min(snapshot_date) AS first_day,
        max(snapshot_date) AS last_day
    FROM numbered
    GROUP BY {% for name in spell_columns %}"{{ name }}", {% endfor %}island
),

-- Joined by the day as well: a student may have many stretches.
heads AS (
    SELECT spells.*, regions.before_day
    FROM touched_spells AS spells
    JOIN spell_regions AS regions
        ON regions.term = spells.term
        AND spells.valid_from <= regions.before_day
        AND coalesce(spells.valid_to > regions.before_day, true)
),

tails AS (
    SELECT spells.*, regions.after_day
    FROM touched_spells AS spells
    JOIN spell_regions AS regions
        ON regions.term = spells.term
        AND spells.valid_from <= regions.after_day
        AND coalesce(spells.valid_to > regions.after_day, true)
)

SELECT
{% for name in spell_columns %}
    stretches."{{ name }}",
{% endfor %}
    coalesce(heads.valid_from, stretches.first_day) AS valid_from,
    CASE WHEN tails.term IS NULL THEN days.next_day ELSE tails.valid_to END AS valid_to
FROM stretches
JOIN spell_days AS days ON days.term = stretches.term AND days.snapshot_date = stretches.last_day
LEFT JOIN heads
    ON {{ keys.same_key("heads", "stretches") }} AND heads.before_day = stretches.first_day
LEFT JOIN tails
    ON {{ keys.same_key("tails", "stretches") }} AND tails.after_day = stretches.last_day
