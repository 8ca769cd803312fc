"""`enrollment doctor`: tests everything that a run needs, and says what to do."""

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from enrollment_assets.cli.printing import console, plain
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.config.environment import ENV_FILE, open_to_others
from enrollment_assets.config.instance_home import SETTINGS_FILE, file_for
from enrollment_assets.config.terms import term_to_come
from enrollment_assets.errors import EnrollmentError
from enrollment_assets.orchestration.instance import instance, prepare_home
from enrollment_assets.orchestration.ticks import failing_ticks, in_words, silent_since
from enrollment_assets.pipeline.ingest.reconfigured import changes_to_come
from enrollment_assets.publishing.alerts.delivery import (
    addresses,
    check_addresses,
    deliver,
    undelivered,
)
from enrollment_assets.publishing.alerts.news import News
from enrollment_assets.publishing.exports.files import check_formats
from enrollment_assets.publishing.mail import delivery, smtp
from enrollment_assets.publishing.reports.page import read_logo
from enrollment_assets.schema.metric_files import custom_metrics, metric_faults
from enrollment_assets.sources.columns import first_there
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support.files import make_private_folder
from enrollment_assets.warehouse.connection import Warehouse


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was tested: fine, or what to do."""

    subject: str
    ok: bool
    message: str


def diagnose(send_to: str | None = None, *, send: bool = False) -> Iterator[Diagnosis]:
    """Test everything a run needs, one after the other.

    With `send`, a mail goes to `send_to` (by default to `email.from`) and an alert to `alerts.urls`.
    """
    try:
        settings = load_settings()
    except EnrollmentError as error:
        yield Diagnosis("configuration", False, str(error))
        return
    to_come = term_to_come(settings.terms, settings.today())
    yield Diagnosis(
        "configuration",
        True,
        f"{settings.path}: {len(settings.terms)} term{'s'[: len(settings.terms) - 1]} from "
        f"{settings.start_date}, grain {settings.grain}" + (f"\n    {to_come}" if to_come else ""),
    )
    tests: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("secrets", _test_secrets),
        ("source", _test_source),
        ("metrics", _test_metrics),
        ("warehouse", _test_warehouse),
        ("instance", _test_instance),
        ("reports", _test_reports),
        ("exports", _test_exports),
        ("mail", _test_mail),
        ("alerts", _test_alerts),
        ("daemon", _test_daemon),
    )
    if send:
        tests += (
            ("test mail", lambda settings: _send_mail(settings, send_to)),
            ("test alert", _send_alert),
        )
    for subject, test in tests:
        try:
            yield Diagnosis(subject, True, test(settings))
        except EnrollmentError as error:
            yield Diagnosis(subject, False, str(error))


def _test_secrets(settings: Settings) -> str:
    path = open_to_others(settings.base)
    if path:
        raise EnrollmentError(f"Other users can read {path}; run: chmod 600 {path}")
    there = (settings.base / ENV_FILE).is_file()
    return f"from the environment{f' and {settings.base / ENV_FILE}' if there else ''}"


def _test_source(settings: Settings) -> str:
    today = settings.today()
    # Between terms, today has nobody enrolled.
    ends = [term.ends for term in settings.terms if term.ends < today]
    day = today if settings.open_terms(today) or not ends else max(ends)
    probe = source_for(settings).probe(day)
    # A probe that got here has every mapped column; the others may be worth reading, too.
    mapped = {name.casefold() for names in settings.source_columns.values() for name in names}
    others = [name for name in probe.columns if name.casefold() not in mapped]
    header = [name.casefold() for name in probe.columns]
    read = []
    for ours, names in settings.source_columns.items():
        theirs = first_there([name.casefold() for name in names], header, names)
        read.append(ours if ours == theirs else f"{theirs} as {ours}")
    if not probe.rows:
        raise EnrollmentError(
            f"{probe.where} has no rows for {day}; check whether the extract has run and whether a "
            "filter is too narrow."
        )
    return (
        f"{probe.where}; {probe.rows:,} rows{'' if probe.is_all else ' or more'}\n"
        f"    columns read: {', '.join(read)}\n    columns not read: {', '.join(others) or 'none'}"
    )


def _test_metrics(settings: Settings) -> str:
    if faults := metric_faults(settings):
        raise EnrollmentError(
            f"{' '.join(faults.values())} The other metrics and the report go on without."
        )
    return f"{', '.join(custom_metrics(settings)) or 'none'} in {settings.metrics_path}"


def _test_warehouse(settings: Settings) -> str:
    warehouse = Warehouse(settings)
    with warehouse.read() as connection:
        if connection is None:
            make_private_folder(warehouse.path.parent)
            return f"{warehouse.path}: does not exist yet; the first run creates it"
        rows = connection.execute("SELECT count(*) FROM enrollment.enrollment_spells").fetchone()
        accepted = connection.execute(
            "SELECT DISTINCT term FROM enrollment.snapshot_log WHERE status = 'accepted' ORDER BY term"
        ).fetchall()
        to_come = changes_to_come(connection, settings)
    size = warehouse.path.stat().st_size / 2**20
    stored_terms = [code for (code,) in accepted]
    # Usually the leftovers of `enrollment demo`; past terms may be absent from a configuration, too.
    others = (
        "\n    these rows belong to terms that are not configured "
        f"({', '.join(stored_terms[-5:])}); if they are the example's, remove {warehouse.path.parent} "
        "or set another data_dir"
        if stored_terms and not set(stored_terms) & {term.code for term in settings.terms}
        else ""
    )
    return (
        f"{warehouse.path}: {rows[0] if rows else 0:,} stored rows, {size:.0f} MB{others}"
        + "".join(f"\n    {sentence}" for sentence in to_come)
    )


def _test_instance(settings: Settings) -> str:
    home = prepare_home(settings)
    with instance(settings) as dagster_instance:
        kind = type(dagster_instance.event_log_storage).__name__
        runs = dagster_instance.get_runs_count()
    slow = (
        f"; range runs are slow: copy `storage` from {file_for(settings.base, SETTINGS_FILE)}"
        if kind == "SqliteEventLogStorage"
        else ""
    )
    return f"{home}: {runs} runs, events in {kind}{slow}"


def _test_reports(settings: Settings) -> str:

    shown = "with the logo" if read_logo(settings) else "without a logo"
    return f"{settings.data_path / 'reports'}, {shown}"


def _test_exports(settings: Settings) -> str:
    check_formats(settings)
    return f"{settings.data_path / 'exports'}: {', '.join(settings.exports.formats) or 'none'}"


def _test_mail(settings: Settings) -> str:
    if not settings.email.enabled:
        return "off (email.enabled: false)"
    server = delivery.check(settings)
    smtp.check_login(server, settings.email.sender_domain)
    login = ", login accepted" if server.user else ""
    return f"{len(settings.email.recipients):,} recipients through {server.description}{login}"


def _test_alerts(settings: Settings) -> str:
    if not addresses(settings):
        return "off (set ALERT_URL to be alerted to failures)"
    number = check_addresses(settings)
    if problem := undelivered(settings):
        raise EnrollmentError(problem)
    return f"{number} addresses, no undelivered alerts"


def _test_daemon(settings: Settings) -> str:
    with instance(settings) as dagster_instance:
        failing, silent = failing_ticks(dagster_instance), silent_since(dagster_instance)
    if failing:
        raise EnrollmentError("; ".join(map(str, failing)))
    return f"no sensor or schedule fails{f'; {in_words(silent)}' if silent else ''}"


def _send_mail(settings: Settings, address: str | None) -> str:
    if not settings.email.sender:
        return "off (set email.from)"
    recipient = address or settings.email.sender
    delivery.send_test(settings, recipient)
    return f"sent to {recipient}; it should arrive within a minute"


def _send_alert(settings: Settings) -> str:
    if not addresses(settings):
        return "off (set ALERT_URL to be alerted to failures)"
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    number = deliver(settings, [News(f"test {at}", "test", "This is a test. Nothing is wrong.")])
    return f"sent to {number} address{'es' if number != 1 else ''}"


@click.command()
@click.option("--send", is_flag=True, help="Also send a test mail and a test alert.")
@click.option("--to", "address", default=None, help="Who gets the test mail; default: email.from.")
def doctor(send: bool, address: str | None) -> None:
    """Test configuration, source, warehouse, Dagster, mail and alerts.

    Each line says OK, or what to do.
    """
    if address and not send:
        raise click.UsageError("--to goes with --send.")
    healthy = True
    for diagnosis in diagnose(address, send=send):
        healthy = healthy and diagnosis.ok
        mark = "[green]OK[/]" if diagnosis.ok else "[bold red]!![/]"
        console.print(f"{mark}  [bold]{diagnosis.subject}[/]: {plain(diagnosis.message)}")
    sys.exit(0 if healthy else 1)
