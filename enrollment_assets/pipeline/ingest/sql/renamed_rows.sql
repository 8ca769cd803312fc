-- The rows of each day that `touched_spells` hold, with their new names, one for each key.
-- Grain: snapshot day, term, student (and program). Reads the temporary tables `touched_spells`,
-- `spell_days` and `new_names`. No binds.
{% import "new_names.sql" as names with context %}
CREATE OR REPLACE TEMP VIEW spell_rows AS
WITH renamed AS (
    {{ names.renamed("touched_spells") }}
),

staged AS (
    SELECT spell_days.snapshot_date, renamed.* EXCLUDE (valid_from, valid_to)
    FROM renamed
    JOIN spell_days
        ON spell_days.snapshot_date >= renamed.valid_from
        AND spell_days.snapshot_date < coalesce(renamed.valid_to, DATE '9999-12-31')
)

SELECT staged.* FROM staged
{% include "one_of_each_key.sql" %}
