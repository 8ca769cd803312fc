"""Reads days from the source into the temporary table `staged`, and classifies each row.

A row's `standing` says what it counts as, see `stage_rows.sql`.

Days are staged in batches, so that a range costs few statements and its memory does not grow with
its length.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import (
    ConfigurationError,
    SnapshotMissingError,
    SnapshotUnreadableError,
)
from enrollment_assets.pipeline.ingest.renames import load_new_names
from enrollment_assets.pipeline.ingest.verdicts import DayResult
from enrollment_assets.sources.base import Source
from enrollment_assets.sources.retry import retrying
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = lazy("pyarrow")

# Rows staged before they are stored: enough for DuckDB to use both cores, little enough for memory.
_BATCH_ROWS = 400_000

# Blanks and invisible signs, as Unicode has them: what a person would not see around a value.
_UNSEEN = "".join(
    sign
    for sign in map(chr, range(0x10000))
    if sign.isspace() or unicodedata.category(sign) in ("Cf", "Cc")
)


def check_patterns(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Test the configured expressions in DuckDB, which supports no look-ahead.

    Raises:
        ConfigurationError: with the key and the expression.
    """
    patterns = {"quality.student_id_pattern": settings.quality.student_id_pattern}
    for number, rule in enumerate(settings.exclude):
        patterns[f"exclude[{number}].pattern"] = rule.pattern
    for key, pattern in patterns.items():
        try:
            connection.execute("SELECT regexp_matches('', ?)", [pattern])
        except duckdb.Error:
            raise ConfigurationError(
                f"{settings.path}: {key}: {pattern} is not an expression that DuckDB supports (RE2: no "
                "look-ahead, no back-references); rewrite it."
            ) from None


class Staging:
    """The staging table of one intake."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._columns = settings.row_columns
        self._arrived: list[pa.RecordBatch] = []
        load_new_names(connection, settings)

    def _execute(self, name: str, **binds: object) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(statement(name, self._settings), binds or None)

    def stage(self, source: Source, dates: Iterable[dt.date]) -> Iterator[list[DayResult]]:
        """Read days into the temporary table `staged`, and yield them batch by batch."""
        batch: list[DayResult] = []
        rows = 0
        self._empty()
        for date in dates:
            day = DayResult(date, note=self._settings.why_no_snapshot(date))
            try:
                # Without a term column there is nothing to read between terms.
                has_terms = "term" in self._settings.columns or self._settings.open_terms(date)
                # A source that always answers would give a snapshot for each closure.
                if has_terms and not (source.is_live and day.note):
                    rows += self._read_patiently(source, day)
            except SnapshotMissingError as error:
                if day.origin:
                    self._forget(date)
                if not day.note:
                    day.problem = str(error)
            except SnapshotUnreadableError as error:
                day.problem = str(error)
                day.origin = day.origin or "unreadable"
                self._forget(date)
            batch.append(day)
            if rows >= _BATCH_ROWS:
                self._flush()
                yield batch
                batch, rows = [], 0
                self._empty()
        self._flush()
        if batch:
            yield batch

    def _read_patiently(self, source: Source, day: DayResult) -> int:
        """Read one day; rows of an interrupted try are discarded, so that none is stored twice."""
        count = 0
        for attempt in retrying(self._settings):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    self._forget(day.date)
                with source.read(day.date) as extract:
                    day.origin = extract.origin
                    day.absent = extract.absent
                    day.note = None
                    count = self._read(day, extract.rows)
        return count

    def _empty(self) -> None:
        columns = ", ".join(f'"{name}" VARCHAR' for name in self._columns)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE staged (snapshot_date DATE, {columns}, "
            "standing VARCHAR, has_invalid_id BOOLEAN, has_blank BOOLEAN)"
        )
        self._arrived.clear()

    def _read(self, day: DayResult, rows: Iterator[pa.RecordBatch]) -> int:
        """Read the rows of one day; a day of any size goes to the staging table piece by piece."""
        date = day.date
        day.read_with = list(self._settings.reads)
        count = 0
        only_term = None
        for batch in rows:
            if "term" not in batch.schema.names and only_term is None:
                only_term = self._only_term(date)
            # Rows that were kept aside may be from before a dimension was configured.
            day.read_with = [
                name
                for name in day.read_with
                if name in batch.schema.names or name not in self._settings.dimensions
            ]
            self._arrived.append(_as_staged(batch, date, only_term, self._columns))
            count += batch.num_rows
            if sum(piece.num_rows for piece in self._arrived) >= _BATCH_ROWS:
                self._flush()
        return count

    def _flush(self) -> None:
        """Move what arrived into the staging table, each row with its standing."""
        if not self._arrived:
            return
        statuses = self._settings.statuses
        binds: dict[str, object] = {
            "id_pattern": self._settings.quality.student_id_pattern,
            "counted": None if statuses.counted is None else list(statuses.counted),
            "ignored": list(statuses.ignored),
        }
        for index, rule in enumerate(self._settings.exclude):
            binds[f"exclude_{index}"] = rule.pattern
        with plain_errors("Staging snapshots"):
            self._connection.register("incoming", pa.Table.from_batches(self._arrived))
            # DuckDB would hash all rows and look the few terms up in them: three times as long.
            self._connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
            try:
                self._execute("stage_rows", **binds)
            finally:
                self._connection.execute("RESET disabled_optimizers")
            self._connection.unregister("incoming")
        self._arrived.clear()

    def _forget(self, date: dt.date) -> None:
        """Discard what arrived of a day that turned out to be unreadable."""
        self._flush()
        self._connection.execute("DELETE FROM staged WHERE snapshot_date = ?", [date])

    def _only_term(self, date: dt.date) -> str:
        """The open term, where the source has no term column."""
        terms = self._settings.open_terms(date)
        if len(terms) > 1:
            raise SnapshotUnreadableError(
                f"{' and '.join(term.code for term in terms)} are both open on {date}; set a term "
                "column under columns, so that each row names its term."
            )
        return terms[0].code


def _as_staged(
    batch: pa.RecordBatch, date: dt.date, only_term: str | None, columns: Sequence[str]
) -> pa.RecordBatch:
    """The batch with its day and every column of the staging table, values trimmed.

    CHAR padding, pasted blanks and signs that nobody sees are not part of a value, and a blank value
    counts as empty.
    """
    from pyarrow import compute

    arrays = [pa.repeat(pa.scalar(date, pa.date32()), batch.num_rows)]
    for name in columns:
        if name in batch.schema.names:
            text = compute.utf8_trim(batch.column(name), characters=_UNSEEN)
            is_blank = compute.equal(text, "")
            if compute.any(is_blank).as_py():
                text = compute.if_else(is_blank, pa.scalar(None, pa.string()), text)
            arrays.append(text)
        else:
            term = only_term if name == "term" else None
            arrays.append(pa.repeat(pa.scalar(term, pa.string()), batch.num_rows))
    prepared = pa.RecordBatch.from_arrays(arrays, names=["snapshot_date", *columns])
    # A blank line is not a row: spreadsheets and editors leave them behind.
    read = [arrays[1 + columns.index(name)] for name in batch.schema.names]
    if all(values.null_count for values in read):
        is_row = reduce(compute.or_, (compute.is_valid(values) for values in read))
        prepared = prepared.filter(is_row)
    return prepared
