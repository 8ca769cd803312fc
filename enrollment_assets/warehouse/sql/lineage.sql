{%- macro listed(names) %}'{{ names | join("', '") }}'{% endmacro -%}
{# with what a day was read, where it is not what days are read with today #}
{%- macro read_otherwise() -%}
CASE WHEN read_with <> [{% for name in reads %}'{{ name }}'{{ ", " if not loop.last }}{% endfor %}]::VARCHAR[]
            THEN array_to_string(read_with, ' ') END
{%- endmacro %}
{# What the derived rows of each accepted day depend on: one row per derived table, term and day.
   Every accepted snapshot of the term up to the day decides about who returns and about the gross
   enrollment, so that the fingerprint runs over all of them. Pruned days are final and left out. #}
SELECT
    derived.table_name,
    history.term,
    history.date,
    md5(concat_ws(
        chr(31),
        history.snapshots,
        CASE WHEN derived.table_name IN ({{ listed(lineage.term_dates) }})
            THEN concat_ws(' ', terms.starts, terms.census) END,
        CASE WHEN derived.table_name IN ({{ listed(lineage.dimensions) }})
            THEN '{{ dimensions | join(" ") }}{{ " by program" if by_program }}' END
    )) AS lineage
FROM (
    SELECT
        term,
        snapshot_date AS date,
        -- as hexadecimals: 128 bits take long to become decimals
        hex(bit_xor(md5_number(concat_ws(chr(31), snapshot_date, content_hash, {{ read_otherwise() }})))
            OVER (PARTITION BY term ORDER BY snapshot_date)) AS snapshots
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
) AS history
CROSS JOIN (SELECT unnest([{{ listed(lineage.core) }}]) AS table_name) AS derived
LEFT JOIN terms ON terms.code = history.term
LEFT JOIN frozen ON frozen.term = history.term
WHERE derived.table_name NOT IN ({{ listed(lineage.reading) }})
    OR frozen.kept_from IS NULL
    OR history.date > frozen.kept_from
UNION ALL
-- Insight looks at other terms, too: it depends on every snapshot of every term up to the day.
SELECT
    derived.table_name,
    history.term,
    history.date,
    md5(concat_ws(
        chr(31),
        history.snapshots,
        terms.starts, terms.census, terms.ends,
        past.code, past.starts, past.census, past.ends,
        -- only where it is another one than the snapshots give: freezing alone changes no figure
        moved.official,
        CASE WHEN derived.table_name IN ({{ listed(lineage.acknowledged) }}) THEN (
            SELECT hex(bit_xor(md5_number(concat_ws(chr(31), date, term))))
            FROM operations.acknowledged_anomalies AS known
            WHERE known.date < history.date
        ) END,
        -- closures up to the day, and events of its term and of earlier ones: those of next year change nothing
        CASE WHEN derived.table_name IN ({{ listed(lineage.calendar) }}) THEN (
            SELECT hex(bit_xor(md5_number(concat_ws(chr(31), date, name))))
            FROM calendar
            WHERE calendar.date <= CASE WHEN calendar.name IS NULL THEN history.date ELSE terms.ends END
        ) END,
        CASE WHEN derived.table_name IN ({{ listed(lineage.small_cell) }}) THEN
            '{{ small_cell }} {{ dimensions | join(" ") }}{{ " by program" if by_program }}' END
    )) AS lineage
FROM (
    SELECT
        term,
        snapshot_date AS date,
        hex(bit_xor(md5_number(concat_ws(
            chr(31), snapshot_date, term, content_hash, {{ read_otherwise() }}
        )))
            OVER (ORDER BY snapshot_date)) AS snapshots
    FROM enrollment.snapshot_log
    WHERE status = 'accepted'
) AS history
CROSS JOIN (SELECT unnest([{{ listed(lineage.insight) }}]) AS table_name) AS derived
LEFT JOIN terms ON terms.code = history.term
LEFT JOIN terms AS past ON past.code = terms.comparison
LEFT JOIN (
    SELECT
        official.term,
        concat_ws(' ', official.snapshot_date, official.student_count) AS official
    FROM operations.census_snapshots AS official
    LEFT JOIN (
        SELECT
            log.term,
            max(log.snapshot_date) AS snapshot_date,
            max_by(log.content_hash, log.snapshot_date) AS content_hash
        FROM enrollment.snapshot_log AS log
        JOIN terms ON terms.code = log.term
        WHERE log.status = 'accepted' AND log.snapshot_date <= terms.census
        GROUP BY log.term
    ) AS live USING (term)
    WHERE official.snapshot_date IS DISTINCT FROM live.snapshot_date
        OR official.content_hash IS DISTINCT FROM live.content_hash
) AS moved ON moved.term = past.code
