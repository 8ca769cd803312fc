"""The bridge between two headcounts of a term: the flows that account for the whole difference.

It reads what runs have stored and computes no figure of its own; figures that do not add up are an
error. No dagster here, no printing, and nothing about a single student.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import pairwise
from typing import Any

import duckdb

from enrollment_assets.config import Grain, Settings, Term
from enrollment_assets.errors import EnrollmentError
from enrollment_assets.schema.table import BLANK_SEGMENT
from enrollment_assets.support.ranges import as_ranges
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.derive import stale_days
from enrollment_assets.warehouse.statements import statement


@dataclass(frozen=True)
class Bridge:
    """From one total to another, in students; flows are summed over the days between.

    In grain `registration` the returning students of a segment are counted among its new ones.
    """

    before: int = 0
    new: int = 0
    returning: int = 0
    dropped: int = 0
    moved_in: int = 0
    moved_out: int = 0
    after: int = 0

    @property
    def change(self) -> int:
        """The second total less the first."""
        return self.after - self.before

    @property
    def adds_up(self) -> bool:
        """Whether the flows take the first total to the second."""
        added = self.new + self.returning + self.moved_in
        return self.before + added - self.dropped - self.moved_out == self.after

    def __add__(self, other: "Bridge") -> "Bridge":
        return Bridge(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Gap:
    """A change over more than one day: the days between, and why they have no snapshot."""

    baseline: dt.date
    date: dt.date
    why: dict[str, list[dt.date]]


@dataclass(frozen=True)
class People:
    """Two snapshots as sets: before - gone = stayed, stayed + joined = after.

    Of the additions summed over the days, `cancelled` belong to students who joined and left, or left
    and came back, in between; as many drops do. `passed_through` of these students are in neither
    snapshot.
    """

    before: int
    gone: int
    stayed: int
    joined: int
    after: int
    passed_through: int
    cancelled: int


@dataclass(frozen=True)
class Restatement:
    """A figure that changed after it was reported; None where there is no figure."""

    date: dt.date
    metric: str
    reported: int | None
    restated: int | None


@dataclass(frozen=True)
class Explanation:
    """The whole explanation. `first` and `last` are the snapshots used for the requested days."""

    term: Term
    first: dt.date
    last: dt.date
    total: Bridge
    moved: int
    people: People | None
    not_kept: list[dt.date]
    segments: dict[str, dict[str, Bridge]]
    unknown_dimensions: list[str]
    gaps: list[Gap]
    not_accepted: list[tuple[dt.date, str, str]]
    restated: list[Restatement]
    restated_segments: int


@dataclass(frozen=True)
class _Day:
    date: dt.date
    baseline: dt.date | None
    total: int
    new: int
    returning: int
    dropped: int
    moved: int


def explain(
    settings: Settings, term: Term, first: dt.date, last: dt.date, dimensions: Sequence[str]
) -> Explanation:
    """What changed the headcount of a term between a day and a later one, or the same one.

    A day without an accepted snapshot uses the latest earlier one.

    Raises:
        EnrollmentError: if there is none, if figures are stale, or if they do not add up.
    """
    with Warehouse(settings).read() as connection, plain_errors("Reading the figures"):
        if connection is None:
            raise EnrollmentError(
                f"{term.label} has no snapshot, because there is no warehouse yet; `enrollment run` or "
                "`enrollment backfill` creates it."
            )
        return _Reader(connection, settings, term).explain(first, last, list(dimensions))


class _Reader:
    """Reads everything from one connection, during which no run can write."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, term: Term
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._term = term

    def explain(self, asked: dt.date, until: dt.date, dimensions: list[str]) -> Explanation:
        days = self._days(asked, until)
        first, last = days[0].date, days[-1].date
        total = Bridge(
            days[0].total,
            sum(day.new for day in days[1:]),
            sum(day.returning for day in days[1:]),
            sum(day.dropped for day in days[1:]),
            after=days[-1].total,
        )
        people, not_kept = self._people(first, last, total)
        segments = self._segments(first, last, dimensions)
        # Nothing is known by a dimension with which not all of these days were read.
        dates = [day.date for day in days]
        known = self._known_dimensions(dates) if total.before else set(dimensions)
        unknown = [
            name
            for name, by_segment in segments.items()
            if name not in known or (total.before and not _sum(by_segment).before)
        ]
        for name in unknown:
            del segments[name]
        self._check_segments(segments, total, first, last)
        not_accepted = self._rows("explain_not_accepted", first=first, last=until)
        restated = self._rows(
            "explain_restatements", first=first, last=until, dimensions=dimensions
        )
        return Explanation(
            self._term,
            first,
            last,
            total,
            sum(day.moved for day in days[1:]),
            people,
            not_kept,
            segments,
            unknown,
            list(self._gaps(days, {day: verdict for day, verdict, _ in not_accepted})),
            not_accepted,
            [Restatement(row[0], *row[2:]) for row in restated if row[1] is None],
            sum(row[1] is not None for row in restated),
        )

    def _rows(self, name: str, **binds: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(
            statement(name, self._settings), {"term": self._term.code, **binds}
        ).fetchall()
        return rows

    def _known_dimensions(self, days: Sequence[dt.date]) -> set[str]:
        """The dimensions with which all of these days were read."""
        read = self._connection.execute(
            "SELECT read_with FROM enrollment.snapshot_log "
            "WHERE term = ? AND list_contains(?::DATE[], snapshot_date) AND read_with IS NOT NULL",
            [self._term.code, list(days)],
        ).fetchall()
        return set(self._settings.dimensions).intersection(*(names for (names,) in read))

    def _days(self, asked: dt.date, until: dt.date) -> list[_Day]:
        """The accepted days from the first snapshot to the last; each follows from the one before."""
        rows = self._rows("explain_days", first=asked, last=until)
        label = self._term.label
        if not rows or rows[0][0] > asked:
            its_first = f"; the first one is of {rows[0][0]}" if rows else ""
            raise EnrollmentError(
                f"{label} has no accepted snapshot on or before {asked if rows else until}{its_first}. "
                "`enrollment status` shows the dates."
            )
        stale = {
            date
            for date, terms in stale_days(self._connection, self._settings).items()
            if self._term.code in terms and rows[0][0] <= date <= rows[-1][0]
        } | {row[0] for row in rows if row[2] is None}
        if stale:
            ranges = [
                str(a) if a == b else f"{a} to {b}" for a, b in as_ranges(list(stale), gap_days=1)
            ]
            raise EnrollmentError(
                f"Figures of {label} are stale for {', '.join(ranges)}, because a snapshot they "
                "depend on has changed, so they would not add up. `enrollment run` restates them."
            )
        days = [_Day(*row) for row in rows]
        for was, now in pairwise(days):
            step = Bridge(was.total, now.new, now.returning, now.dropped, after=now.total)
            if now.baseline != was.date or not step.adds_up:
                raise self._broken(f"the total of {now.date}", was.date, step)
        return days

    def _broken(self, what: str, since: dt.date, bridge: Bridge) -> EnrollmentError:
        names = ("new", "returning", "dropped", "moved in", "moved out")
        flows = ", ".join(
            f"{n:,} {name}" for name, n in zip(names, astuple(bridge)[1:-1], strict=True)
        )
        return EnrollmentError(
            f"The figures of {self._term.label} do not add up: {what} is {bridge.after:,} and does not "
            f"follow from {bridge.before:,} on {since} with {flows}. `enrollment rebuild --term "
            f"{self._term.code}` restates the whole term."
        )

    def _people(
        self, first: dt.date, last: dt.date, total: Bridge
    ) -> tuple[People | None, list[dt.date]]:
        """The two snapshots as sets, or the days of them that were pruned."""
        ((before, gone, stayed, joined, after, passed),) = self._rows(
            "explain_people", first=first, last=last
        )
        stored = {first: (before, total.before), last: (after, total.after)}
        not_kept = [day for day, (there, expected) in stored.items() if expected and not there]
        if not_kept:
            return None, not_kept
        cancelled = total.new + total.returning - joined
        if (before, after) != (total.before, total.after) or cancelled < passed:
            raise self._broken(
                f"the number of students stored for {last}",
                first,
                Bridge(before, joined, dropped=gone, after=after),
            )
        return People(before, gone, stayed, joined, after, passed, cancelled), []

    def _segments(
        self, first: dt.date, last: dt.date, dimensions: list[str]
    ) -> dict[str, dict[str, Bridge]]:
        """Each dimension's segments, the largest change first."""
        segments: dict[str, dict[str, Bridge]] = {name: {} for name in dimensions}
        if not dimensions:
            return segments
        blank = {} if self._by_program else {"blank_segment": BLANK_SEGMENT}
        for dimension, segment, *figures in self._rows(
            "explain_segments", first=first, last=last, dimensions=dimensions, **blank
        ):
            segments[dimension][segment] = Bridge(*figures)
        return segments

    @property
    def _by_program(self) -> bool:
        return self._settings.grain is Grain.registration

    def _check_segments(
        self,
        segments: dict[str, dict[str, Bridge]],
        total: Bridge,
        first: dt.date,
        last: dt.date,
    ) -> None:
        for dimension, by_segment in segments.items():
            for segment, bridge in by_segment.items():
                if not bridge.adds_up:
                    raise self._broken(f"{dimension} {segment} on {last}", first, bridge)
            whole = _sum(by_segment)
            # A student with several programs counts in each: only then may segments exceed the term.
            if not self._by_program and (
                whole.moved_in != whole.moved_out
                or replace(whole, moved_in=0, moved_out=0) != total
            ):
                raise self._broken(f"the sum by {dimension} on {last}", first, whole)

    def _gaps(self, days: list[_Day], verdicts: dict[dt.date, str]) -> Iterator[Gap]:
        for was, now in pairwise(days):
            why: dict[str, list[dt.date]] = {}
            for offset in range(1, (now.date - was.date).days):
                date = was.date + dt.timedelta(offset)
                why.setdefault(verdicts.get(date) or self._why_not_tried(date), []).append(date)
            if why:
                yield Gap(was.date, now.date, why)

    def _why_not_tried(self, date: dt.date) -> str:
        if date in self._settings.calendar.closures:
            return "closed"
        return "weekend" if self._settings.why_no_snapshot(date) else "never run"


def _sum(segments: dict[str, Bridge]) -> Bridge:
    return sum(segments.values(), Bridge())
