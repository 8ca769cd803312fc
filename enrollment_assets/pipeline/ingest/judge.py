"""Judges staged snapshots, day after day, by what was accepted before and what people decided."""

import datetime as dt
from typing import Any, NamedTuple

import duckdb

from enrollment_assets.config import Grain, Settings
from enrollment_assets.config.sections import OnDoubt
from enrollment_assets.pipeline.ingest.comparison import Comparer, Rows
from enrollment_assets.pipeline.ingest.doubts import Doubts
from enrollment_assets.pipeline.ingest.expected import ExpectedChange
from enrollment_assets.pipeline.ingest.findings import Baseline, why_rejected
from enrollment_assets.pipeline.ingest.quarantine import kept_file
from enrollment_assets.pipeline.ingest.verdicts import (
    ACCEPTED,
    HELD,
    REJECTED,
    DayResult,
    TermResult,
)
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

Key = tuple[dt.date, str]


class _Accepted(NamedTuple):
    """What the log holds about an accepted snapshot, and who accepted it, if it was a person."""

    student_count: int
    content_hash: str | None
    reasons: str | None
    decided_by: str | None


class _Waiting(NamedTuple):
    """The newest snapshot of a term that waits for a person, and how many in a row agree with it."""

    rows: Rows
    since: dt.date
    days: int


class Judge:
    """Judges the staged terms of one batch, day after day: each accepted one is the next's baseline.

    A snapshot in doubt is also compared with the one that waits already: if they agree, it is one more
    day in a row.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        batch: list[DayResult],
    ) -> None:
        self._connection = connection
        self._settings = settings
        binds = {"first": batch[0].date, "last": batch[-1].date}
        self._last: dict[str, Rows] = {}
        self._accepted: dict[Key, _Accepted] = {}
        for term, date, *about in self._fetch("accepted_snapshots", **binds):
            accepted = _Accepted(*about)
            if date < batch[0].date:
                self._last[term] = Rows(date, term, accepted.student_count)
            self._accepted[date, term] = accepted
        self._rejected = {
            (date, term): (content_hash, reasons)
            for date, term, content_hash, reasons in self._fetch("rejected_by_person", **binds)
        }
        self._waiting: dict[str, _Waiting] = {}
        for term, date, count, since in self._fetch("waiting_snapshots", first=batch[0].date):
            kept = kept_file(settings, date, term)
            if kept.exists():
                self._wait(Rows(date, term, count, kept=kept), since)
        # The accepted days of earlier terms, where they are asked for, and those of this batch.
        self._days: dict[str, dict[dt.date, Rows]] = {}
        self._of_batch: dict[str, dict[dt.date, Rows]] = {}
        self._comparer = Comparer(connection, settings)
        self._expected = ExpectedChange(self._comparer, settings, self._accepted_days)
        self._doubts = Doubts(self._comparer, settings, self._expected)

    def _fetch(self, name: str, **binds: object) -> list[tuple[Any, ...]]:
        with plain_errors(f"Reading {name}"):
            return self._connection.execute(
                statement(name, self._settings), binds or None
            ).fetchall()

    def verdict(
        self,
        date: dt.date,
        term: str,
        facts: dict[str, int],
        *,
        is_empty: bool,
        absent: tuple[str, ...] = (),
    ) -> TermResult | None:
        """The verdict on one term of the next day, or None where the term needs none.

        `absent` are the parts of the day that did not come.
        """
        new = Rows(date, term, facts["student_count"], is_staged=True)
        last = self._last.get(term)
        rejection = self._why_rejected(new, last, facts, is_empty=is_empty)
        doubt = None if rejection else self._why_held(new, last, facts)
        if absent and (rejection or facts["student_count"]):
            are = "is a part" if len(absent) == 1 else "are parts"
            why = f"{', '.join(absent)} {are} of the day that did not come."
            if rejection:
                rejection = f"{why} {rejection}"
            else:
                doubt = f"{why} {doubt or ''}".strip()
        if not (rejection or facts["student_count"] or last):
            return None
        if by_person := self._decided(date, term, facts, is_bad=bool(rejection or doubt)):
            return by_person
        if not (rejection or doubt):
            return TermResult(term, ACCEPTED, None, facts)
        if doubt and self._settings.quality.on_doubt is OnDoubt.warn:
            return TermResult(term, ACCEPTED, doubt, facts)
        result = TermResult(term, REJECTED if rejection else HELD, rejection or doubt, facts)
        result.content_hash = self._hash(date, term)
        result.held_since = date
        waiting = self._waiting.get(term)
        if waiting and self._agrees(new, waiting.rows, facts):
            result.held_since = waiting.since
            result.reasons = (
                f"{result.reasons} This is the {_ordinal(waiting.days + 1)} day in a row: it agrees "
                f"with what came since {waiting.since}."
            )
        return result

    def close(self, day: DayResult) -> None:
        """Make the accepted rows of a day, new or from before, the baseline of the next."""
        for (date, term), accepted in self._accepted.items():
            if date == day.date:
                self._accept(Rows(date, term, accepted.student_count))
        for result in day.terms:
            if not result.term:
                continue
            rows = Rows(day.date, result.term, result.facts.get("student_count", 0), is_staged=True)
            if result.status == ACCEPTED:
                self._accept(rows)
            elif result.held_since:
                self._wait(rows, result.held_since)

    def _accept(self, rows: Rows) -> None:
        self._last[rows.term] = rows
        self._of_batch.setdefault(rows.term, {})[rows.date] = rows
        self._waiting.pop(rows.term, None)

    def _wait(self, rows: Rows, since: dt.date) -> None:
        before = self._waiting.get(rows.term)
        days = before.days + 1 if before and before.since == since else 1
        self._waiting[rows.term] = _Waiting(rows, since, days)

    def _why_rejected(
        self, new: Rows, old: Rows | None, facts: dict[str, int], *, is_empty: bool
    ) -> str | None:
        baseline, expected = None, 0.0
        if old:
            retained = None
            if new.student_count and old.student_count >= self._settings.quality.reject_floor:
                retained = self._comparer.compare(new, old).retained
            baseline = Baseline(old.date, old.student_count, retained)
            expected = self._expected.named_loss(new, old)
        accepted = self._accepted.get((new.date, new.term))
        reasons = why_rejected(
            facts,
            baseline,
            self._settings.quality,
            is_empty=is_empty,
            expected_loss=expected,
            expected_students=lambda: self._expected.headcount(new),
            on_the_day=accepted.student_count if accepted else 0,
        )
        if reasons and facts["duplicate_count"] and new.is_staged:
            reasons += self._several_programs(new)
        return reasons

    def _several_programs(self, new: Rows) -> str:
        """What to do if rows repeat a student because a student may have several programs."""
        if self._settings.grain is Grain.registration or "program" not in self._settings.dimensions:
            return ""
        with plain_errors("Counting several rows"):
            found = self._connection.execute(
                statement("several_rows", self._settings), {"day": new.date, "term": new.term}
            ).fetchall()[0]
        count = found[self._settings.dimensions.index("program")]
        if not count:
            return ""
        who = "1 student has" if count == 1 else f"{count:,} students have"
        return (
            f"; {who} rows that differ in program: if that is right, set `grain: registration` in "
            f"{self._settings.path.name}."
        )

    def _why_held(self, new: Rows, old: Rows | None, facts: dict[str, int]) -> str | None:
        floor = max(self._settings.quality.reject_floor, 1)
        if old is None or old.student_count < floor or not new.student_count:
            return None
        return self._doubts.about(new, old, facts)

    def _agrees(self, new: Rows, waiting: Rows, facts: dict[str, int]) -> bool:
        """Whether a snapshot would be accepted if the one that waits had been."""
        if not new.student_count:
            return not waiting.student_count
        return not (
            self._why_rejected(new, waiting, facts, is_empty=False)
            or self._why_held(new, waiting, facts)
        )

    def _decided(
        self, date: dt.date, term: str, facts: dict[str, int], *, is_bad: bool
    ) -> TermResult | None:
        """What holds since a person decided about the same rows, or an older rule accepted them."""
        accepted = self._accepted.get((date, term))
        if is_bad and accepted and accepted.content_hash == self._hash(date, term):
            return TermResult(term, ACCEPTED, accepted.reasons, facts, accepted.decided_by)
        content_hash, reasons = self._rejected.get((date, term), (None, None))
        if content_hash and content_hash == self._hash(date, term):
            reason = f"the same rows were {reasons}; `enrollment accept` accepts them"
            return TermResult(term, REJECTED, reason, facts)
        return None

    def _accepted_days(self, term: str) -> dict[dt.date, Rows]:
        """The accepted snapshots of a term, stored or in this batch."""
        if term not in self._days:
            with plain_errors("Reading the log"):
                rows = self._connection.execute(
                    "SELECT snapshot_date, student_count FROM enrollment.snapshot_log "
                    "WHERE term = ? AND status = 'accepted'",
                    [term],
                ).fetchall()
            self._days[term] = {date: Rows(date, term, count) for date, count in rows}
        return {**self._days[term], **self._of_batch.get(term, {})}

    def _hash(self, date: dt.date, term: str) -> str | None:
        with plain_errors("Hashing the rows"):
            row = self._connection.execute(
                statement("staged_hash", self._settings), {"day": date, "term": term}
            ).fetchone()
        return row[0] if row else None


def _ordinal(number: int) -> str:
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
    if number <= len(words):
        return words[number - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 // 10 != 1 else "th"
    return f"{number}{ending}"
