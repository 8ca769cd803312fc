"""Compares the rows of two snapshots of a term, wherever they lie: staged, stored or in quarantine."""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.support.literals import quoted
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement


@dataclass(frozen=True)
class Rows:
    """The counted rows of one snapshot of a term, and how many students they hold.

    `kept` is their file in quarantine; without one they are in the table `staged` or in the warehouse.
    """

    date: dt.date
    term: str
    student_count: int
    is_staged: bool = False
    kept: Path | None = None

    def query(self, columns: tuple[str, ...]) -> str:
        """SQL that selects the rows."""
        names = ", ".join(f'"{name}"' for name in columns)
        if self.kept:
            # A dimension may have come into the configuration after the rows were kept.
            nothing = ", ".join(f'NULL::VARCHAR AS "{name}"' for name in columns)
            return (
                f"SELECT {names} FROM (SELECT {nothing} WHERE false UNION ALL BY NAME "
                f"FROM read_parquet({quoted(self.kept)})) WHERE standing = 'counted'"
            )
        table = "staged" if self.is_staged else "enrollment.enrollment_snapshots"
        counted = " AND standing = 'counted'" if self.is_staged else ""
        return (
            f"SELECT {names} FROM {table} WHERE snapshot_date = DATE '{self.date}' "
            f"AND term = {quoted(self.term)}{counted}"
        )


@dataclass(frozen=True)
class Compared:
    """What became of a baseline's students.

    `retained` of its `before` students are in the new snapshot of `now` students; `changed` of these
    have another value in a column.
    """

    before: int
    now: int
    retained: int
    changed: tuple[int, ...]

    @property
    def gone(self) -> int:
        """Students of the baseline who are not in the new snapshot."""
        return self.before - self.retained

    @property
    def added(self) -> int:
        """Students of the new snapshot who were not in the baseline."""
        return self.now - self.retained


class Comparer:
    """Compares pairs of snapshots; those that follow each other in a batch in one statement."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._staged = {
            (date, term, baseline): (retained, tuple(changed))
            for date, term, baseline, retained, changed in self._fetch("staged_compared")
        }

    def _fetch(self, name: str) -> list[tuple[Any, ...]]:
        with plain_errors("Comparing with the baseline"):
            return self._connection.execute(statement(name, self._settings)).fetchall()

    def compare(self, new: Rows, old: Rows) -> Compared:
        """What became of the students of `old` in `new`."""
        found = None
        if new.is_staged and old.is_staged:
            found = self._staged.get((new.date, new.term, old.date))
        if found is None:
            self._show(new, old)
            rows = self._fetch("rows_compared")
            nobody = (0, (0,) * len(self._settings.compared_columns))
            found = (rows[0][3], tuple(rows[0][4])) if rows else nobody
        retained, changed = found
        return Compared(old.student_count, new.student_count, retained, changed)

    @cached_property
    def _segments(self) -> dict[tuple[dt.date, str], dict[tuple[int, str], int]]:
        """The headcounts of each staged snapshot's segments."""
        found: dict[tuple[dt.date, str], dict[tuple[int, str], int]] = {}
        for date, term, dimension, segment, students in self._fetch("staged_segments"):
            found.setdefault((date, term), {})[dimension, segment] = students
        return found

    def may_have_lost(self, new: Rows, old: Rows, least: int, share: float) -> bool:
        """Whether a segment of at least so many students may have lost that share of them.

        Known at once of snapshots that are both staged; of others it may always be so.
        """
        if not (new.is_staged and old.is_staged):
            return True
        now = self._segments.get((new.date, new.term), {})
        return any(
            now.get(place, 0) <= (1 - share) * before
            for place, before in self._segments.get((old.date, old.term), {}).items()
            if before >= least
        )

    def details(self, name: str, new: Rows, old: Rows) -> list[dict[str, Any]]:
        """The rows of one of the statements on `new_rows` and `old_rows`."""
        self._show(new, old)
        with plain_errors("Comparing with the baseline"):
            cursor = self._connection.execute(statement(name, self._settings))
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _show(self, new: Rows, old: Rows) -> None:
        columns = self._settings.row_columns
        with plain_errors("Comparing with the baseline"):
            for view, rows in (("new_rows", new), ("old_rows", old)):
                self._connection.execute(
                    f"CREATE OR REPLACE TEMP VIEW {view} AS {rows.query(columns)}"
                )
