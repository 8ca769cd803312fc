"""Commands that keep the place in order: prune."""

import sys

import click

from enrollment_assets.cli.outcome import print_outcome
from enrollment_assets.cli.printing import bars, console, plain
from enrollment_assets.cli.running import execute
from enrollment_assets.config import load_settings
from enrollment_assets.orchestration.instance import instance
from enrollment_assets.orchestration.retention import find_old
from enrollment_assets.pipeline.names import PRUNE
from enrollment_assets.warehouse.connection import Warehouse


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list what would go.")
def prune(dry_run: bool) -> None:
    """Remove what is older than the periods under `retention`.

    Figures that were derived before stay as they are.
    """
    settings = load_settings()
    today = settings.today()
    with bars(), instance(settings) as found, Warehouse(settings).read() as connection:
        words = find_old(connection, settings, found, today).in_words()
    if not words:
        console.print("Nothing is older than the periods under retention.")
        return
    console.print("Would go:" if dry_run else "Removing:")
    for what, how_much in words.items():
        console.print(f"  {plain(what)}: {how_much}")
    if not dry_run:
        outcome = execute(settings, PRUNE, ops={"prune": {"as_of": today.isoformat()}})
        sys.exit(1 if print_outcome(outcome, today) else 0)
