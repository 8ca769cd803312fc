"""Writes the star schema that BI tools open: CSV, Parquet and one file for Tableau.

All files are written aside and renamed once the last one is written, dimensions before facts: a reader
sees whole files, and never a fact whose dimension is missing. Nothing keeps the warehouse open.
`published_segments.sql` alone decides which segments are shown.
"""

import datetime as dt
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError, WarehouseError
from enrollment_assets.publishing.csv_files import write_csv
from enrollment_assets.publishing.student_lists import record_access
from enrollment_assets.schema.platform import declared_exports
from enrollment_assets.schema.table import Table
from enrollment_assets.schema.vocabulary import originals, translated
from enrollment_assets.support.files import PRIVATE_FILE, make_private_folder
from enrollment_assets.support.literals import quoted
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.transactions import transaction

KEY_VARIABLE = "ENROLLMENT_PSEUDONYM_KEY"
STUDENT_CHANGES = "fact_student_change"
HYPER_FILE = "enrollment.hyper"
MANIFEST = "manifest.json"

_EVER = {"first": dt.date.min, "last": dt.date.max}
_LEAST_KEY = 16
# Rows that are in memory at once on their way into the .hyper file.
_BATCH_ROWS = 50_000
_SHA256_BLOCK = 64


@dataclass(frozen=True)
class Exported:
    """One table that was written: its name here, the name in the files, its rows and the files."""

    name: str
    published_name: str
    rows: int
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of its files; those of the .hyper file belong to all tables together."""
        return sum(path.stat().st_size for path in self.files if path.suffix != ".hyper")


def export_tables(settings: Settings) -> dict[str, Table]:
    """The tables of the star schema under their internal names, dimensions first."""
    wanted = settings.exports.student_changes
    return {
        name: table
        for name, table in declared_exports(settings).items()
        if wanted or name != STUDENT_CHANGES
    }


def check_formats(settings: Settings) -> None:
    """Refuse a format whose package is not installed, before anything is run or written.

    Raises:
        ConfigurationError: if exports.formats names hyper, and the extra `tableau` is not there.
    """
    if "hyper" in settings.exports.formats and importlib.util.find_spec("pantab") is None:
        raise ConfigurationError(
            f"exports.formats in {settings.path} names hyper, which needs a package that is not "
            "installed: pip install 'enrollment-assets[tableau]', or leave hyper out."
        )


def export_columns(settings: Settings, table: Table) -> dict[str, str]:
    """The internal name of each column of a table, by its published name.

    Raises:
        ConfigurationError: if the vocabulary gives two columns one name.
    """
    return originals(table.column_names, settings.vocabulary)


def export_path(settings: Settings, kind: str, table: str) -> Path:
    """Where the file of a table is; `kind` is csv, parquet or hyper (one file for all tables)."""
    name = translated(table, settings.vocabulary)
    file = HYPER_FILE if kind == "hyper" else f"{name}.{kind}"
    return settings.data_path / "exports" / kind / file


def publish(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, taken_by: str
) -> list[Exported]:
    """Write all tables in all formats, and note their figures as reported.

    `taken_by` goes into the ledger of student lists where changes of single students are among them.

    Raises:
        ConfigurationError: if pseudonyms are configured without a key, names collide, or a format
            needs a package that is not installed.
        WarehouseError: if a table cannot be read or written; all files stay as they were.
    """
    check_formats(settings)
    folder = make_private_folder(settings.data_path / "exports")
    before = read_manifest(folder)
    aside = folder / ".aside"
    shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
    try:
        written = _write(connection, settings, aside)
        # The figures count as reported from the moment the files are in place.
        with plain_errors("Noting what is exported"), transaction(connection):
            connection.execute(statement("remember_exported", settings))
            if STUDENT_CHANGES in written:
                newest = connection.execute(
                    "SELECT max(snapshot_date) FROM enrollment.student_changes"
                ).fetchall()[0][0]
                about = (newest, None, STUDENT_CHANGES, written[STUDENT_CHANGES], str(folder))
                record_access(connection, about, taken_by)
            return _put_in_place(settings, folder, aside, written, before)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(
    connection: duckdb.DuckDBPyConnection, settings: Settings, aside: Path
) -> dict[str, int]:
    """All files aside; the rows of each table."""
    rows = {}
    for kind in ("parquet", "csv", "hyper"):
        make_private_folder(aside / kind)
    tables = export_tables(settings)
    for file_name, name in originals(tables, settings.vocabulary).items():
        table = tables[name]
        names = export_columns(settings, table)
        parquet = aside / "parquet" / f"{file_name}.parquet"
        query = f"SELECT {_typed(table, names)} FROM ({statement(name, settings)})"
        with plain_errors(f"Exporting {name}"):
            connection.execute(
                f"COPY ({query}) TO {quoted(parquet)} (FORMAT parquet, COMPRESSION zstd)",
                _binds(settings, table),
            )
            counted = connection.execute(
                "SELECT count(*) FROM read_parquet(?)", [str(parquet)]
            ).fetchall()
            rows[name] = int(counted[0][0])
            if "csv" in settings.exports.formats:
                columns = {
                    published: _type_of(table, original) for published, original in names.items()
                }
                path = aside / "csv" / f"{parquet.stem}.csv"
                write_csv(connection, f"FROM read_parquet({quoted(parquet)})", columns, path)
    if "hyper" in settings.exports.formats:
        _write_hyper(sorted((aside / "parquet").iterdir()), aside / "hyper" / HYPER_FILE)
    for path in aside.glob("*/*"):
        path.chmod(PRIVATE_FILE)
    return rows


def _typed(table: Table, names: Mapping[str, str]) -> str:
    """The select list of a table's file: declared types, translated names, no NaN."""
    parts = []
    for published, original in names.items():
        column = f'"{original}"'
        if _type_of(table, original) == "DOUBLE":
            column = f"CASE WHEN isfinite({column}) THEN {column} END"
        parts.append(f'CAST({column} AS {_type_of(table, original)}) AS "{published}"')
    return ", ".join(parts)


def _type_of(table: Table, name: str) -> str:
    return next(column.type for column in table.columns if column.name == name)


def _write_hyper(files: Iterable[Path], path: Path) -> None:
    import pantab
    import pyarrow as pa
    import pyarrow.parquet as pq

    def batches(file: Path) -> pa.RecordBatchReader:
        parquet = pq.ParquetFile(file)
        return pa.RecordBatchReader.from_batches(
            parquet.schema_arrow, parquet.iter_batches(_BATCH_ROWS)
        )

    # Without parameters, pantab keeps Tableau's process from writing a log into the working folder.
    pantab.frames_to_hyper({file.stem: batches(file) for file in files}, path)


def _put_in_place(
    settings: Settings,
    folder: Path,
    aside: Path,
    rows: Mapping[str, int],
    before: Mapping[str, Any],
) -> list[Exported]:
    """Rename the new files into place, dimensions first, and remove what an earlier export left."""
    formats = settings.exports.formats
    exported = []
    for name, count in rows.items():
        files = []
        for kind in ("parquet", "csv"):
            if kind in formats:
                place = export_path(settings, kind, name)
                make_private_folder(place.parent)
                (aside / kind / place.name).replace(place)
                files.append(place)
        if "hyper" in formats:
            files.append(export_path(settings, "hyper", name))
        exported.append(Exported(name, translated(name, settings.vocabulary), count, tuple(files)))
    if "hyper" in formats:
        make_private_folder(folder / "hyper")
        (aside / "hyper" / HYPER_FILE).replace(folder / "hyper" / HYPER_FILE)
    there = {path for table in exported for path in table.files}
    _remove_left_over(settings, folder, there, before)
    _write_manifest(settings, folder, aside, exported)
    return exported


def _remove_left_over(
    settings: Settings, folder: Path, there: set[Path], before: Mapping[str, Any]
) -> None:
    """Remove files that the last export wrote and this one did not, such as after an opt-out.

    Files of single students are removed even if that export was killed before it listed them.
    """
    students = [export_path(settings, kind, STUDENT_CHANGES) for kind in ("parquet", "csv")]
    noted = [folder / name for name in before.get("files", [])]
    for path in (*students, *noted):
        if path not in there and path.resolve().is_relative_to(folder.resolve()):
            path.unlink(missing_ok=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the last export wrote; empty where there was none.

    Raises:
        WarehouseError: if it exists and cannot be read, so that files to remove are unknown.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise WarehouseError(
            f"{path} cannot be read; remove the folder {folder}, and the next export writes it again."
        ) from None
    return manifest


def _write_manifest(
    settings: Settings, folder: Path, aside: Path, exported: Iterable[Exported]
) -> None:
    tables = export_tables(settings)
    content = {
        "tables": {
            table.published_name: {
                "table": table.name,
                "rows": table.rows,
                "columns": export_columns(settings, tables[table.name]),
            }
            for table in exported
        },
        "files": sorted(
            {str(path.relative_to(folder)) for table in exported for path in table.files}
        ),
    }
    path = aside / MANIFEST
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    path.chmod(PRIVATE_FILE)
    path.replace(folder / MANIFEST)


def _binds(settings: Settings, table: Table) -> dict[str, Any] | None:
    """The values that the statement of a table binds, by what its header names."""
    events = settings.calendar.events
    values = {
        **_EVER,
        "closures": sorted(settings.calendar.closures),
        "event_dates": [event.date for event in events],
        "event_names": [event.name for event in events],
        **(_pads(settings) if "outer" in table.binds else {}),
    }
    return {name: values[name] for name in table.binds} or None


def _pads(settings: Settings) -> dict[str, bytes | None]:
    """The two pads that HMAC-SHA-256 derives from its key (RFC 2104), or nothing where ids stay.

    Raises:
        ConfigurationError: if pseudonyms are configured and the environment has no key for them.
    """
    if not settings.privacy.pseudonymize:
        return {"outer": None, "inner": None}
    key = os.environ.get(KEY_VARIABLE, "").encode()
    if len(key) < _LEAST_KEY:
        raise ConfigurationError(
            f"privacy.pseudonymize needs a key of at least {_LEAST_KEY} characters in the environment "
            f"variable {KEY_VARIABLE}; set it and keep it, since another key gives other pseudonyms."
        )
    if len(key) > _SHA256_BLOCK:
        key = hashlib.sha256(key).digest()
    block = key.ljust(_SHA256_BLOCK, b"\0")
    return {
        "outer": bytes(byte ^ 0x5C for byte in block),
        "inner": bytes(byte ^ 0x36 for byte in block),
    }
