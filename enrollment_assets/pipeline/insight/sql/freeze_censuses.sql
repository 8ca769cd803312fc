-- Freezes the official count of every term whose census has passed and was not frozen yet.
-- Grain: one row per term. Binds: $terms and $days (see `current_censuses.sql`), $run_id. The census has
-- passed once a snapshot of that day or a later one is accepted.
INSERT INTO operations.census_snapshots BY NAME
WITH censuses AS (
    {% include "current_censuses.sql" %}
)

SELECT
    censuses.*,
    $run_id AS run_id,
    now() AS frozen_at
FROM censuses
ANTI JOIN operations.census_snapshots AS old ON censuses.term = old.term
