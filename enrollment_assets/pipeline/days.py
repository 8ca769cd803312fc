"""Questions about days: which are accepted, missing or stale, and what their figures are."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from enrollment_assets.config import Settings, Term
from enrollment_assets.pipeline.ingest.verdicts import ACCEPTED, HELD, MISSING, REJECTED
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support.ranges import as_ranges
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.derive import stale_days
from enrollment_assets.warehouse.logic import load_code_versions
from enrollment_assets.warehouse.statements import statement


@dataclass
class TermStatus:
    """The days of one term."""

    label: str
    accepted: list[dt.date] = field(default_factory=list)
    missing: list[dt.date] = field(default_factory=list)
    held: list[dt.date] = field(default_factory=list)
    rejected: list[dt.date] = field(default_factory=list)
    stale: list[dt.date] = field(default_factory=list)

    def of(self, day: dt.date) -> str:
        """What a day is: accepted, held, rejected or missing."""
        for name in (ACCEPTED, HELD, REJECTED):
            if day in getattr(self, name):
                return name
        return MISSING

    @property
    def first(self) -> dt.date | None:
        """First accepted day."""
        return min(self.accepted, default=None)

    @property
    def last(self) -> dt.date | None:
        """Last accepted day."""
        return max(self.accepted, default=None)


def complete_days(
    connection: duckdb.DuckDBPyConnection, settings: Settings, days: Sequence[dt.date]
) -> list[dt.date]:
    """The days that have figures: some term is accepted, or no extract was expected."""
    with plain_errors("Reading the log"):
        rows = connection.execute(
            "SELECT DISTINCT snapshot_date FROM enrollment.snapshot_log "
            "WHERE status = 'accepted' AND snapshot_date BETWEEN ? AND ?",
            [days[0], days[-1]],
        ).fetchall()
    accepted = {day for (day,) in rows}
    return [day for day in days if day in accepted or settings.why_no_snapshot(day)]


def _rows(settings: Settings, name: str, **binds: Any) -> list[tuple[Any, ...]]:
    with Warehouse(settings).read() as connection, plain_errors(f"Reading {name}"):
        if connection is None:
            return []
        load_code_versions(connection, settings)
        rows: list[tuple[Any, ...]] = connection.execute(
            statement(name, settings), binds or None
        ).fetchall()
        return rows


def stale_formulas(settings: Settings) -> dict[str, tuple[dt.date, dt.date]]:
    """The tables of which some days were computed by another formula than today's: first and last."""
    rows = _rows(settings, "stale_formulas", start=settings.start_date)
    return {table: (first, last) for table, first, last in rows}


def _term_days(settings: Settings) -> list[tuple[Any, ...]]:
    """Every logged day: term, day, status, reasons, stale or not."""
    return _rows(settings, "term_days", first=settings.start_date, last=settings.today())


def days_status(settings: Settings) -> list[TermStatus]:
    """Each term's days; those that were never tried count as missing, up to today."""
    logged: dict[str, dict[dt.date, tuple[str, bool]]] = {}
    for term, day, verdict, _, stale in _term_days(settings):
        logged.setdefault(term, {})[day] = (verdict, stale)
    statuses = []
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
        statuses.append(status)
    return statuses


def days_not_accepted(
    settings: Settings, first: dt.date, last: dt.date, run_id: str
) -> dict[dt.date, tuple[str, str]]:
    """The days with a term that is not accepted, or was rejected by this run: status and reasons."""
    not_accepted: dict[dt.date, tuple[str, str]] = {}
    for day, term, verdict, reasons in _rows(
        settings, "not_accepted", first=first, last=last, run_id=run_id
    ):
        why = str(reasons) if verdict == MISSING else f"{verdict}: {reasons} ({term})"
        not_accepted.setdefault(day, (verdict, why))
    return not_accepted


def waiting_since(settings: Settings, first: dt.date, term: str | None) -> list[dt.date]:
    """The days that wait for a person and agree with what came on the first of them, in order."""
    rows = _rows(settings, "waiting_since", first=first, term=term)
    return sorted({day for day, _ in rows})


def others_waiting(
    settings: Settings, days: Sequence[dt.date], but: Sequence[str] = ()
) -> dict[dt.date, str]:
    """The days with a term, except some, that has no accepted snapshot: which, and its status."""
    waiting: dict[dt.date, str] = {}
    for day in days:
        for _, term, verdict, _ in _rows(settings, "not_accepted", first=day, last=day, run_id=""):
            if term not in but:
                waiting[day] = f"{term} is {verdict}"
    return waiting


def final_until(settings: Settings) -> dict[str, dt.date]:
    """The terms whose snapshots were pruned, and the last day whose figures are final therefore."""
    with Warehouse(settings).read() as connection:
        if connection is None:
            return {}
        with plain_errors("Reading what was pruned"):
            return dict(connection.execute("SELECT term, kept_from FROM frozen").fetchall())


def logged_days(settings: Settings, term: str) -> list[dt.date]:
    """The days that the log has for a term, in order."""
    return sorted(day for code, day, *_ in _term_days(settings) if code == term)


def days_to_load(settings: Settings, term: Term) -> list[dt.date]:
    """The days of a term that were never tried and that the source may have."""
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
    """The ranges of days whose figures, or whose `insight`, must be restated, in order.

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
            row = connection.execute(
                "SELECT max(epoch(attempted_at)) FROM operations.snapshot_attempts "
                "WHERE snapshot_date = ? AND status IN ('accepted', 'held', 'rejected') "
                "AND decided_by IS NULL",
                [day],
            ).fetchone()
    return row[0] if row else None


def accepted_between(settings: Settings, first: dt.date, last: dt.date) -> int:
    """How many days of a range are accepted."""
    rows = _term_days(settings)
    return len(
        {day for _, day, verdict, _, _ in rows if verdict == "accepted" and first <= day <= last}
    )


def last_accepted(settings: Settings) -> dt.date | None:
    """The newest accepted day."""
    days = [day for _, day, verdict, _, _ in _term_days(settings) if verdict == "accepted"]
    return max(days, default=None)


def headlines(settings: Settings, day: dt.date) -> list[tuple[Any, ...]]:
    """One row per term up to a day: see `headlines.sql`."""
    return _rows(settings, "headlines", day=day)
