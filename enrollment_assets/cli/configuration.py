"""The command `config`: what is configured, and where each value comes from."""

import click

from enrollment_assets.cli.printing import console, plain
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.config.origins import values, variables
from enrollment_assets.config.reference import SCHEMA_FILE
from enrollment_assets.errors import WarehouseBusyError
from enrollment_assets.pipeline.ingest.reconfigured import changes_to_come
from enrollment_assets.warehouse.connection import Warehouse


def _to_come(settings: Settings) -> list[str]:
    """What the next run will do with stored days; nothing while another one has the warehouse."""
    try:
        with Warehouse(settings).read(patience=0) as connection:
            return changes_to_come(connection, settings) if connection else []
    except WarehouseBusyError:
        return []


@click.command()
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@click.option("--schema", is_flag=True, help="Print the JSON schema for editors instead.")
def config(changed: bool, schema: bool) -> None:
    """Print what is configured, and where each value comes from. Secrets are hidden."""
    if schema:
        click.echo(SCHEMA_FILE.read_text(encoding="utf-8"), nl=False)
        return
    settings = load_settings()
    console.print(plain(f"# {settings.path}"))
    for value in values(settings):
        if not (changed and value.is_default):
            console.print(
                plain(f"{value.key}: {value.shown}") + f"  [dim]# {plain(value.origin)}[/]"
            )
    for sentence in _to_come(settings):
        console.print(plain(f"# Changed since the last run: {sentence}"))
    console.print("# Variables that are read by name")
    for value in variables():
        console.print(plain(f"{value.key}  # {value.origin}"))
