"""What operators ask: which days stand, what a day's figures are, and whether everything works."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support.ranges import as_ranges
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.derive import stale_days
from enrollment_assets.warehouse.statements import statement


@dataclass
class TermStatus:
    """The days of one term."""

    label: str
    accepted: list[dt.date] = field(default_factory=list)
    missing: list[dt.date] = field(default_factory=list)
    rejected: list[dt.date] = field(default_factory=list)
    stale: list[dt.date] = field(default_factory=list)

    @property
    def first(self) -> dt.date | None:
        """First accepted day."""
        return min(self.accepted, default=None)

    @property
    def last(self) -> dt.date | None:
        """Last accepted day."""
        return max(self.accepted, default=None)


def _rows(settings: Settings, name: str, **binds: Any) -> list[tuple[Any, ...]]:
    with Warehouse(settings).read() as connection, plain_errors(f"Reading {name}"):
        if connection is None:
            return []
        found: list[tuple[Any, ...]] = connection.execute(
            statement(name, settings), binds or None
        ).fetchall()
        return found


def _term_days(settings: Settings) -> list[tuple[Any, ...]]:
    """Every logged day: term, day, status, reasons, stale or not."""
    return _rows(settings, "term_days", first=settings.start_date, last=settings.today())


def days_status(settings: Settings) -> list[TermStatus]:
    """Each term's days; those that were never tried count as missing, up to today."""
    logged: dict[str, dict[dt.date, tuple[str, bool]]] = {}
    for term, day, verdict, _, stale in _term_days(settings):
        logged.setdefault(term, {})[day] = (verdict, stale)
    found = []
    today = settings.today()
    for term in settings.terms:
        days = logged.get(term.code, {})
        status = TermStatus(term.label)
        for day, (verdict, stale) in days.items():
            getattr(status, verdict).append(day)
            if stale:
                status.stale.append(day)
        if status.first:
            # Before its first snapshot a term may simply have nobody in it.
            end = min(term.ends, today)
            for offset in range((end - status.first).days + 1):
                day = status.first + dt.timedelta(offset)
                if day not in days and not settings.why_no_snapshot(day):
                    status.missing.append(day)
        status.missing.sort()
        found.append(status)
    return found


def days_not_accepted(
    settings: Settings, first: dt.date, last: dt.date, run_id: str
) -> dict[dt.date, tuple[str, str]]:
    """The days of which a term does not stand, or was refused by this run: status and reasons."""
    found: dict[dt.date, tuple[str, str]] = {}
    for day, term, verdict, reasons in _rows(
        settings, "not_accepted", first=first, last=last, run_id=run_id
    ):
        words = f"{reasons} ({term})" if verdict == "rejected" else str(reasons)
        found.setdefault(day, (verdict, words))
    return found


def final_until(settings: Settings) -> dict[str, dt.date]:
    """The terms of which snapshots were pruned, and the last day whose figures are final by that."""
    with Warehouse(settings).read() as connection:
        if connection is None:
            return {}
        with plain_errors("Reading what was pruned"):
            return dict(connection.execute("SELECT term, kept_from FROM frozen").fetchall())


def logged_days(settings: Settings, term: str) -> list[dt.date]:
    """The days on which the log has something of a term, in order."""
    return sorted(day for code, day, *_ in _term_days(settings) if code == term)


def days_to_take_in(settings: Settings, term: Term) -> list[dt.date]:
    """The days of a term that were never tried, and of which the source may have something."""
    source = source_for(settings)
    source.check()
    logged = set(logged_days(settings, term.code))
    first = max(term.registration_opens, settings.start_date)
    last = min(term.ends, settings.today())
    days = [first + dt.timedelta(offset) for offset in range((last - first).days + 1)]
    there = source.dates()
    return [
        day
        for day in days
        if day not in logged
        and not settings.why_no_snapshot(day)
        and (there is None or day in there)
    ]


def stale_ranges(
    settings: Settings, *, patience: float | None = None, insight: bool = False
) -> list[tuple[dt.date, dt.date]]:
    """The ranges of days whose figures, or whose `insight`, must be computed again, in order.

    Raises:
        WarehouseBusyError: if a run kept the warehouse for longer than `patience` (seconds).
    """
    with Warehouse(settings).read(patience) as connection:
        if connection is None:
            return []
        return as_ranges(list(stale_days(connection, settings, insight=insight)))


def last_read(settings: Settings, day: dt.date) -> float | None:
    """When a run last read something for a day, in seconds since 1970.

    Raises:
        WarehouseBusyError: if a run is writing just now.
    """
    with Warehouse(settings).read(patience=0) as connection:
        if connection is None:
            return None
        with plain_errors("Reading the attempts"):
            found = connection.execute(
                "SELECT max(epoch(attempted_at)) FROM operations.snapshot_attempts "
                "WHERE snapshot_date = ? AND status IN ('accepted', 'rejected') "
                "AND decided_by IS NULL",
                [day],
            ).fetchone()
    return found[0] if found else None


def accepted_between(settings: Settings, first: dt.date, last: dt.date) -> int:
    """How many days of a range stand."""
    rows = _term_days(settings)
    return len(
        {day for _, day, verdict, _, _ in rows if verdict == "accepted" and first <= day <= last}
    )


def last_accepted(settings: Settings) -> dt.date | None:
    """The newest day that stands."""
    days = [day for _, day, verdict, _, _ in _term_days(settings) if verdict == "accepted"]
    return max(days, default=None)


def headlines(settings: Settings, day: dt.date) -> list[tuple[Any, ...]]:
    """One row per term up to a day: see `headlines.sql`."""
    return _rows(settings, "headlines", day=day)
