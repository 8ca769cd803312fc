"""Takes days from the source into the warehouse: stage, judge, store, log.

Days are staged in batches, so that a range costs few statements and its memory does not grow with
its length. A batch is stored in one transaction: a day is in the warehouse with its log, or neither.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from enrollment_assets.config import Settings
from enrollment_assets.errors import (
    ConfigurationError,
    SnapshotMissingError,
    SnapshotUnreadableError,
)
from enrollment_assets.sources.base import Source
from enrollment_assets.warehouse.connection import (
    PRIVATE_FILE,
    make_private_folder,
    plain_errors,
    transaction,
)
from enrollment_assets.warehouse.statements import statement

ACCEPTED, REJECTED, MISSING = "accepted", "rejected", "missing"
# Rows of a known term on a day outside its dates: counted in the attempts, and left out.
OUTSIDE = "outside"

# Rows staged before they are stored: enough for DuckDB to use both cores, little enough for memory.
_BATCH_ROWS = 400_000

_FACTS = (
    "row_count",
    "student_count",
    "duplicate_count",
    "missing_count",
    "blank_count",
    "invalid_count",
    "outside_count",
    "uncounted_count",
    "unknown_status_count",
)


@dataclass
class TermResult:
    """What became of one term on one day."""

    term: str | None
    status: str
    reasons: str | None = None
    facts: dict[str, int] = field(default_factory=dict)

    @property
    def students(self) -> int:
        """Distinct students that were stored."""
        return self.facts.get("student_count", 0) if self.status == ACCEPTED else 0


@dataclass
class DayResult:
    """What became of one day; `problem` says why it has no rows, `note` why it needs none."""

    date: dt.date
    origin: str | None = None
    problem: str | None = None
    note: str | None = None
    terms: list[TermResult] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Of all known terms of the day, the worst."""
        found = {result.status for result in self.terms if result.term}
        for status in (REJECTED, MISSING, ACCEPTED):
            if status in found:
                return status
        return MISSING if self.problem else "nothing expected"

    @property
    def reasons(self) -> str | None:
        """Why something is not accepted, in words."""
        found = [self.problem] if self.problem else []
        found += [
            f"{result.term or 'unknown term'}: {result.reasons}"
            for result in self.terms
            if result.reasons and result.reasons != self.problem
        ]
        return "; ".join(found) or None

    def summary(self) -> dict[str, Any]:
        """What to show of the day: no value of a student."""
        shown: dict[str, Any] = {"status": self.status}
        for result in self.terms:
            if result.students:
                shown[f"students_{result.term}"] = result.students
        if self.reasons or self.note:
            shown["reason"] = self.reasons or self.note
        return shown


def store_days(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: Source,
    dates: Sequence[dt.date],
    *,
    run_id: str,
    on_day: Callable[[DayResult], None] = lambda _: None,
) -> list[DayResult]:
    """Read these days, in order, and store what may stand.

    A day that is missing or cannot be read is marked and gone over, unless accepted rows of it stand
    already: these stay. `on_day` hears of each day once it is in the warehouse.

    Raises:
        SourceError: if no day can be read at all, or the source does not answer.
        WarehouseError: if a batch cannot be written; earlier batches stand, this one is not there.
    """
    source.check()
    _check_patterns(connection, settings)
    results: list[DayResult] = []
    store = _Store(connection, settings, run_id)
    for batch in store.stage(source, sorted(dates)):
        store.judge(batch)
        with plain_errors("Storing snapshots"), transaction(connection):
            store.write(batch)
        store.quarantine(batch)
        for day in batch:
            on_day(day)
        results += batch
    return results


def _check_patterns(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Try the configured expressions where they will be used: DuckDB's know no look-ahead.

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
                f"{settings.path}: {key}: {pattern} is no expression that DuckDB knows (it follows "
                "RE2: no look-ahead, no back-references); write it otherwise."
            ) from None


class _Store:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, run_id: str
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._run_id = run_id
        self._columns = (
            *("term", "student_id", "student_name"),
            *settings.dimensions,
            "status",
        )
        self._now = dt.datetime.now(dt.UTC)
        self._arrived: list[pa.RecordBatch] = []

    def _execute(self, name: str, **binds: object) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(statement(name, self._settings), binds or None)

    def stage(self, source: Source, dates: Iterable[dt.date]) -> Iterator[list[DayResult]]:
        """Read days into the temporary table `staged`, and give them batch by batch."""
        batch: list[DayResult] = []
        rows = 0
        self._empty()
        for date in dates:
            day = DayResult(date, note=self._settings.why_no_snapshot(date))
            try:
                # Without a term column there is nothing to read between terms.
                if "term" in self._settings.columns or self._settings.open_terms(date):
                    with source.read(date) as extract:
                        day.origin = extract.origin
                        day.note = None
                        rows += self._read(date, extract.rows)
            except SnapshotMissingError as error:
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

    def _empty(self) -> None:
        columns = ", ".join(f'"{name}" VARCHAR' for name in self._columns)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE staged (snapshot_date DATE, {columns}, "
            "standing VARCHAR, has_invalid_id BOOLEAN, has_blank BOOLEAN)"
        )
        self._arrived.clear()

    def _read(self, date: dt.date, rows: Iterator[pa.RecordBatch]) -> int:
        """Take the rows of one day; a day of any size goes to the staging table piece by piece."""
        count = 0
        only_term = self._only_term(date)
        for batch in rows:
            self._arrived.append(_as_staged(batch, date, only_term, self._columns))
            count += batch.num_rows
            if sum(piece.num_rows for piece in self._arrived) >= _BATCH_ROWS:
                self._flush()
        return count

    def _flush(self) -> None:
        """Put what arrived into the staging table, each row with its standing."""
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
            self._execute("stage_rows", **binds)
            self._connection.unregister("incoming")
        self._arrived.clear()

    def _forget(self, date: dt.date) -> None:
        """Throw away what arrived of a day that turned out to be unreadable."""
        self._flush()
        self._connection.execute("DELETE FROM staged WHERE snapshot_date = ?", [date])

    def _only_term(self, date: dt.date) -> str | None:
        """The open term, where the source has no column that tells."""
        if "term" in self._settings.columns:
            return None
        terms = self._settings.open_terms(date)
        if len(terms) > 1:
            raise SnapshotUnreadableError(
                f"On {date} the terms {' and '.join(term.code for term in terms)} are open; add a "
                "term column under columns, so that each row says which one it belongs to."
            )
        return terms[0].code

    def judge(self, batch: list[DayResult]) -> None:
        """Decide, term by term, what may stand."""
        with plain_errors("Looking through snapshots"):
            facts = self._execute("stage_facts").fetchall()
        stood = self._standing_before(batch[0].date)
        by_day: dict[dt.date, dict[str | None, dict[str, int]]] = {}
        for date, term, *numbers in facts:
            by_day.setdefault(date, {})[term] = dict(zip(_FACTS, numbers, strict=True))
        for day in batch:
            day.terms = self._verdicts(day, by_day.get(day.date, {}), stood)
            stood |= {result.term for result in day.terms if result.status == ACCEPTED}

    def _verdicts(
        self, day: DayResult, found: dict[str | None, dict[str, int]], stood: set[str | None]
    ) -> list[TermResult]:
        results = []
        open_terms = self._settings.open_terms(day.date)
        if day.problem or day.note:
            if day.note and not found:
                return []
            status = REJECTED if day.origin else MISSING
            return [TermResult(term.code, status, day.problem) for term in open_terms]
        nothing = dict.fromkeys(_FACTS, 0)
        is_empty = not any(facts["student_count"] for facts in found.values())
        for term in open_terms:
            facts = found.pop(term.code, nothing)
            reason = _why_refused(facts, expected=is_empty or term.code in stood)
            if reason:
                results.append(TermResult(term.code, REJECTED, reason, facts))
            elif facts["student_count"]:
                results.append(TermResult(term.code, ACCEPTED, None, facts))
        if None in found:
            count = found[None]["row_count"]
            facts = found.pop(None)
            results.append(
                TermResult(None, REJECTED, f"{count} rows of terms not configured", facts)
            )
        return results + [TermResult(code, OUTSIDE, None, facts) for code, facts in found.items()]

    def _standing_before(self, date: dt.date) -> set[str | None]:
        """The terms that stand in the last accepted snapshot before a day, or on it."""
        rows = self._connection.execute(
            "SELECT DISTINCT term FROM enrollment.snapshot_log "
            "WHERE status = 'accepted' AND snapshot_date <= ?",
            [date],
        ).fetchall()
        return {term for (term,) in rows}

    def write(self, batch: list[DayResult]) -> None:
        """Put the batch into the tables. Call inside a transaction."""
        verdicts = self._register_verdicts(batch)
        if not verdicts:
            return
        execute = self._connection.execute
        dedupe = any(r.facts.get("duplicate_count") for day in batch for r in day.terms)
        execute(
            "DELETE FROM enrollment.enrollment_snapshots AS old USING verdicts "
            "WHERE old.snapshot_date = verdicts.snapshot_date AND old.term = verdicts.term "
            "AND verdicts.status = 'accepted'"
        )
        # Accepted rows that stand already stay, whatever the new try brought.
        execute(
            "DELETE FROM enrollment.snapshot_log AS old USING verdicts "
            "WHERE old.snapshot_date = verdicts.snapshot_date AND old.term = verdicts.term "
            "AND (verdicts.status = 'accepted' OR old.status <> 'accepted')"
        )
        execute(statement("store_snapshots", self._settings, dedupe=dedupe))
        self._execute("log_snapshots", first=batch[0].date, last=batch[-1].date)
        execute(
            "INSERT INTO operations.snapshot_attempts BY NAME "
            "SELECT * EXCLUDE (source) FROM verdicts"
        )

    def _register_verdicts(self, batch: list[DayResult]) -> int:
        rows = [
            {
                "snapshot_date": day.date,
                "term": result.term,
                "status": result.status,
                "reasons": result.reasons,
                "source": day.origin,
                "run_id": self._run_id,
                "attempted_at": self._now,
                **{name: result.facts.get(name, 0) for name in _FACTS},
            }
            for day in batch
            for result in day.terms
        ]
        schema = pa.schema(
            [
                ("snapshot_date", pa.date32()),
                *((name, pa.string()) for name in ("term", "status", "reasons", "source")),
                ("run_id", pa.string()),
                ("attempted_at", pa.timestamp("us", "UTC")),
                *((name, pa.int64()) for name in _FACTS),
            ]
        )
        self._connection.register("verdict_rows", pa.Table.from_pylist(rows, schema))
        self._connection.execute("CREATE OR REPLACE TEMP TABLE verdicts AS FROM verdict_rows")
        self._connection.unregister("verdict_rows")
        return len(rows)

    def quarantine(self, batch: list[DayResult]) -> None:
        """Keep, beside the warehouse, the rows that could not be given to a student or a term."""
        for day in batch:
            strays = any(r.term is None or r.facts.get("missing_count") for r in day.terms)
            if not strays:
                continue
            folder = make_private_folder(
                self._settings.data_path / "quarantine" / day.date.isoformat()
            )
            _copy_private(
                self._connection,
                "SELECT * EXCLUDE (has_invalid_id, has_blank) FROM staged "
                "WHERE standing IN ('no_id', 'unknown_term') AND snapshot_date = $date",
                {"date": day.date},
                folder / "rows.parquet",
            )


def _why_refused(facts: dict[str, int], *, expected: bool) -> str | None:
    """The reason why an open term's rows must not become history, or None.

    A term is `expected` if it stood before, or if the whole snapshot would otherwise be empty: until
    its first student registers, an open term may be absent beside others.
    """
    if facts["student_count"]:
        return None
    if facts["row_count"]:
        return f"none of the {facts['row_count']} rows counts as enrolled"
    return "the snapshot has no row of this term, which is open" if expected else None


def _as_staged(
    batch: pa.RecordBatch, date: dt.date, only_term: str | None, columns: Sequence[str]
) -> pa.RecordBatch:
    """The batch with its day and every column of the staging table, values without blanks around.

    CHAR padding and pasted blanks are no part of a value, and a value of blanks is none.
    """
    from pyarrow import compute

    arrays = [pa.repeat(pa.scalar(date, pa.date32()), batch.num_rows)]
    for name in columns:
        if name in batch.schema.names:
            text = compute.utf8_trim_whitespace(batch.column(name))
            is_blank = compute.equal(text, "")
            if compute.any(is_blank).as_py():
                text = compute.if_else(is_blank, pa.scalar(None, pa.string()), text)
            arrays.append(text)
        else:
            term = only_term if name == "term" else None
            arrays.append(pa.repeat(pa.scalar(term, pa.string()), batch.num_rows))
    prepared = pa.RecordBatch.from_arrays(arrays, names=["snapshot_date", *columns])
    # A line of nothing but blanks is no row: sheets and editors leave them behind.
    read = [arrays[1 + columns.index(name)] for name in batch.schema.names]
    if all(values.null_count for values in read):
        is_row = reduce(compute.or_, (compute.is_valid(values) for values in read))
        prepared = prepared.filter(is_row)
    return prepared


def _copy_private(
    connection: duckdb.DuckDBPyConnection, query: str, binds: dict[str, object], path: Path
) -> None:
    """Write a query's rows as Parquet, aside first, readable by this user only."""
    from pyarrow import parquet

    aside = path.with_suffix(".part")
    table = connection.execute(query, binds).to_arrow_table()
    aside.touch(PRIVATE_FILE)
    parquet.write_table(table, aside)
    aside.replace(path)
