"""Judges staged snapshots, day after day, beside what stood before and what people decided."""

import datetime as dt
from typing import Any, NamedTuple

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.ingest.findings import Baseline, why_refused
from enrollment_assets.pipeline.ingest.verdicts import ACCEPTED, REJECTED, DayResult, TermResult
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

Key = tuple[dt.date, str]


class _Standing(NamedTuple):
    """What the log holds of an accepted snapshot, and who decided so, if it was a person."""

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
        self._standing: dict[Key, _Standing] = {}
        for term, date, *about in rows("standing_snapshots", **binds):
            standing = _Standing(*about)
            if date < batch[0].date:
                self._last[term] = (date, standing.student_count, False)
            self._standing[date, term] = standing
        self._thrown_out = {
            (date, term): (content_hash, reasons)
            for date, term, content_hash, reasons in rows("thrown_out", **binds)
        }
        self._retained = {
            (date, term): (baseline, count)
            for date, term, baseline, count in rows("staged_retained")
        }

    def verdict(
        self, date: dt.date, term: str, facts: dict[str, int], *, is_empty: bool
    ) -> TermResult | None:
        """The verdict on one term of the next day, or None where nothing of it has to stand."""
        baseline = self._baseline(date, term, facts)
        reason = why_refused(facts, baseline, self._settings.quality, is_empty=is_empty)
        standing = self._standing.get((date, term))
        if reason:
            # What stands already, by a person's decision or an older rule, is not refused again.
            if standing and standing.content_hash == self._hash(date, term):
                return TermResult(term, ACCEPTED, standing.reasons, facts, standing.decided_by)
        elif thrown_out := self._thrown_out.get((date, term)):
            content_hash, words = thrown_out
            if content_hash == self._hash(date, term):
                reason = f"the same rows were {words}; `enrollment accept` takes them in"
        if not (reason or facts["student_count"] or baseline):
            return None
        return TermResult(term, REJECTED if reason else ACCEPTED, reason, facts)

    def close(self, day: DayResult) -> None:
        """What stands of a day is the baseline of the next: its new rows, or those from before."""
        for (date, term), standing in self._standing.items():
            if date == day.date:
                self._last[term] = (date, standing.student_count, False)
        for result in day.terms:
            if result.term and result.status == ACCEPTED:
                self._last[result.term] = (day.date, result.students, True)

    def _baseline(self, date: dt.date, term: str, facts: dict[str, int]) -> Baseline | None:
        if term not in self._last:
            return None
        before, count, is_staged = self._last[term]
        retained = None
        if facts["student_count"] and count >= self._settings.quality.reject_floor:
            found, retained = self._retained.get((date, term), (None, 0))
            if found != before or not is_staged:
                retained = self._count_retained(date, term, before, is_staged=is_staged)
        return Baseline(before, count, retained)

    def _count_retained(self, date: dt.date, term: str, before: dt.date, *, is_staged: bool) -> int:
        rows = "staged" if is_staged else "enrollment.enrollment_snapshots"
        counted = "AND standing = 'counted'" if is_staged else ""
        with plain_errors("Comparing with the baseline"):
            found = self._connection.execute(
                "SELECT count(DISTINCT student_id) FROM staged WHERE snapshot_date = $date "
                "AND term = $term AND standing = 'counted' AND student_id IN (SELECT student_id "
                f"FROM {rows} WHERE snapshot_date = $before AND term = $term {counted})",
                {"date": date, "term": term, "before": before},
            ).fetchone()
        return int(found[0]) if found else 0

    def _hash(self, date: dt.date, term: str) -> str | None:
        with plain_errors("Looking at the rows"):
            found = self._connection.execute(
                statement("staged_hash", self._settings), {"day": date, "term": term}
            ).fetchone()
        return found[0] if found else None
