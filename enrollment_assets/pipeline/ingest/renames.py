"""Brings stored days to a configuration in which dimensions, values or IDs have another name.

The next run does this before it reads: what is stored then is what a backfill with today's names would
give. Everything else that changes in the configuration leaves stored days as they were read.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.ingest.quarantine import kept_file
from enrollment_assets.schema.catalog import tables
from enrollment_assets.support import progress
from enrollment_assets.support.files import written_aside
from enrollment_assets.support.lazy import lazy
from enrollment_assets.support.literals import quoted
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.tables import former_columns
from enrollment_assets.warehouse.transactions import transaction

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = lazy("pyarrow")


def load_new_names(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Load the renamed values and merged IDs into the temporary table `new_names`.

    Raises:
        ConfigurationError: if the file of merged IDs cannot be read.
    """
    pairs = [
        (column, old, new)
        for column, names in {**settings.new_values, "student_id": settings.new_ids}.items()
        for old, new in names.items()
    ]
    names = ("column_name", "old_name", "new_name")
    columns = list(zip(*pairs, strict=True)) or [(), (), ()]
    rows = pa.table(
        {name: pa.array(c, pa.string()) for name, c in zip(names, columns, strict=True)}
    )
    connection.register("new_name_rows", rows)
    connection.execute("CREATE OR REPLACE TEMP TABLE new_names AS FROM new_name_rows")
    connection.unregister("new_name_rows")


def applied(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The configuration by which the stored days were read last, key by key, as JSON."""
    return dict(
        connection.execute("SELECT key, value FROM operations.applied_configuration").fetchall()
    )


def configured(settings: Settings) -> dict[str, str]:
    """The keys that decide what is stored of a day, as JSON; of merged IDs a fingerprint.

    Raises:
        ConfigurationError: if the file of merged IDs cannot be read.
    """
    ids = json.dumps(sorted(settings.new_ids.items()))
    values = {
        "aliases": hashlib.sha256(ids.encode()).hexdigest()[:16] if settings.aliases else None,
        "columns": settings.source_columns,
        "dimensions": settings.dimensions,
        "grain": settings.grain.value,
        "mapping": settings.new_values,
        "renamed_from": settings.renamed_from,
        "start_date": settings.start_date.isoformat(),
        "terms": {
            term.code: [
                str(day) for day in (term.registration_opens, term.starts, term.census, term.ends)
            ]
            for term in settings.terms
        },
        "timezone": settings.institution.timezone,
    }
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}


def apply(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Bring stored days to the configured names, whole or not at all, and note the configuration.

    Raises:
        ConfigurationError: if the file of merged IDs cannot be read.
        WarehouseError: if the days cannot be written; then nothing was changed.
    """
    now = configured(settings)
    before = applied(connection)
    if now == before:
        return
    load_new_names(connection, settings)
    with plain_errors("Bringing stored days to the configuration"), transaction(connection):
        carried = [
            _rename(connection, settings, old, new) for new, old in settings.renamed_from.items()
        ]
        if any(now[key] != before.get(key) for key in ("aliases", "mapping", "renamed_from")):
            _bring_to_new_names(connection, settings, all_days=any(carried))
        connection.execute("DELETE FROM operations.applied_configuration")
        connection.executemany(
            "INSERT INTO operations.applied_configuration VALUES (?, ?, now())", list(now.items())
        )


def _rename(connection: duckdb.DuckDBPyConnection, settings: Settings, old: str, new: str) -> bool:
    """Carry on what was stored of a dimension under its earlier name, if there is something."""
    there = {
        (schema, table, column)
        for schema, table, column in connection.execute(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
            "WHERE database_name = current_database()"
        ).fetchall()
    }
    if ("enrollment", "enrollment_spells", old) not in there:
        return False
    progress.note(f"Carrying on {old} as {new}, as renamed_from says.")
    for table in tables(settings).values():
        if table.is_daily_view:
            continue
        for before, after in ((old, new), (f"from_{old}", f"from_{new}")):
            if (table.schema, table.name, before) in there and after in table.column_names:
                connection.execute(
                    f'UPDATE {table.relation} SET "{after}" = coalesce("{after}", "{before}"), '
                    f'"{before}" = NULL'
                )
        if "dimension" in table.column_names:
            connection.execute(
                f"UPDATE {table.relation} SET dimension = ? WHERE dimension = ?", [new, old]
            )
    connection.execute(
        "UPDATE enrollment.snapshot_log SET read_with = list_transform("
        "read_with, lambda name: CASE WHEN name = $old THEN $new ELSE name END)",
        {"old": old, "new": new},
    )
    return True


def _bring_to_new_names(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, all_days: bool
) -> None:
    """Spells of renamed values and merged IDs are made anew, term by term.

    The fingerprints of a term's days follow, of `all_days` even where no spell was made anew.
    """
    former = former_columns(connection, settings)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE live_censuses AS SELECT census.term "
        "FROM operations.census_snapshots AS census "
        "JOIN enrollment.snapshot_log AS log USING (term, snapshot_date, content_hash)"
    )
    terms = [
        term
        for (term,) in connection.execute(
            "SELECT DISTINCT term FROM enrollment.enrollment_spells ORDER BY term"
        ).fetchall()
    ]
    with progress.task("bringing stored days to new names", len(terms)) as advance:
        for term in terms:
            about = {"term": term}
            _run(connection, settings, former, about, "renamed_keys", "term_region")
            _run(connection, settings, former, about, "term_spell_days")
            _run(connection, settings, former, None, "touched_spells", "renamed_rows", "new_spells")
            _run(connection, settings, former, None, "forget_spells", "keep_spells")
            if all_days or connection.execute("SELECT 1 FROM touched_keys").fetchone():
                _run(connection, settings, former, about, "renamed_log")
            advance(1)
    _rename_people(connection, settings)
    _rename_kept(connection, settings)
    connection.execute("DELETE FROM operations.census_members")
    connection.execute("INSERT INTO operations.census_members BY NAME FROM renamed_members")


def _rename_kept(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The new names in quarantine, and what a person rejected is known again by its new fingerprint."""
    nothing = ", ".join(
        f'NULL::VARCHAR AS "{name}"' for name in (*settings.row_columns, "standing")
    )
    rejected = connection.execute(
        "SELECT DISTINCT snapshot_date, term FROM operations.snapshot_attempts "
        "WHERE status IN ('held', 'rejected') AND term IS NOT NULL"
    ).fetchall()
    for date, term in rejected:
        path = kept_file(settings, date, term)
        if not path.exists():
            continue
        there = {
            name
            for name, *_ in connection.execute(
                f"DESCRIBE FROM read_parquet({quoted(path)})"
            ).fetchall()
        }
        pairs = [
            f'"{old}" AS "{new}"'
            for new, old in settings.renamed_from.items()
            if old in there and new not in there
        ]
        carried = f"RENAME ({', '.join(pairs)})" if pairs else ""
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW kept AS SELECT {nothing} WHERE false "
            f"UNION ALL BY NAME SELECT * {carried} FROM read_parquet({quoted(path)})"
        )
        connection.execute(statement("kept_rows", settings))
        with written_aside(path) as aside:
            connection.execute(f"COPY kept_rows TO {quoted(aside)} (FORMAT parquet)")
        ((digest,),) = connection.execute(statement("kept_hash", settings)).fetchall()
        connection.execute(
            "UPDATE operations.snapshot_attempts SET content_hash = ? WHERE snapshot_date = ? "
            "AND term = ? AND decided_by IS NOT NULL AND status = 'rejected'",
            [digest, date, term],
        )


def _rename_people(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The new names in what is final: frozen censuses, and changes whose snapshots were pruned."""
    connection.execute(statement("renamed_census", settings))
    connection.execute("DELETE FROM operations.census_members")
    connection.execute("INSERT INTO operations.census_members BY NAME FROM renamed_members")
    connection.execute(
        "UPDATE enrollment.student_changes AS changes SET student_id = new_names.new_name "
        "FROM new_names WHERE new_names.column_name = 'student_id' "
        "AND new_names.old_name = changes.student_id"
    )
    # A frozen census that counts the same is still the one that its day shows.
    connection.execute(
        "UPDATE operations.census_snapshots AS census SET content_hash = log.content_hash "
        "FROM enrollment.snapshot_log AS log SEMI JOIN live_censuses USING (term) "
        "WHERE log.term = census.term AND log.snapshot_date = census.snapshot_date "
        "AND log.student_count = census.student_count"
    )


def _run(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    former: tuple[str, ...],
    binds: dict[str, str] | None,
    *names: str,
) -> None:
    for name in names:
        connection.execute(statement(name, settings, former=former), binds)
