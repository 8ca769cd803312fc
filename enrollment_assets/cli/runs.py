"""Commands that run the pipeline: demo, run, backfill, rebuild."""

import datetime as dt
import getpass
import sys

import click

from enrollment_assets.cli import example, running
from enrollment_assets.cli.options import Day, check_days
from enrollment_assets.cli.outcome import (
    print_headlines,
    print_outcome,
    print_run,
    send_alerts,
)
from enrollment_assets.cli.printing import bars, console
from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.errors import ConfigurationError, EnrollmentError
from enrollment_assets.pipeline.days import last_accepted
from enrollment_assets.pipeline.names import BACKFILL, CORE, DAILY, LENIENT_TAG, NOTIFY_TAG, REPORTS
from enrollment_assets.support import progress


@click.command()
@click.option("--until", type=Day(), default=None, help="Last day of the example.")
def demo(until: dt.date | None) -> None:
    """Build the example university and process all of its days."""
    settings = load_settings()
    _refuse_other_data(settings)
    until = min(until or example.UNTIL, settings.today())
    check_days(settings, until)
    with bars():
        total = (until - settings.start_date).days + 1
        folder = settings.base / settings.source.url
        with progress.task("making snapshots", total) as advance:
            example.generate(settings, folder, until=until, on_day=advance)
        outcome = execute_and_restate(settings, BACKFILL, settings.start_date, until)
    failed = print_run(settings, outcome, settings.start_date, until)
    day = last_accepted(settings)
    if day is None:
        raise ConfigurationError(
            "No day of the example was accepted; `enrollment status` shows the dates."
        )
    with bars():
        report = execute_and_restate(settings, REPORTS, day, day)
    failed = print_run(settings, report, day, day) or failed
    print_headlines(settings, day)
    console.print("[bold]enrollment ui[/] opens Dagster on the same data.")
    sys.exit(1 if failed else 0)


def _refuse_other_data(settings: Settings) -> None:
    """Refuse to fill a folder that is not the example's with made-up students."""
    if settings.source.url != example.FOLDER:
        raise ConfigurationError(
            f"source.url in {settings.path} is not {example.FOLDER}, and the demo would fill it "
            "with invented students; use `enrollment run` or `enrollment backfill` on your own data."
        )


@click.command()
@click.option("--date", "day", type=Day(), default=None, help="Day to process; default: today.")
@click.option(
    "--email", is_flag=True, help="Mail the report, and send alerts about what went wrong."
)
@click.option("--verbose", is_flag=True, help="Show Dagster's log.")
def run(day: dt.date | None, email: bool, verbose: bool) -> None:
    """Process one day.

    Loads its snapshot, computes all figures and writes the report. Stale days are restated.
    """
    settings = load_settings()
    day = day or settings.today()
    check_days(settings, day)
    if not email:
        with bars():
            outcome = execute_and_restate(settings, DAILY, day, day, verbose=verbose)
    else:
        try:
            with bars():
                tags = {NOTIFY_TAG: "email"}
                outcome = execute_and_restate(settings, DAILY, day, day, tags=tags, verbose=verbose)
        except EnrollmentError as error:  # before there was a run: no sensor would alert to it
            send_alerts(settings, day, str(error))
            raise
        send_alerts(settings, day, outcome)
    failed = print_run(settings, outcome, day, day)
    if outcome.success:
        print_headlines(settings, day)
    sys.exit(1 if failed else 0)


@click.command()
@click.option("--from", "first", type=Day(), required=True, help="First day.")
@click.option("--to", "last", type=Day(), required=True, help="Last day, included.")
@click.option(
    "--only",
    type=click.Choice(["core"]),
    default=None,
    help="Only snapshots, changes, metrics and segments; no comparisons, anomalies or forecasts.",
)
@click.option("--reports", is_flag=True, help="Also write charts and a report for each day.")
@click.option("--verbose", is_flag=True, help="Show Dagster's log.")
def backfill(first: dt.date, last: dt.date, only: str | None, reports: bool, verbose: bool) -> None:
    """Process a range of past days in one run.

    Days that cannot be loaded are listed and skipped. A backfill never sends mail.
    """
    settings = load_settings()
    if first > last:
        raise click.UsageError(f"--from {first} is after --to {last}.")
    if only and reports:
        raise click.UsageError("--only core leaves reports out; use either --only or --reports.")
    check_days(settings, first, last)
    with bars():
        job = DAILY if reports else CORE if only else BACKFILL
        outcome = execute_and_restate(
            settings, job, first, last, tags={LENIENT_TAG: "backfill"}, verbose=verbose
        )
    failed = print_run(settings, outcome, first, last)
    sys.exit(1 if failed else 0)


@click.command()
@click.option("--term", required=True, help="Code of the term whose dates were edited.")
@click.option("--by", default=getpass.getuser, help="Who asks for it; default: your login.")
def rebuild(term: str, by: str) -> None:
    """Restate a whole term after its dates were edited.

    Days outside the new dates are removed, new days are loaded, and the census is frozen again.
    """
    settings = load_settings()
    with bars():
        outcome = running.rebuild(settings, term, by)
    failed = print_outcome(outcome, settings.start_date)
    day = last_accepted(settings)
    if day and outcome.success:
        print_headlines(settings, day)
    sys.exit(1 if failed else 0)
