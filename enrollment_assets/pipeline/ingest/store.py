"""Judges the days of one run and stores them: rows, log, attempts, and what is kept in quarantine.

A batch of days is stored in one transaction: a day is in the warehouse with its log, or not at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import SnapshotMissingError, WarehouseError
from enrollment_assets.pipeline.ingest.judge import Judge
from enrollment_assets.pipeline.ingest.quarantine import (
    STRAYS,
    keep_rows,
    kept_by,
    quarantine_folder,
    rejected_name,
)
from enrollment_assets.pipeline.ingest.verdicts import (
    ACCEPTED,
    FACTS,
    HELD,
    LOGGED,
    MISSING,
    OUTSIDE,
    REJECTED,
    DayResult,
    Decision,
    TermResult,
)
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.tables import former_columns
from enrollment_assets.warehouse.transactions import transaction

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = lazy("pyarrow")


class SnapshotStore:
    """Judges, keeps and stores the days of one run."""

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
        self._former = former_columns(connection, settings)

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
            result = judge.verdict(
                day.date,
                code,
                by_term.pop(code, nothing),
                is_empty=is_empty,
                absent=day.absent,
            )
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

    def _attempts(self, date: dt.date) -> list[tuple[Any, ...]]:
        """The newest attempt on each term of a day that no later extract has overtaken."""
        return self._rows("newest_attempts", day=date)

    def kept(self, date: dt.date, term: str | None) -> list[str]:
        """The terms of a day, or this one, whose newest snapshot waits in quarantine.

        Raises:
            SnapshotMissingError: if there is none, with the reason.
        """
        folder = quarantine_folder(self._settings, date)
        kept = {
            code: run for code, run in kept_by(self._settings, date).items() if term in (None, code)
        }
        if not kept:
            of_term = f"of {term} " if term else ""
            others = ", ".join(kept_by(self._settings, date))
            there = f" (there are rows of {others})" if others else ""
            raise SnapshotMissingError(
                f"{folder} has no held or rejected rows {of_term}for {date}{there}; correct the "
                "extract and run the day again."
            )
        newest = {code: (status, run) for code, status, run, *_ in self._attempts(date)}
        waiting = [code for code in kept if newest.get(code, ("",))[0] in (HELD, REJECTED)]
        if not waiting:
            raise SnapshotMissingError(
                f"{date} was accepted after that rejection; if the accepted snapshot is wrong, "
                "reject it first."
            )
        current = [code for code in waiting if newest[code][1] == kept[code]]
        if not current:
            raise SnapshotMissingError(
                f"The newest extract of {date} could not be read, so nothing of it was kept. What "
                f"is in {folder} is of an earlier one; correct the extract and run the day again."
            )
        return current

    def reject(self, date: dt.date, decision: Decision) -> DayResult:
        """Discard the held snapshots of a day, or else move its accepted rows to quarantine."""
        reasons = f"rejected by {decision.by}: {decision.reason}"
        held = [
            TermResult(
                code, REJECTED, reasons, dict(zip(FACTS, facts, strict=True)), decision.by, digest
            )
            for code, status, _, digest, *facts in self._attempts(date)
            if status == HELD and decision.term in (None, code)
        ]
        if held:
            day = DayResult(date, origin=str(quarantine_folder(self._settings, date)), terms=held)
            self.discard(day)
            return day
        accepted = self._logged(date, decision.term, (ACCEPTED,))
        if not accepted:
            of_term = f" of {decision.term}" if decision.term else ""
            raise SnapshotMissingError(
                f"{date} has no accepted or held snapshot{of_term} to reject; `enrollment status` "
                "shows the dates."
            )
        self.refuse_frozen(date, [result.term for result in accepted if result.term])
        return self._remove(date, accepted, REJECTED, reasons, decision.by)

    def trim(self, date: dt.date, decision: Decision) -> DayResult:
        """Remove a term from a day that is outside the term's dates of today."""
        term = decision.term
        # What was pruned is final: later figures depend on it and could not be computed again.
        is_kept = term is not None and (
            self._settings.term(term).is_open(date) or self._is_frozen(date, term)
        )
        logged = [] if is_kept else self._logged(date, decision.term, LOGGED)
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
                if result.term and result.status in (HELD, REJECTED) and not day.problem:
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

    def write(self, batch: list[DayResult], *, overtakes: bool = False) -> None:
        """Put a judged batch into the tables, whole or not at all.

        `overtakes`: the days were read from the source, and what was logged of them before is void.
        """
        with plain_errors("Storing snapshots"), transaction(self._connection):
            if overtakes:
                self._lift(batch)
            if self._register_verdicts(batch):
                self._write(batch)
                self._write_attempts()

    def discard(self, day: DayResult) -> None:
        """Note that a person rejected held snapshots; rows that were accepted before are kept."""
        with plain_errors("Storing snapshots"), transaction(self._connection):
            self._register_verdicts([day])
            self._connection.execute(
                "UPDATE enrollment.snapshot_log AS log SET status = verdicts.status, "
                "reasons = verdicts.reasons, extracted_at = verdicts.attempted_at FROM verdicts "
                "WHERE log.snapshot_date = verdicts.snapshot_date AND log.term = verdicts.term "
                "AND log.status <> 'accepted'"
            )
            self._write_attempts()

    def _lift(self, batch: list[DayResult]) -> None:
        """Forget what was logged of terms about which a newer extract of the day says nothing.

        A file that cannot be read is logged for each open term; the corrected one may hold only one.
        """
        for day in batch:
            lifted = [HELD, REJECTED, MISSING] if day.is_read else [MISSING] if day.note else []
            final = [code for code in self._frozen if self._is_frozen(day.date, code)]
            self._connection.execute(
                "DELETE FROM enrollment.snapshot_log WHERE snapshot_date = ? "
                "AND list_contains(?::VARCHAR[], status) AND NOT list_contains(?::VARCHAR[], term)",
                [day.date, lifted, [*final, *(result.term for result in day.terms)]],
            )

    def _write(self, batch: list[DayResult]) -> None:
        execute = self._connection.execute
        dedupe = any(r.facts.get("duplicate_count") for day in batch for r in day.terms)
        if any(r.status == ACCEPTED for day in batch for r in day.terms):
            execute(statement("spell_rows", self._settings, dedupe=dedupe, former=self._former))
        else:  # nothing was staged
            execute(
                "CREATE OR REPLACE TEMP VIEW spell_rows AS "
                "SELECT NULL::DATE AS snapshot_date, * EXCLUDE (valid_from, valid_to) "
                "FROM enrollment.enrollment_spells WHERE false"
            )
        self._write_spells()
        # Rows that were accepted before are kept, whatever a new attempt brought; only a person
        # removes them.
        replaced = "(verdicts.status = 'accepted' OR verdicts.decided_by IS NOT NULL)"
        execute(
            "DELETE FROM enrollment.snapshot_log AS old USING verdicts "
            "WHERE old.snapshot_date = verdicts.snapshot_date AND old.term = verdicts.term "
            f"AND ({replaced} OR old.status <> 'accepted')"
        )
        execute(statement("log_snapshots", self._settings))

    def _write_spells(self) -> None:
        """Bring the spells from what they say to what they will: of keys that differ, and no others.

        The log must be as it was before the batch.
        """
        for name in ("spell_regions", "spell_days", "touched_keys", "touched_spells", "new_spells"):
            self._connection.execute(statement(name, self._settings, former=self._former))
        self._connection.execute(statement("forget_spells", self._settings))
        self._connection.execute(statement("keep_spells", self._settings))

    def _write_attempts(self) -> None:
        self._connection.execute(
            "INSERT INTO operations.snapshot_attempts BY NAME "
            "SELECT verdicts.* EXCLUDE (source, read_with) "
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
                "held_since": result.held_since,
                "read_with": day.read_with,
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
                ("held_since", pa.date32()),
                ("read_with", pa.list_(pa.string())),
                ("attempted_at", pa.timestamp("us", "UTC")),
                *((name, pa.int64()) for name in FACTS),
            ]
        )
        self._connection.register("verdict_rows", pa.Table.from_pylist(rows, schema))
        self._connection.execute("CREATE OR REPLACE TEMP TABLE verdicts AS FROM verdict_rows")
        self._connection.unregister("verdict_rows")
        return len(rows)
