"""Commands by which a person decides: accept, reject, acknowledge."""

import datetime as dt
import getpass
import sys

import click

from enrollment_assets.cli import running
from enrollment_assets.cli.options import Day, check_days, decision_options
from enrollment_assets.cli.outcome import print_headlines, print_outcome, send_alerts
from enrollment_assets.cli.printing import bars, console, plain
from enrollment_assets.config import load_settings
from enrollment_assets.errors import SnapshotMissingError
from enrollment_assets.pipeline.days import others_waiting, waiting_since
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.support.ranges import ranges


@click.command()
@decision_options(several_days=True)
def accept(
    day: dt.date | None, since: dt.date | None, term: str | None, reason: str, by: str
) -> None:
    """Accept a snapshot that was held or rejected.

    Its rows come from quarantine, where they were kept. Figures that depend on it are restated, and the
    day's report is written. If it is the newest day, its report is mailed as on any morning.
    """
    settings = load_settings()
    first = day or since
    if first is None or (day and since):
        raise click.UsageError("Give either --date or --from.")
    check_days(settings, first)
    if term is not None:
        settings.term(term)
    days = [first] if day else waiting_since(settings, first, term)
    if not days:
        raise SnapshotMissingError(
            f"No held or rejected snapshot waits since {first}; `enrollment status` shows the dates."
        )
    with bars():
        outcome, is_mailed = running.accept(settings, days, term, reason, by)
    if is_mailed:
        send_alerts(settings, days[-1], outcome)
    failed = print_outcome(outcome, days[-1])
    if outcome.success:
        console.print(f"{ranges(days)}: accepted. Figures that depend on it have been restated.")
        for waiting, verdict in others_waiting(settings, days).items():
            console.print(f"{waiting} has no report yet: {plain(verdict)}.")
        print_headlines(settings, days[-1])
    sys.exit(1 if failed else 0)


@click.command()
@decision_options()
def reject(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Reject a snapshot that was accepted, or discard one that is held.

    Its rows are kept in quarantine. Figures that depend on it are restated.
    """
    settings = load_settings()
    check_days(settings, day)
    if term is not None:
        settings.term(term)
    with bars():
        outcome = running.decide(settings, day, DecisionKind.reject, term, reason, by)
    failed = print_outcome(outcome, day)
    if outcome.success:
        console.print(f"{day}: rejected. Figures that depend on it have been restated.")
    sys.exit(1 if failed else 0)


@click.command()
@click.option("--date", "day", type=Day(), required=True, help="Day of the anomaly.")
@click.option("--term", required=True, help="Code of the term.")
@click.option("--reason", required=True, help="Why; kept in operations.acknowledged_anomalies.")
@click.option("--by", default=getpass.getuser, help="Who says so; default: your login.")
def acknowledge(day: dt.date, term: str, reason: str, by: str) -> None:
    """Explain an anomaly.

    It is no longer reported as an anomaly, and the expected range of later days ignores it.
    """
    settings = load_settings()
    check_days(settings, day)
    settings.term(term)
    with bars():
        outcome = running.acknowledge(settings, day, term, reason, by)
    failed = print_outcome(outcome, day)
    if outcome.success:
        console.print(f"{day}: acknowledged. The expected range of later days ignores it.")
    sys.exit(1 if failed else 0)
