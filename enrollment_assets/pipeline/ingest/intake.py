"""Loads days from the source into the warehouse: stage, judge, quarantine, store, log.

A batch of days is stored in one transaction: a day is in the warehouse with its log, or not at all.
A person's decision about a day is stored the same way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError, SnapshotMissingError, WarehouseError
from enrollment_assets.pipeline.ingest.judge import Judge
from enrollment_assets.pipeline.ingest.quarantine import (
    STRAYS,
    QuarantineSource,
    keep_rows,
    read_reasons,
    rejected_name,
)
from enrollment_assets.pipeline.ingest.staging import Staging, check_patterns
from enrollment_assets.pipeline.ingest.verdicts import (
    ACCEPTED,
    FACTS,
    MISSING,
    OUTSIDE,
    REJECTED,
    DayResult,
    Decision,
    DecisionKind,
    TermResult,
)
from enrollment_assets.sources.base import Source
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.connection import plain_errors, transaction
from enrollment_assets.warehouse.statements import statement

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = lazy("pyarrow")


def store_days(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: Source,
    dates: Sequence[dt.date],
    *,
    run_id: str,
    on_day: Callable[[DayResult], None] = lambda _: None,
) -> list[DayResult]:
    """Read these days, in order, and store what is accepted.

    A day that is missing, rejected or unreadable is logged and skipped; if it was accepted before, its
    accepted rows are kept. `on_day` is called with each day once it is in the warehouse.

    Raises:
        SourceError: if no day can be read at all, or the source does not answer.
        WarehouseError: if a batch cannot be written; earlier batches are stored, this one is not.
    """
    source.check()
    check_patterns(connection, settings)
    results: list[DayResult] = []
    store = _Store(connection, settings, run_id)
    for batch in Staging(connection, settings).stage(source, sorted(dates)):
        store.judge(batch)
        store.quarantine(batch)
        store.write(batch)
        for day in batch:
            on_day(day)
        results += batch
    return results


def decide(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    date: dt.date,
    decision: Decision,
    *,
    run_id: str,
) -> DayResult:
    """Accept the rejected rows of a day, reject its accepted ones, or trim it.

    Raises:
        SnapshotMissingError: if there is nothing to accept or to reject.
        WarehouseError: if the day is final since older snapshots were pruned, or cannot be written.
    """
    store = _Store(connection, settings, run_id)
    if decision.kind is DecisionKind.reject:
        return store.reject(date, decision)
    if decision.kind is DecisionKind.trim:
        return store.trim(date, decision)
    source = QuarantineSource(settings, decision.term)
    terms = store.last_rejected(date, source.terms(date))
    store.refuse_frozen(date, terms)
    check_patterns(connection, settings)
    # Staging discards a batch when the next one is requested: the day is written before that.
    batches = Staging(connection, settings).stage(source, [date])
    (day,) = next(batches)
    facts = store.facts().get(date, {})
    reasons = f"accepted by {decision.by}: {decision.reason}"
    day.terms = [
        TermResult(term, ACCEPTED, reasons, _acceptable(settings, date, term, facts), decision.by)
        for term in terms
    ]
    store.write([day])
    return day


def _acceptable(
    settings: Settings,
    date: dt.date,
    term: str,
    facts: Mapping[str | None, dict[str, int]],
) -> dict[str, int]:
    """The figures of a term's quarantined rows, if they can be accepted.

    Raises:
        ConfigurationError: if the term is not open on the day, or none of its rows counts.
    """
    if not settings.term(term).is_open(date):
        raise ConfigurationError(
            f"{term} is not open on {date} by its dates in {settings.path}; correct these first."
        )
    figures = facts.get(term, dict.fromkeys(FACTS, 0))
    kept = read_reasons(settings, date).get(rejected_name(term), {}).get("rows", 0)
    if kept and not figures["student_count"]:
        raise ConfigurationError(
            f"None of the {kept:,} quarantined rows of {term} on {date} counts as enrolled; correct "
            f"statuses or exclude in {settings.path}."
        )
    return figures


class _Store:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, run_id: str
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._run_id = run_id
        self._now = dt.datetime.now(dt.UTC)
        self._frozen: dict[str, dt.date] = dict(
            connection.execute("SELECT term, kept_from FROM frozen").fetchall()
        )

    def _rows(self, name: str, **binds: object) -> list[tuple[Any, ...]]:
        with plain_errors(f"Reading {name}"):
            return self._connection.execute(
                statement(name, self._settings), binds or None
            ).fetchall()

    def facts(self) -> dict[dt.date, dict[str | None, dict[str, int]]]:
        """The figures of the staged rows, by day and term."""
        by_day: dict[dt.date, dict[str | None, dict[str, int]]] = {}
        for date, term, *numbers in self._rows("stage_facts"):
            by_day.setdefault(date, {})[term] = dict(zip(FACTS, numbers, strict=True))
        return by_day

    def judge(self, batch: list[DayResult]) -> None:
        """Decide, term by term, what is accepted."""
        facts = self.facts()
        judge = Judge(self._connection, self._settings, batch)
        for day in batch:
            day.terms = self._verdicts(day, facts.get(day.date, {}), judge)
            judge.close(day)

    def _verdicts(
        self, day: DayResult, by_term: dict[str | None, dict[str, int]], judge: Judge
    ) -> list[TermResult]:
        open_terms = [term.code for term in self._settings.open_terms(day.date)]
        if day.note and not by_term:
            return []
        frozen = [code for code in open_terms if self._is_frozen(day.date, code)]
        if frozen:
            # Its rows were pruned, and so were those it would be compared with.
            day.note = f"snapshots of {day.date} were pruned, so its figures are final"
            open_terms = [code for code in open_terms if code not in frozen]
            by_term = {code: facts for code, facts in by_term.items() if code not in frozen}
        if day.problem:
            status = REJECTED if day.origin else MISSING
            return [TermResult(code, status, day.problem) for code in open_terms]
        nothing = dict.fromkeys(FACTS, 0)
        is_empty = not any(facts["student_count"] for facts in by_term.values())
        results = []
        for code in open_terms:
            result = judge.verdict(day.date, code, by_term.pop(code, nothing), is_empty=is_empty)
            if result:
                results.append(result)
        if None in by_term:
            count = by_term[None]["row_count"]
            facts = by_term.pop(None)
            reasons = f"{count:,} rows belong to terms that are not configured"
            results.append(TermResult(None, REJECTED, reasons, facts))
        return results + [TermResult(code, OUTSIDE, None, facts) for code, facts in by_term.items()]

    def _is_frozen(self, date: dt.date, term: str) -> bool:
        return term in self._frozen and date <= self._frozen[term]

    def refuse_frozen(self, date: dt.date, terms: Sequence[str]) -> None:
        """Refuse to decide about a day that can no longer be compared with its baseline.

        Raises:
            WarehouseError: with the term and the first day that can be decided about.
        """
        for term in terms:
            if self._is_frozen(date, term):
                raise WarehouseError(
                    f"The snapshots of {term} before {self._frozen[term]} were pruned, so the "
                    "figures up to that day are final; nothing was changed."
                )

    def last_rejected(self, date: dt.date, terms: Sequence[str]) -> list[str]:
        """The terms whose newest attempt was rejected; older rejections can no longer be accepted.

        Raises:
            SnapshotMissingError: if there is none.
        """
        with plain_errors("Reading the attempts"):
            rows = self._connection.execute(
                "SELECT term FROM operations.snapshot_attempts WHERE snapshot_date = $date "
                "AND list_contains($terms, term) QUALIFY status = 'rejected' "
                "AND attempted_at = max(attempted_at) OVER (PARTITION BY term) ORDER BY term",
                {"date": date, "terms": list(terms)},
            ).fetchall()
        if not rows:
            raise SnapshotMissingError(
                f"{date} was accepted after that rejection; if the accepted snapshot is wrong, "
                "reject it first."
            )
        return [term for (term,) in rows]

    def reject(self, date: dt.date, decision: Decision) -> DayResult:
        """Move accepted rows of a day from the warehouse to quarantine."""
        accepted = self._logged(date, decision.term, (ACCEPTED,))
        if not accepted:
            of_term = f" of {decision.term}" if decision.term else ""
            raise SnapshotMissingError(
                f"{date} has no accepted snapshot{of_term} to reject; `enrollment status` shows the "
                "accepted dates."
            )
        self.refuse_frozen(date, [result.term for result in accepted if result.term])
        reasons = f"rejected by {decision.by}: {decision.reason}"
        return self._remove(date, accepted, REJECTED, reasons, decision.by)

    def trim(self, date: dt.date, decision: Decision) -> DayResult:
        """Remove a term from a day that is outside the term's dates of today."""
        term = decision.term
        # What was pruned is final: later figures depend on it and could not be computed again.
        is_kept = term is not None and (
            self._settings.term(term).is_open(date) or self._is_frozen(date, term)
        )
        logged = [] if is_kept else self._logged(date, decision.term, (ACCEPTED, REJECTED, MISSING))
        reasons = f"outside the edited dates of {decision.term}: {decision.reason}"
        return self._remove(date, logged, OUTSIDE, reasons, decision.by)

    def _logged(self, date: dt.date, term: str | None, statuses: Sequence[str]) -> list[TermResult]:
        """The log's rows of a day, with their figures."""
        with plain_errors("Reading the log"):
            rows = self._connection.execute(
                "SELECT term, status, content_hash, row_count, student_count, duplicate_count, "
                "missing_count FROM enrollment.snapshot_log WHERE snapshot_date = $date "
                "AND list_contains($statuses, status) AND ($term IS NULL OR term = $term) "
                "ORDER BY term",
                {"date": date, "term": term, "statuses": list(statuses)},
            ).fetchall()
        names = ("row_count", "student_count", "duplicate_count", "missing_count")
        return [
            TermResult(
                code,
                status,
                facts={**dict.fromkeys(FACTS, 0), **dict(zip(names, figures, strict=True))},
                content_hash=content_hash,
            )
            for code, status, content_hash, *figures in rows
        ]

    def _remove(
        self, date: dt.date, logged: Sequence[TermResult], status: str, reasons: str, by: str
    ) -> DayResult:
        day = DayResult(date, origin="the warehouse")
        for result in logged:
            had_rows = result.status == ACCEPTED
            result.status, result.reasons, result.decided_by = status, reasons, by
            if had_rows:
                self._keep_rejected(
                    day,
                    result,
                    "SELECT * FROM enrollment.enrollment_snapshots "
                    "WHERE snapshot_date = $date AND term = $term",
                )
            day.terms.append(result)
        self.write([day])
        return day

    def quarantine(self, batch: list[DayResult]) -> None:
        """Keep the rows that will not be stored beside the warehouse, with the reasons.

        This comes before the warehouse is written: a kill between the two loses nothing.
        """
        for day in batch:
            for result in day.terms:
                if result.term and result.status == REJECTED and not day.problem:
                    self._keep_rejected(
                        day,
                        result,
                        "SELECT * EXCLUDE (has_invalid_id, has_blank) FROM staged "
                        "WHERE snapshot_date = $date AND term = $term",
                    )
            strays = [r for r in day.terms if r.term is None or r.facts.get("missing_count")]
            if strays:
                counts = [
                    f"{r.facts['missing_count']:,} rows of {r.term} without a student ID"
                    if r.term
                    else r.reasons
                    for r in strays
                ]
                keep_rows(
                    self._connection,
                    self._settings,
                    day.date,
                    STRAYS,
                    "SELECT * EXCLUDE (has_invalid_id, has_blank) FROM staged "
                    "WHERE standing IN ('no_id', 'unknown_term') AND snapshot_date = $date "
                    "AND $term IS NULL",
                    self._about(day, None, "; ".join(filter(None, counts))),
                )

    def _keep_rejected(self, day: DayResult, result: TermResult, query: str) -> None:
        if result.term:
            keep_rows(
                self._connection,
                self._settings,
                day.date,
                rejected_name(result.term),
                query,
                self._about(day, result.term, result.reasons),
            )

    def _about(self, day: DayResult, term: str | None, reasons: str | None) -> dict[str, object]:
        return {
            "term": term,
            "reasons": reasons,
            "source": day.origin,
            "run_id": self._run_id,
            "at": self._now,
        }

    def write(self, batch: list[DayResult]) -> None:
        """Put a judged batch into the tables, whole or not at all."""
        with plain_errors("Storing snapshots"), transaction(self._connection):
            if self._register_verdicts(batch):
                self._write(batch)

    def _write(self, batch: list[DayResult]) -> None:
        execute = self._connection.execute
        dedupe = any(r.facts.get("duplicate_count") for day in batch for r in day.terms)
        # Rows that were accepted before are kept, whatever a new attempt brought; only a person
        # removes them.
        replaced = "(verdicts.status = 'accepted' OR verdicts.decided_by IS NOT NULL)"
        execute(
            "DELETE FROM enrollment.enrollment_snapshots AS old USING verdicts "
            "WHERE old.snapshot_date = verdicts.snapshot_date AND old.term = verdicts.term "
            f"AND {replaced}"
        )
        execute(
            "DELETE FROM enrollment.snapshot_log AS old USING verdicts "
            "WHERE old.snapshot_date = verdicts.snapshot_date AND old.term = verdicts.term "
            f"AND ({replaced} OR old.status <> 'accepted')"
        )
        if any(r.status == ACCEPTED for day in batch for r in day.terms):
            execute(statement("store_snapshots", self._settings, dedupe=dedupe))
        execute(
            statement("log_snapshots", self._settings),
            {"first": batch[0].date, "last": batch[-1].date},
        )
        execute(
            "INSERT INTO operations.snapshot_attempts BY NAME "
            "SELECT verdicts.* EXCLUDE (source) "
            "REPLACE (coalesce(verdicts.content_hash, log.content_hash) AS content_hash) "
            "FROM verdicts LEFT JOIN enrollment.snapshot_log AS log "
            "ON log.snapshot_date = verdicts.snapshot_date AND log.term = verdicts.term "
            "AND log.status = verdicts.status"
        )

    def _register_verdicts(self, batch: list[DayResult]) -> int:
        rows = [
            {
                "snapshot_date": day.date,
                "term": result.term,
                "status": result.status,
                "reasons": result.reasons,
                "source": day.origin,
                "content_hash": result.content_hash,
                "decided_by": result.decided_by,
                "run_id": self._run_id,
                "attempted_at": self._now,
                **{name: result.facts.get(name, 0) for name in FACTS},
            }
            for day in batch
            for result in day.terms
        ]
        texts = ("term", "status", "reasons", "source", "content_hash", "decided_by", "run_id")
        schema = pa.schema(
            [
                ("snapshot_date", pa.date32()),
                *((name, pa.string()) for name in texts),
                ("attempted_at", pa.timestamp("us", "UTC")),
                *((name, pa.int64()) for name in FACTS),
            ]
        )
        self._connection.register("verdict_rows", pa.Table.from_pylist(rows, schema))
        self._connection.execute("CREATE OR REPLACE TEMP TABLE verdicts AS FROM verdict_rows")
        self._connection.unregister("verdict_rows")
        return len(rows)


@dataclass(frozen=True)
class SnapshotIntake:
    """Days to load from a source; `results` holds the result of each once it is stored.

    If `strict`, a day that is missing or rejected fails its run; in a range or a backfill it is logged
    and skipped. A `decision` is about quarantined or accepted rows, and reads no source.
    """

    source: Source
    strict: bool = False
    decision: Decision | None = None
    results: list[DayResult] = field(default_factory=list)
