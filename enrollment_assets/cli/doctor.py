"""`enrollment doctor`: looks at everything that a run needs, and says what to do."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from enrollment_assets.cli.printing import console, plain
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.config.environment import ENV_FILE, open_to_others
from enrollment_assets.config.instance_home import SETTINGS_FILE, file_for
from enrollment_assets.errors import EnrollmentError
from enrollment_assets.orchestration.instance import instance, prepare_home
from enrollment_assets.publishing.alerts.delivery import addresses, check_addresses, undelivered
from enrollment_assets.publishing.exports.files import check_formats
from enrollment_assets.publishing.mail import delivery, smtp
from enrollment_assets.publishing.reports.page import read_logo
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support.files import make_private_folder
from enrollment_assets.warehouse.connection import Warehouse


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
        ("secrets", _look_at_secrets),
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


def _look_at_secrets(settings: Settings) -> str:
    path = open_to_others(settings.base)
    if path:
        raise EnrollmentError(f"{path} can be read by others than its owner: chmod 600 {path}")
    there = (settings.base / ENV_FILE).is_file()
    return f"from the environment{f' and {settings.base / ENV_FILE}' if there else ''}"


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


def _look_at_instance(settings: Settings) -> str:
    home = prepare_home(settings)
    with instance(settings) as found:
        kind = type(found.event_log_storage).__name__
        runs = found.get_runs_count()
    slow = (
        f"; range runs are slow: take `storage` from {file_for(settings.base, SETTINGS_FILE)}"
        if kind == "SqliteEventLogStorage"
        else ""
    )
    return f"{home}: {runs} runs, events in {kind}{slow}"


def _look_at_reports(settings: Settings) -> str:

    shown = "with the logo" if read_logo(settings) else "without a logo"
    return f"{settings.data_path / 'reports'}, {shown}"


def _look_at_exports(settings: Settings) -> str:
    check_formats(settings)
    return f"{settings.data_path / 'exports'}: {', '.join(settings.exports.formats) or 'none'}"


def _look_at_mail(settings: Settings) -> str:
    if not settings.email.enabled:
        return "off (email.enabled: false)"
    server = delivery.check(settings)
    smtp.check_login(server, settings.email.sender_domain)
    login = ", login accepted" if server.user else ""
    return f"to {len(settings.email.recipients)} recipients through {server.description}{login}"


def _look_at_alerts(settings: Settings) -> str:
    if not addresses(settings):
        return "none (set ALERT_URL to hear of failures)"
    number = check_addresses(settings)
    if words := undelivered(settings):
        raise EnrollmentError(words)
    return f"{number} addresses, nothing waits to be delivered"


@click.command()
def doctor() -> None:
    """Test configuration, source, warehouse, instance and mail.

    Each is OK, or the line says what to do.
    """
    healthy = True
    for finding in diagnose():
        healthy = healthy and finding.ok
        mark = "[green]OK[/]" if finding.ok else "[bold red]!![/]"
        console.print(f"{mark}  [bold]{finding.subject}[/]: {plain(finding.words)}")
    sys.exit(0 if healthy else 1)
