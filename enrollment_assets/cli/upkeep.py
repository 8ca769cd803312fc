"""Commands for upkeep: prune, backup, restore."""

import sys
from pathlib import Path

import click

from enrollment_assets.cli.outcome import print_outcome
from enrollment_assets.cli.printing import bars, console, plain
from enrollment_assets.cli.running import execute
from enrollment_assets.config import load_settings
from enrollment_assets.orchestration.instance import instance
from enrollment_assets.orchestration.retention import find_old
from enrollment_assets.pipeline.names import PRUNE
from enrollment_assets.warehouse import archive
from enrollment_assets.warehouse.connection import Warehouse


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def prune(dry_run: bool) -> None:
    """Remove data older than the periods under `retention`.

    Figures computed from removed snapshots are kept.
    """
    settings = load_settings()
    today = settings.today()
    with (
        bars(),
        instance(settings) as dagster_instance,
        Warehouse(settings).read() as connection,
    ):
        old = find_old(connection, settings, dagster_instance, today).summary()
    if not old:
        console.print("Nothing to prune.")
        return
    console.print("Would remove:" if dry_run else "Removing:")
    for what, how_much in old.items():
        console.print(f"  {plain(what)}: {how_much}")
    if not dry_run:
        outcome = execute(settings, PRUNE, ops={"prune": {"as_of": today.isoformat()}})
        sys.exit(1 if print_outcome(outcome, today) else 0)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write the warehouse, quarantined rows, lists and reports into one file.

    It waits for a run that is writing. The file holds students' data, and is for you alone.
    """
    settings = load_settings()
    with bars():
        size = archive.back_up(settings, file)
    console.print(f"{plain(str(file))}: {size / 2**20:,.1f} MB")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def restore(file: Path) -> None:
    """Put a backup in the place of what is there.

    What is there is moved into a folder beside it, and can be put back.
    """
    settings = load_settings()
    with bars():
        aside = archive.restore(settings, file)
    console.print(f"Restored. What was there before is in {plain(str(aside))}.")
    console.print(
        "`enrollment status` shows the days; a mail that was sent since may go out again."
    )
