"""Memberships with a first and a last day: every day is read from one extract, the newest."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from enrollment_assets.config import Settings
from enrollment_assets.config.source import FIRST_DAY, LAST_DAY, Dated
from enrollment_assets.errors import SnapshotMissingError, SnapshotUnreadableError
from enrollment_assets.sources.base import ConfiguredSource, Extract, Probe
from enrollment_assets.support.literals import identifier, quoted

_BATCH_ROWS = 50_000


class DatedSource:
    """A source whose rows are memberships; a day has those that hold on it."""

    is_live = True

    def __init__(self, settings: Settings, dated: Dated, inner: ConfiguredSource) -> None:
        self._settings = settings
        self._dated = dated
        self._inner = inner
        self._read: tuple[str, duckdb.DuckDBPyConnection] | None = None

    def check(self) -> None:
        """Make sure that the source can be read at all."""
        self._inner.check()

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """The memberships that hold on a day. The extract is read once, by the first day."""
        if self._read is None:
            self._read = self._load()
        origin, connection = self._read
        columns = ", ".join(identifier(name) for name in self._columns)
        end = "<" if self._dated.to_is == "first_day_out" else "<="
        found = connection.execute(
            f"SELECT {columns} FROM memberships "
            f"WHERE first_day <= $day AND (last_day IS NULL OR $day {end} last_day)",
            {"day": date},
        )
        yield Extract(date, origin, iter(found.to_arrow_reader(_BATCH_ROWS)))

    @property
    def _columns(self) -> list[str]:
        return [name for name in self._settings.source_columns if name not in (FIRST_DAY, LAST_DAY)]

    def _load(self) -> tuple[str, duckdb.DuckDBPyConnection]:
        """All memberships, in memory.

        Raises:
            SnapshotMissingError: if the source has no extract at all.
            SnapshotUnreadableError: if a date cannot be read.
        """
        days = self._inner.dates()
        if days == []:
            raise SnapshotMissingError("The source has no extract of memberships; put one there.")
        newest = days[-1] if days else self._settings.today()
        connection = duckdb.connect()
        with self._inner.read(newest) as extract:
            is_new = True
            for batch in extract.rows:
                connection.register("batch", pa.Table.from_batches([batch]))
                how = "CREATE TABLE memberships AS" if is_new else "INSERT INTO memberships"
                connection.execute(f"{how} {self._dated_rows(batch)}")
                connection.unregister("batch")
                is_new = False
        if is_new:
            raise SnapshotUnreadableError(f"{extract.origin} has no memberships; extract it again.")
        self._refuse_odd_dates(connection, extract.origin)
        return extract.origin, connection

    def _dated_rows(self, batch: pa.RecordBatch) -> str:
        form = self._dated.date_format
        others = ", ".join(
            identifier(name) for name in batch.schema.names if name not in (FIRST_DAY, LAST_DAY)
        )

        def day(column: str) -> str:
            text = f"nullif(trim({identifier(column)}), '')"
            if form is None:
                return f"try_cast(left({text}, 10) AS DATE)"
            return f"try_strptime({text}, {quoted(form)})::DATE"

        odd = f"({day(LAST_DAY)} IS NULL AND nullif(trim({identifier(LAST_DAY)}), '') IS NOT NULL)"
        return (
            f"SELECT {others}, {day(FIRST_DAY)} AS first_day, {day(LAST_DAY)} AS last_day, "
            f"({day(FIRST_DAY)} IS NULL) AS has_no_start, {odd} AS has_odd_end FROM batch"
        )

    def _refuse_odd_dates(self, connection: duckdb.DuckDBPyConnection, origin: str) -> None:
        row = connection.execute(
            "SELECT count(*) FILTER (has_no_start), count(*) FILTER (has_odd_end), count(*) "
            "FROM memberships"
        ).fetchone()
        starts, ends, count = row or (0, 0, 0)
        for column, odd in ((self._dated.entry, starts), (self._dated.exit, ends)):
            if odd:
                raise SnapshotUnreadableError(
                    f"{origin}: {odd:,} of {count:,} rows have no date in {column} that can be read; "
                    "correct the extract, or set source.dated.date_format."
                )

    def dates(self) -> list[dt.date] | None:
        """None: the memberships answer for every day."""
        return None

    def probe(self, date: dt.date) -> Probe:
        """Probe the newest extract."""
        return self._inner.probe(date)
