-- Where a batch changes the accepted days of a term. Grain: one row per term. Reads the temporary table
-- `verdicts` and the log as it was before. No binds. `first_day` to `last_day` are the days that come or
-- go, `before_day` and `after_day` the accepted days next to them that stay, `new_days` how many come.
CREATE OR REPLACE TEMP TABLE spell_regions AS
WITH changed AS (
    SELECT verdicts.term, verdicts.snapshot_date, verdicts.status = 'accepted' AS is_new
    FROM verdicts
    LEFT JOIN enrollment.snapshot_log AS log
        ON log.term = verdicts.term
        AND log.snapshot_date = verdicts.snapshot_date
        AND log.status = 'accepted'
    WHERE verdicts.term IS NOT NULL
        AND (
            verdicts.status = 'accepted'
            OR (verdicts.decided_by IS NOT NULL AND log.term IS NOT NULL)
        )
),

bounds AS (
    SELECT
        term,
        min(snapshot_date) AS first_day,
        max(snapshot_date) AS last_day,
        count(*) FILTER (is_new) AS new_days,
        list(snapshot_date) AS changed_days,
        list(snapshot_date) FILTER (is_new) AS coming_days
    FROM changed
    GROUP BY term
)

SELECT
    bounds.*,
    max(log.snapshot_date) FILTER (log.snapshot_date < bounds.first_day) AS before_day,
    min(log.snapshot_date) FILTER (log.snapshot_date > bounds.last_day) AS after_day
FROM bounds
LEFT JOIN enrollment.snapshot_log AS log
    ON log.term = bounds.term
    AND log.status = 'accepted'
    AND NOT list_contains(bounds.changed_days, log.snapshot_date)
GROUP BY ALL
