-- The accepted days of each region as they will be, with the days next to it. Grain: one row per term and
-- day. Reads the temporary table `spell_regions` and the log as it was before. No binds.
CREATE OR REPLACE TEMP TABLE spell_days AS
WITH days AS (
    SELECT term, unnest(coming_days) AS snapshot_date, true AS is_new
    FROM spell_regions
    UNION ALL
    SELECT log.term, log.snapshot_date, false
    FROM enrollment.snapshot_log AS log
    JOIN spell_regions AS regions ON log.term = regions.term
    WHERE log.status = 'accepted'
        AND NOT list_contains(regions.changed_days, log.snapshot_date)
        AND log.snapshot_date >= coalesce(regions.before_day, regions.first_day)
        AND log.snapshot_date <= coalesce(regions.after_day, regions.last_day)
)

SELECT
    *,
    row_number() OVER (PARTITION BY term ORDER BY snapshot_date) AS position,
    lead(snapshot_date) OVER (PARTITION BY term ORDER BY snapshot_date) AS next_day
FROM days
