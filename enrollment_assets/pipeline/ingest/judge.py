"""Judges staged snapshots, day after day, by what was accepted before and what people decided."""

import datetime as dt
from typing import Any, NamedTuple

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.ingest.findings import Baseline, why_rejected
from enrollment_assets.pipeline.ingest.verdicts import ACCEPTED, REJECTED, DayResult, TermResult
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

Key = tuple[dt.date, str]


class _Accepted(NamedTuple):
    """What the log holds about an accepted snapshot, and who accepted it, if it was a person."""

    student_count: int
    content_hash: str | None
    reasons: str | None
    decided_by: str | None


class Judge:
    """Judges the staged terms of one batch, day after day: each accepted one is the next's baseline."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        batch: list[DayResult],
    ) -> None:
        self._connection = connection
        self._settings = settings
        binds = {"first": batch[0].date, "last": batch[-1].date}

        def rows(name: str, **binds: object) -> list[tuple[Any, ...]]:
            with plain_errors(f"Reading {name}"):
                return connection.execute(statement(name, settings), binds or None).fetchall()

        # term: day, headcount, and whether its rows are staged or stored
        self._last: dict[str, tuple[dt.date, int, bool]] = {}
        self._accepted: dict[Key, _Accepted] = {}
        for term, date, *about in rows("accepted_snapshots", **binds):
            accepted = _Accepted(*about)
            if date < batch[0].date:
                self._last[term] = (date, accepted.student_count, False)
            self._accepted[date, term] = accepted
        self._rejected = {
            (date, term): (content_hash, reasons)
            for date, term, content_hash, reasons in rows("rejected_by_person", **binds)
        }
        self._retained = {
            (date, term): (baseline, count)
            for date, term, baseline, count in rows("staged_retained")
        }

    def verdict(
        self, date: dt.date, term: str, facts: dict[str, int], *, is_empty: bool
    ) -> TermResult | None:
        """The verdict on one term of the next day, or None where the term needs none."""
        baseline = self._baseline(date, term, facts)
        reason = why_rejected(facts, baseline, self._settings.quality, is_empty=is_empty)
        accepted = self._accepted.get((date, term))
        if reason:
            # The same rows, accepted before by a person or an older rule, are not rejected again.
            if accepted and accepted.content_hash == self._hash(date, term):
                return TermResult(term, ACCEPTED, accepted.reasons, facts, accepted.decided_by)
        elif rejected := self._rejected.get((date, term)):
            content_hash, reasons = rejected
            if content_hash == self._hash(date, term):
                reason = f"the same rows were {reasons}; `enrollment accept` accepts them"
        if not (reason or facts["student_count"] or baseline):
            return None
        return TermResult(term, REJECTED if reason else ACCEPTED, reason, facts)

    def close(self, day: DayResult) -> None:
        """Make the accepted rows of a day, new or from before, the baseline of the next."""
        for (date, term), accepted in self._accepted.items():
            if date == day.date:
                self._last[term] = (date, accepted.student_count, False)
        for result in day.terms:
            if result.term and result.status == ACCEPTED:
                self._last[result.term] = (day.date, result.students, True)

    def _baseline(self, date: dt.date, term: str, facts: dict[str, int]) -> Baseline | None:
        if term not in self._last:
            return None
        before, count, is_staged = self._last[term]
        retained = None
        if facts["student_count"] and count >= self._settings.quality.reject_floor:
            counted_from, retained = self._retained.get((date, term), (None, 0))
            if counted_from != before or not is_staged:
                retained = self._count_retained(date, term, before, is_staged=is_staged)
        return Baseline(before, count, retained)

    def _count_retained(self, date: dt.date, term: str, before: dt.date, *, is_staged: bool) -> int:
        rows = "staged" if is_staged else "enrollment.enrollment_snapshots"
        counted = "AND standing = 'counted'" if is_staged else ""
        with plain_errors("Comparing with the baseline"):
            row = self._connection.execute(
                "SELECT count(DISTINCT student_id) FROM staged WHERE snapshot_date = $date "
                "AND term = $term AND standing = 'counted' AND student_id IN (SELECT student_id "
                f"FROM {rows} WHERE snapshot_date = $before AND term = $term {counted})",
                {"date": date, "term": term, "before": before},
            ).fetchone()
        return int(row[0]) if row else 0

    def _hash(self, date: dt.date, term: str) -> str | None:
        with plain_errors("Hashing the rows"):
            row = self._connection.execute(
                statement("staged_hash", self._settings), {"day": date, "term": term}
            ).fetchone()
        return row[0] if row else None
