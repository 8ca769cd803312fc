-- All accepted days of a term, as days that come. Grain: one row per day. Binds: $term.
CREATE OR REPLACE TEMP TABLE spell_days AS
SELECT
    term,
    snapshot_date,
    true AS is_new,
    row_number() OVER (ORDER BY snapshot_date) AS position,
    lead(snapshot_date) OVER (ORDER BY snapshot_date) AS next_day
FROM enrollment.snapshot_log
WHERE status = 'accepted' AND term = $term
