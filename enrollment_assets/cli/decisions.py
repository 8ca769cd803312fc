"""Commands by which a person decides: accept, reject, acknowledge."""

import datetime as dt
import getpass
import sys

import click

from enrollment_assets.cli import running
from enrollment_assets.cli.options import Day, check_days, decision_options
from enrollment_assets.cli.outcome import print_outcome
from enrollment_assets.cli.printing import bars, console
from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind


@click.command()
@decision_options
def accept(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Accept a snapshot that was rejected.

    Its rows come from quarantine, where they were kept. Figures that depend on it are restated.
    """
    _decide("accept", day, term, reason, by)


@click.command()
@decision_options
def reject(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Reject a snapshot that was accepted.

    Its rows are kept in quarantine. Figures that depend on it are restated.
    """
    _decide("reject", day, term, reason, by)


def _decide(kind: str, day: dt.date, term: str | None, reason: str, by: str) -> None:
    settings = load_settings()
    check_days(settings, day)
    if term is not None:
        settings.term(term)
    with bars():
        outcome = running.decide(settings, day, DecisionKind(kind), term, reason, by)
    failed = print_outcome(outcome, day)
    if outcome.success:
        console.print(f"{day}: {kind}ed. Figures that depend on it have been restated.")
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
