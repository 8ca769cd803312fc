"""CSV files that no spreadsheet takes for programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

# A spreadsheet takes text that begins so for a formula.
_FORMULA = r"^[=+\-@\t\r\n]"


def write_csv(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: Mapping[str, str],
    path: Path,
    binds: Mapping[str, Any] | None = None,
) -> None:
    """Write a query's columns (names and types) as CSV that no spreadsheet takes for formulas.

    Text that begins like a formula gets an apostrophe before it; numbers stay numbers.
    """
    parts = [
        f"CASE WHEN regexp_matches(\"{name}\", '{_FORMULA}') THEN '''' || \"{name}\" "
        f'ELSE "{name}" END AS "{name}"'
        if kind == "VARCHAR"
        else f'"{name}"'
        for name, kind in columns.items()
    ]
    query = f"SELECT {', '.join(parts)} FROM ({source}) ORDER BY ALL"
    connection.execute(f"COPY ({query}) TO {quoted(path)} (FORMAT csv, HEADER)", binds or None)


def quoted(path: Path) -> str:
    """A path as a literal: COPY binds none."""
    return "'" + str(path).replace("'", "''") + "'"
