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

    Its rows come from quarantine, where they were kept.
    """
    _decide("accept", day, term, reason, by)


@click.command()
@decision_options
def reject(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Reject a snapshot that was accepted.

    Its rows are kept in quarantine.
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
        console.print(f"{day}: {kind}ed. What depends on it has been computed again.")
    sys.exit(1 if failed else 0)


@click.command()
@click.option("--date", "day", type=Day(), required=True, help="Day of the anomaly.")
@click.option("--term", required=True, help="Code of the term.")
@click.option("--reason", required=True, help="Why; kept in operations.acknowledged_anomalies.")
@click.option("--by", default=getpass.getuser, help="Who says so; your login if left out.")
def acknowledge(day: dt.date, term: str, reason: str, by: str) -> None:
    """Say why a day was unusual.

    Later days do not learn from it, and it is no longer reported as an anomaly.
    """
    settings = load_settings()
    check_days(settings, day)
    settings.term(term)
    with bars():
        outcome = running.acknowledge(settings, day, term, reason, by)
    failed = print_outcome(outcome, day)
    if outcome.success:
        console.print(f"{day}: acknowledged. Later days do not learn from it.")
    sys.exit(1 if failed else 0)
