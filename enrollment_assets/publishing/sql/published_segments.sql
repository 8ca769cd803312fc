-- The segments as they may leave the warehouse: the only reading of them for reports, mail, exports and API.
-- Grain: one row per day, term, dimension and segment with students in the term or its comparison. Binds:
-- $first, $last (days, both inclusive).
-- What `segment_disclosure` withholds is NULL, and its suppression column says why: small, or complement (it
-- would reveal a small one). A day whose disclosure is unknown, or is of other counts than the current ones,
-- is withheld whole; so is a dimension whose list of segments alone would reveal someone. A segment without
-- students that day is 0.
{% set sides = (
    ("own", "date", "term"),
    ("baseline", "baseline_date", "term"),
    ("comparison", "comparison_date", "comparison_term"),
    ("census", "census_date", "comparison_term"),
    ("final", "final_date", "comparison_term"),
) %}
WITH asked AS (
    SELECT
        segments.date,
        segments.term,
        segments.dimension,
        segments.segment,
        metrics.baseline_date,
        segments.comparison_term,
        segments.comparison_date,
        CASE WHEN segments.comparison_census IS NOT NULL THEN marks.census_date END AS census_date,
        CASE WHEN segments.comparison_final IS NOT NULL THEN marks.final_date END AS final_date
    FROM enrollment.segment_point_in_time AS segments
    JOIN enrollment.enrollment_metrics AS metrics USING (date, term)
    LEFT JOIN (
        SELECT
            past.term,
            coalesce(
                max(date) FILTER (date = frozen_at.snapshot_date), max(date) FILTER (date <= terms.census)
            ) AS census_date,
            max(date) AS final_date
        FROM enrollment.enrollment_metrics AS past
        JOIN terms ON past.term = terms.code
        LEFT JOIN operations.census_snapshots AS frozen_at ON frozen_at.term = past.term
        GROUP BY past.term
    ) AS marks ON segments.comparison_term = marks.term
    WHERE segments.date BETWEEN $first AND $last
),

days AS (
    SELECT date, term FROM asked
    UNION
    SELECT baseline_date, term FROM asked
    UNION
    SELECT unnest([comparison_date, census_date, final_date]), comparison_term FROM asked
),

counts AS (
    SELECT date, term, dimension, segment, total_enrollment
    FROM enrollment.segment_metrics
    SEMI JOIN days USING (date, term)
    WHERE total_enrollment > 0
),

disclosures AS (
    SELECT * FROM enrollment.segment_disclosure SEMI JOIN days USING (date, term)
),

cells AS (
    SELECT
        date,
        term,
        dimension,
        segment,
        counts.total_enrollment,
        -- judged by an earlier bound, and final since its snapshot was pruned
        CASE WHEN withheld = 'small' AND counts.total_enrollment >= {{ small_cell }} THEN 'complement'
            ELSE withheld END AS withheld,
        counts.total_enrollment IS NOT DISTINCT FROM disclosures.total_enrollment
            AND (withheld IS NOT NULL OR counts.total_enrollment >= {{ small_cell }}) AS is_sound
    FROM counts
    FULL JOIN disclosures USING (date, term, dimension, segment)
),

opened AS (
    SELECT
        date,
        term,
        dimension,
        bool_or(withheld = 'unlisted') IS TRUE AS is_unlisted,
        bool_and(bool_and(is_sound)) OVER (PARTITION BY date, term) AS is_sound
    FROM cells
    GROUP BY date, term, dimension
),

suppressed AS (
    SELECT
        asked.*,
{% for side, day, term in sides %}
        CASE WHEN asked.{{ day }} IS NOT NULL THEN coalesce({{ side }}.total_enrollment, 0) END
            AS {{ side }}_total,
        coalesce({{ side }}_opened.is_unlisted, false) AS {{ side }}_is_unlisted,
        CASE
            WHEN asked.{{ day }} IS NULL THEN NULL
            WHEN {{ side }}_opened.is_unlisted IS NOT false OR {{ side }}_opened.is_sound IS NOT true
                THEN 'complement'
            ELSE {{ side }}.withheld
        END AS {{ side }}_suppression{{ "," if not loop.last }}
{% endfor %}
    FROM asked
{% for side, day, term in sides %}
    LEFT JOIN opened AS {{ side }}_opened
        ON {{ side }}_opened.date = asked.{{ day }}
        AND {{ side }}_opened.term = asked.{{ term }}
        AND {{ side }}_opened.dimension = asked.dimension
    LEFT JOIN cells AS {{ side }}
        ON {{ side }}.date = asked.{{ day }}
        AND {{ side }}.term = asked.{{ term }}
        AND {{ side }}.dimension = asked.dimension
        AND {{ side }}.segment = asked.segment
{% endfor %}
),

shown AS (
    SELECT
        *,
        CASE WHEN own_suppression IS NULL THEN own_total END AS total_enrollment,
        CASE WHEN baseline_suppression IS NULL THEN baseline_total END AS baseline_shown,
        CASE WHEN comparison_suppression IS NULL THEN comparison_total END AS comparison_shown
    FROM suppressed
    -- a segment is listed where the list of its own day, or that of the comparison's, may be seen
    WHERE (own_total > 0 AND NOT own_is_unlisted)
        OR (comparison_total > 0 AND NOT comparison_is_unlisted)
)

SELECT
    shown.date,
    shown.term,
    shown.dimension,
    shown.segment,
    shown.total_enrollment,
    shown.own_suppression AS suppression,
    CASE WHEN shown.baseline_date IS NULL THEN 0 * shown.total_enrollment
        ELSE shown.total_enrollment - shown.baseline_shown END AS net_change,
    shown.comparison_term,
    shown.comparison_date,
    shown.comparison_shown AS comparison_total,
    shown.comparison_suppression,
    shown.total_enrollment - shown.comparison_shown AS change,
    100.0 * (shown.total_enrollment - shown.comparison_shown) / nullif(shown.comparison_shown, 0)
        AS change_pct,
    100.0 * (shown.total_enrollment - shown.comparison_shown) / nullif(past.total_enrollment, 0)
        AS contribution_pct,
    CASE WHEN shown.census_suppression IS NULL THEN shown.census_total END AS comparison_census,
    shown.census_suppression AS comparison_census_suppression,
    CASE WHEN shown.final_suppression IS NULL THEN shown.final_total END AS comparison_final,
    shown.final_suppression AS comparison_final_suppression
FROM shown
LEFT JOIN enrollment.enrollment_metrics AS past
    ON past.date = shown.comparison_date AND past.term = shown.comparison_term
ORDER BY shown.date, shown.term, shown.dimension, shown.segment
