"""Writes lists of single students for whoever asks, and records each list in a ledger."""

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from enrollment_assets.errors import ConfigurationError
from enrollment_assets.publishing.csv_files import write_csv
from enrollment_assets.schema.catalog import tables
from enrollment_assets.support.files import PRIVATE_FILE, make_private_folder, written_aside
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.statements import statement

CHANGES = ("added", "dropped", "moved")


@dataclass(frozen=True)
class StudentList:
    """One file: which list of which term, and how many are in it."""

    term: str
    change: str
    path: Path
    rows: int


def write_lists(
    warehouse: Warehouse, day: dt.date, term: str | None, *, reason: str, by: str
) -> list[StudentList]:
    """Write who was added, dropped and moved on a day: a file for each and each term.

    Raises:
        ConfigurationError: without a reason or a name, or if the day has no accepted snapshot.
        WarehouseError: if a list cannot be written; existing files stay.
    """
    if not (reason.strip() and by.strip()):
        raise ConfigurationError(
            "To get lists of students, say why (reason) and who asks for them (by)."
        )
    folder = warehouse.settings.data_path / "student_lists" / day.isoformat()
    with warehouse.connect() as connection, plain_errors("Writing the lists"):
        accepted = connection.execute(
            "SELECT term FROM enrollment.enrollment_metrics WHERE date = ? ORDER BY term", [day]
        ).fetchall()
        codes = [code for (code,) in accepted if term in (None, code)]
        if not codes:
            whose = f" of {term}" if term else ""
            raise ConfigurationError(
                f"{day} has no accepted snapshot{whose}, so there is nothing to list; `enrollment "
                "status` shows the dates."
            )
        make_private_folder(folder)
        lists = []
        for code in codes:
            for change in CHANGES:
                path = folder / f"{file_name(code)}_{change}.csv"
                with written_aside(path) as aside:
                    rows = _write(connection, warehouse, (day, code, change), aside)
                    # The record comes first: a list without a record would be worse than the reverse.
                    about = (day, code, change, rows, str(path))
                    record_access(connection, about, by.strip(), reason.strip())
                lists.append(StudentList(code, change, path, rows))
    return lists


def _write(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    which: tuple[dt.date, str, str],
    path: Path,
) -> int:
    table = tables(warehouse.settings)["student_changes"]
    columns = {column.name: column.type for column in table.columns if column.name != "change"}
    binds = dict(zip(("day", "term", "change"), which, strict=True))
    write_csv(connection, statement("student_list", warehouse.settings), columns, path, binds)
    path.chmod(PRIVATE_FILE)
    counted = connection.execute(
        f"SELECT count(*) FROM ({statement('student_list', warehouse.settings)})", binds
    ).fetchall()
    return int(counted[0][0])


def record_access(
    connection: duckdb.DuckDBPyConnection,
    about: tuple[dt.date, str | None, str, int, str],
    by: str,
    reason: str | None = None,
) -> None:
    """Record that a list left the warehouse: its day, term, kind, rows and path; who asked, and why."""
    connection.execute(
        "INSERT INTO operations.student_list_access VALUES (?, ?, ?, ?, ?, ?, ?, now())",
        [*about, by, reason],
    )


def file_name(code: str) -> str:
    """A term's code as a part of a file name: codes are opaque text, and may hold a path.

    >>> file_name("2026FA")
    '2026FA'
    >>> file_name("../2026")
    '2026-24234323'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "-", code).strip("-")[:40]
    if plain == code and code:
        return code
    # Two codes must not share a file.
    mark = hashlib.sha256(code.encode()).hexdigest()[:8]
    return f"{plain}-{mark}" if plain else mark
