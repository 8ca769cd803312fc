"""The command about the official count of a term."""

import datetime as dt
import getpass
import sys

import click

from enrollment_assets.cli import running
from enrollment_assets.cli.options import Day, check_days
from enrollment_assets.cli.outcome import print_outcome
from enrollment_assets.cli.printing import bars, console, plain
from enrollment_assets.config import Settings, Term, load_settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.warehouse.connection import Warehouse, plain_errors


@click.command()
@click.option("--term", "code", required=True, help="Code of the term.")
@click.option("--confirm", is_flag=True, help="Freeze the last accepted day up to the census.")
@click.option("--date", "day", type=Day(), default=None, help="Freeze this day's snapshot instead.")
@click.option("--reason", default=None, help="Why; kept in operations.census_decisions.")
@click.option("--by", default=getpass.getuser, help="Who decides; default: your login.")
def census(code: str, confirm: bool, day: dt.date | None, reason: str | None, by: str) -> None:
    """Show, confirm or move the official count of a term.

    Without --confirm or --date it shows what is frozen. Comparisons, persistence and exports follow a
    decision, and a rerun does not undo it.
    """
    settings = load_settings()
    term = settings.term(code)
    if confirm and day:
        raise click.UsageError("Give either --confirm or --date.")
    if not (confirm or day):
        show(settings, term)
        return
    if not (reason and reason.strip()):
        raise click.UsageError("Say why with --reason; it is kept.")
    if term.census > settings.today():
        raise ConfigurationError(
            f"The census of {term.label} is on {term.census}, which is still to come."
        )
    if day:
        check_days(settings, day)
    with bars():
        outcome = running.census(settings, code, day, reason, by)
    failed = print_outcome(outcome, term.census)
    if outcome.success:
        show(settings, term)
    sys.exit(1 if failed else 0)


def show(settings: Settings, term: Term) -> None:
    """Print the frozen count of a term, and who decided about it."""
    with Warehouse(settings).read() as connection, plain_errors("Reading the census"):
        frozen = (
            connection
            and connection.execute(
                "SELECT snapshot_date, student_count FROM operations.census_snapshots WHERE term = ?",
                [term.code],
            ).fetchone()
        )
        decisions = (
            connection.execute(
                "SELECT decided_at::DATE, decided_by, snapshot_date, student_count, reason "
                "FROM operations.census_decisions WHERE term = ? ORDER BY decided_at",
                [term.code],
            ).fetchall()
            if connection
            else []
        )
    if not frozen:
        console.print(f"{term.label}: the census of {term.census} is not frozen.")
        return
    console.print(
        f"{term.label}: {frozen[1]:,} {plain(settings.vocabulary.students)}, frozen from the snapshot "
        f"of {frozen[0]} for the census of {term.census}."
    )
    for at, by, snapshot, number, reason in decisions:
        console.print(f"  {at} {plain(by)}: {number:,} of {snapshot}. {plain(reason)}")
