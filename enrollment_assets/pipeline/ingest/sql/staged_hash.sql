-- The content hash that a term's staged rows would have. Grain: one row. Binds: $day, $term.
SELECT
    {% include "row_hash.sql" %}
FROM (
    SELECT staged.*
    FROM staged
    WHERE staged.snapshot_date = $day AND staged.term = $term AND staged.standing = 'counted'
    {% include "one_of_each_key.sql" %}
)
