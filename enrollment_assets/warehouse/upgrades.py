"""Brings a file of an older version to this one: one step after the other, each whole or not at all.

A file says its version in `operations.schema_versions`. Files from before that table have version 1.
"""

import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version as version_of_package
from pathlib import Path

import duckdb

from enrollment_assets.config import Grain, Settings
from enrollment_assets.errors import WarehouseError
from enrollment_assets.schema.table import OPERATIONS, SNAPSHOTS, SPELLS
from enrollment_assets.support import progress
from enrollment_assets.support.files import PRIVATE_FILE, written_aside
from enrollment_assets.warehouse.logic import load_code_versions
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.transactions import transaction

# 2: spells in the place of full rows. 3: each day remembers what it was read with, and derived rows
# their formula.
VERSION = 3
_UNNUMBERED = 1
_TABLE = "schema_versions"


def version_of(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of the open file; None if it holds nothing yet."""
    there = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database()"
        ).fetchall()
    }
    if _TABLE in there:
        row = connection.execute(f"SELECT max(version) FROM {OPERATIONS}.{_TABLE}").fetchone()
        if row and row[0] is not None:
            return int(row[0])
    return _UNNUMBERED if SNAPSHOTS in there else None


def refuse_newer(version: int | None, path: Path) -> None:
    """Refuse a file that this program does not know how to read.

    Raises:
        WarehouseError: in one sentence, with what to do.
    """
    if version is not None and version > VERSION:
        raise WarehouseError(
            f"{path} was written by a newer enrollment_assets (its version is {version}, and this "
            f"program knows {VERSION}); install the newer one again, or restore an older copy of the "
            "file."
        )


def copy_before(path: Path, version: int) -> Path:
    """Where a file is copied to before it is upgraded from a version."""
    return path.with_suffix(f".version-{version}")


def forget_copies(path: Path) -> None:
    """Remove the copies from before upgrades."""
    for version in range(_UNNUMBERED, VERSION):
        copy_before(path, version).unlink(missing_ok=True)


def upgrade(
    connection: duckdb.DuckDBPyConnection, settings: Settings, path: Path, version: int | None
) -> None:
    """Upgrade an open file, after a copy of it was made. A new file only gets its number.

    A process that is killed leaves the file as some step left it, and the next one goes on from there.

    Raises:
        WarehouseError: if there is no room for the copy; then nothing was changed.
    """
    if version is not None and version < VERSION:
        progress.note(
            f"Upgrading {path.name} from version {version} to {VERSION}; the copy before it is "
            f"{copy_before(path, version).name}."
        )
        _copy(connection, path, version)
        for step in range(version, VERSION):
            with transaction(connection):
                _STEPS[step](connection, settings)
                _note(connection, step + 1)
        connection.execute("CHECKPOINT")
    elif version is None:
        _note(connection, VERSION)


def _note(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    connection.execute(
        f"INSERT INTO {OPERATIONS}.{_TABLE} VALUES (?, ?, now())",
        [version, version_of_package("enrollment_assets")],
    )


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, version: int) -> None:
    # Everything is in the file then, and nobody else writes it.
    connection.execute("CHECKPOINT")
    target = copy_before(path, version)
    try:
        with written_aside(target) as aside:
            shutil.copyfile(path, aside)
            aside.chmod(PRIVATE_FILE)
    except OSError as error:
        raise WarehouseError(
            f"{path} cannot be upgraded without a copy, which cannot be written ({error.strerror}); "
            "free as much space as the file takes."
        ) from None


def _to_spells(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Full rows of each day become spells; a view under their name takes their place later."""
    for name in settings.row_columns:  # one of them may be configured only now
        connection.execute(
            f'ALTER TABLE enrollment.{SNAPSHOTS} ADD COLUMN IF NOT EXISTS "{name}" VARCHAR'
        )
    terms = connection.execute(
        f"SELECT DISTINCT term FROM enrollment.{SNAPSHOTS} ORDER BY term"
    ).fetchall()
    with progress.task("upgrading the snapshots", len(terms)) as advance:
        for (term,) in terms:
            connection.execute(statement("spells_of_snapshots", settings), {"term": term})
            advance(1)
    connection.execute(f"DROP TABLE enrollment.{SNAPSHOTS}")


def _to_read_with(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """A term's days were read with the dimensions of which some student of the term has a value."""
    fixed = {"term", "student_id", "student_name", "status", "valid_from", "valid_to"}
    stored = [
        name
        for (name,) in connection.execute(
            f"SELECT column_name FROM (DESCRIBE enrollment.{SPELLS})"
        ).fetchall()
        if name not in fixed
    ]
    per_program = "'rows per program'" if settings.grain is Grain.registration else "NULL"
    values = ", ".join(f"CASE WHEN count(\"{name}\") > 0 THEN '{name}' END" for name in stored)
    connection.execute(
        "UPDATE enrollment.snapshot_log AS log SET read_with = read.read_with FROM ("
        f"SELECT term, list_filter([{values}{', ' if values else ''}{per_program}], "
        "lambda name: name IS NOT NULL) AS read_with "
        f"FROM enrollment.{SPELLS} GROUP BY term) AS read "
        "WHERE log.term = read.term AND log.status = 'accepted' AND log.read_with IS NULL"
    )


def _to_version_3(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    _to_read_with(connection, settings)
    _to_formulas(connection, settings)


def _to_formulas(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Derived rows count as computed by today's formulas.

    Nobody knows by which they were. But so the next change of a formula restates them with all others;
    otherwise they would stay as they are beside rows of another formula.
    """
    load_code_versions(connection, settings)
    connection.execute(
        "UPDATE operations.derivations AS derived SET code_version = code_versions.version "
        "FROM code_versions "
        "WHERE derived.table_name = code_versions.table_name AND derived.code_version IS NULL"
    )
    connection.execute(statement("refresh_reported", settings))


_STEPS: Mapping[int, Callable[[duckdb.DuckDBPyConnection, Settings], None]] = {
    1: _to_spells,
    2: _to_version_3,
}
