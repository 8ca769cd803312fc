-- The newest attempt on each term of a day, or a person's decision since; terms of which a later extract
-- says nothing are left out. Grain: one row per term. Binds: $day.
SELECT
    term,
    status,
    run_id,
    content_hash,
    row_count,
    student_count,
    duplicate_count,
    missing_count,
    blank_count,
    invalid_count,
    outside_count,
    uncounted_count,
    unknown_status_count
FROM operations.snapshot_attempts
WHERE snapshot_date = $day
QUALIFY attempted_at = max(attempted_at) OVER (PARTITION BY term)
    AND attempted_at >= coalesce(max(attempted_at) FILTER (decided_by IS NULL) OVER (), attempted_at)
    AND term IS NOT NULL
ORDER BY term
