"""CSV files whose text no spreadsheet runs as a formula."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from enrollment_assets.support.literals import quoted

# Spreadsheets read text that begins like this as a formula.
_FORMULA = r"^[=+\-@\t\r\n]"


def write_csv(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: Mapping[str, str],
    path: Path,
    binds: Mapping[str, Any] | None = None,
) -> None:
    """Write a query's columns (names and types) as CSV whose text no spreadsheet runs as a formula.

    Text that begins like a formula gets an apostrophe in front; numbers stay numbers.
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
