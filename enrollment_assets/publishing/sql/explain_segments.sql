-- What took each segment from its total of one accepted day to that of another.
-- Grain: one row per dimension and segment with students on either day or movement between.
-- Binds: $term, $first, $last (the two days), $dimensions (names), and in grain student
-- $blank_segment (name for an empty value).
-- Identity: total_after = total_before + new + returning - dropped + moved_in - moved_out.
-- In grain registration a student has several segments, which the changes hold as one text: returning
-- students are not known by segment, and are counted as new ones.
WITH days AS (
    SELECT snapshot_date AS date
    FROM enrollment.snapshot_log
    WHERE term = $term AND status = 'accepted' AND snapshot_date BETWEEN $first AND $last
),

flows AS (
    SELECT
        dimension,
        segment,
        coalesce(sum(total_enrollment) FILTER (date = $first), 0) AS total_before,
        coalesce(sum(new_students) FILTER (date > $first), 0) AS added,
        coalesce(sum(dropped_students) FILTER (date > $first), 0) AS dropped_students,
        coalesce(sum(moved_in) FILTER (date > $first), 0) AS moved_in,
        coalesce(sum(moved_out) FILTER (date > $first), 0) AS moved_out,
        coalesce(sum(total_enrollment) FILTER (date = $last), 0) AS total_after
    FROM enrollment.segment_metrics
    SEMI JOIN days USING (date)
    WHERE term = $term AND list_contains($dimensions::VARCHAR[], dimension)
    GROUP BY dimension, segment
)
{% if not by_program %}
,

came_back AS (
{% for name in dimensions %}
    SELECT
        '{{ name }}' AS dimension,
        coalesce("{{ name }}", $blank_segment) AS segment,
        count(*) AS returning_students
    FROM enrollment.student_changes
    SEMI JOIN days ON days.date = snapshot_date
    WHERE term = $term AND "returning" AND snapshot_date > $first
    GROUP BY ALL
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
)
{% endif %}

{% set returning = "0" if by_program else "coalesce(came_back.returning_students, 0)" %}
SELECT
    dimension,
    segment,
    total_before,
    added - {{ returning }} AS new_students,
    {{ returning }} AS returning_students,
    dropped_students,
    moved_in,
    moved_out,
    total_after
FROM flows
{% if not by_program %}
LEFT JOIN came_back USING (dimension, segment)
{% endif %}
-- the first day's own movement may have left rows of segments that were empty ever since
WHERE total_before + total_after + added + dropped_students + moved_in + moved_out > 0
ORDER BY dimension, abs(total_after - total_before) DESC, total_after DESC, segment
