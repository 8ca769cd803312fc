"""What operators ask: which days stand, what a day's figures are, and whether everything works."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from enrollment_assets import delivery, mailer
from enrollment_assets.alerts import addresses, check_addresses, waiting
from enrollment_assets.config import Settings, Term, load_settings
from enrollment_assets.errors import EnrollmentError
from enrollment_assets.sources.base import source_for
from enrollment_assets.warehouse.connection import Warehouse, make_private_folder, plain_errors
from enrollment_assets.warehouse.derive import as_ranges, stale_days
from enrollment_assets.warehouse.exports import check_formats
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


def why_held(warehouse: Warehouse, day: dt.date, run_id: str) -> str | None:
    """Why a day must not be reported as it is: some term of it is missing, or was refused just now.

    Earlier rows may stand where a new extract is refused: they are kept, and not reported anew.
    """
    with warehouse.connect() as connection, plain_errors("Reading the log"):
        rows = connection.execute(
            "SELECT term, status, reasons FROM enrollment.snapshot_log "
            "WHERE snapshot_date = $day AND status <> 'accepted' "
            "UNION SELECT term, status, reasons FROM operations.snapshot_attempts "
            "WHERE snapshot_date = $day AND run_id = $run_id AND term IS NOT NULL "
            "AND status IN ('rejected', 'missing') ORDER BY term",
            {"day": day, "run_id": run_id},
        ).fetchall()
    return "; ".join(f"{term} {status}: {reasons}" for term, status, reasons in rows) or None


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
    """One row per term up to a day: see `sql/warehouse/headlines.sql`."""
    return _rows(settings, "headlines", day=day)


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at: fine, or what to do."""

    subject: str
    ok: bool
    words: str


def diagnose() -> Iterator[Diagnosis]:
    """Look at everything a run needs, one after the other."""
    try:
        settings = load_settings()
    except EnrollmentError as error:
        yield Diagnosis("configuration", False, str(error))
        return
    yield Diagnosis(
        "configuration",
        True,
        f"{settings.path}: {len(settings.terms)} term{'s'[: len(settings.terms) - 1]} from "
        f"{settings.start_date}, grain {settings.grain}",
    )
    looks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("source", _look_at_source),
        ("warehouse", _look_at_warehouse),
        ("instance", _look_at_instance),
        ("reports", _look_at_reports),
        ("exports", _look_at_exports),
        ("mail", _look_at_mail),
        ("alerts", _look_at_alerts),
    )
    for subject, look in looks:
        try:
            yield Diagnosis(subject, True, look(settings))
        except EnrollmentError as error:
            yield Diagnosis(subject, False, str(error))


def _look_at_source(settings: Settings) -> str:
    today = settings.today()
    # Between terms a look at today would find nobody.
    ends = [term.ends for term in settings.terms if term.ends < today]
    day = today if settings.open_terms(today) or not ends else max(ends)
    look = source_for(settings).look(day)
    # A look that got here found every mapped column; what else is there may be worth reading, too.
    mapped = {theirs.casefold() for theirs in settings.columns.values()}
    others = [name for name in look.columns if name.casefold() not in mapped]
    read = [
        ours if ours == theirs else f"{theirs} as {ours}"
        for ours, theirs in settings.columns.items()
    ]
    if not look.rows:
        raise EnrollmentError(
            f"{look.where} has no rows for {day}: see whether the extract has run, and whether a "
            "filter is too narrow."
        )
    return (
        f"{look.where}; {look.rows:,} rows{'' if look.is_all else ' or more'}\n"
        f"    read: {', '.join(read)}\n    not read: {', '.join(others) or 'nothing else'}"
    )


def _look_at_warehouse(settings: Settings) -> str:
    warehouse = Warehouse(settings)
    with warehouse.read() as connection:
        if connection is None:
            make_private_folder(warehouse.path.parent)
            return f"{warehouse.path}: not there yet; the first run makes it"
        rows = connection.execute("SELECT count(*) FROM enrollment.enrollment_snapshots").fetchone()
        found = connection.execute(
            "SELECT DISTINCT term FROM enrollment.snapshot_log WHERE status = 'accepted' ORDER BY term"
        ).fetchall()
    size = warehouse.path.stat().st_size / 2**20
    held = [code for (code,) in found]
    # What is found after `enrollment demo`, mostly; terms that are over may be left out, too.
    others = (
        f"\n    of none of the configured terms, but of {', '.join(held[-5:])}: if these are the "
        f"example's, remove {warehouse.path.parent}, or name another folder as data_dir"
        if held and not set(held) & {term.code for term in settings.terms}
        else ""
    )
    return f"{warehouse.path}: {rows[0] if rows else 0:,} snapshot rows, {size:.0f} MB{others}"


def _look_at_instance(_settings: Settings) -> str:
    from enrollment_assets.execution import instance, prepare_home

    home = prepare_home()
    with instance() as found:
        kind = type(found.event_log_storage).__name__
        runs = found.get_runs_count()
    slow = (
        "" if kind != "SqliteEventLogStorage" else "; copy dagster.yaml there: range runs are slow"
    )
    return f"{home}: {runs} runs, events in {kind}{slow}"


def _look_at_reports(settings: Settings) -> str:
    from enrollment_assets.reporting.page import read_logo

    shown = "with the logo" if read_logo(settings) else "without a logo"
    return f"{settings.data_path / 'reports'}, {shown}"


def _look_at_exports(settings: Settings) -> str:
    check_formats(settings)
    return f"{settings.data_path / 'exports'}: {', '.join(settings.exports.formats) or 'none'}"


def _look_at_mail(settings: Settings) -> str:
    if not settings.email.enabled:
        return "off (email.enabled: false)"
    server = delivery.check(settings)
    mailer.look(server, settings.email.sender_domain)
    login = ", login accepted" if server.user else ""
    return f"to {len(settings.email.recipients)} recipients through {server.words}{login}"


def undelivered(settings: Settings) -> str | None:
    """That alerts wait since a time, for some address did not take them; None where all is told."""
    news, since = waiting(settings)
    if not news:
        return None
    number = "1 alert has" if len(news) == 1 else f"{len(news)} alerts have"
    return (
        f"{number} not been delivered since {since}, the oldest: {news[0]} Correct "
        "alerts.urls, or mend the service behind it; the daemon tries again every half minute."
    )


def _look_at_alerts(settings: Settings) -> str:
    if not addresses(settings):
        return "none (set ALERT_URL to hear of failures)"
    number = check_addresses(settings)
    if words := undelivered(settings):
        raise EnrollmentError(words)
    return f"{number} addresses, nothing waits to be delivered"
