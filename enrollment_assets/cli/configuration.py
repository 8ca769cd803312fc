"""The command `config`: what is configured, and where each value comes from."""

import click

from enrollment_assets.cli.printing import console, plain
from enrollment_assets.config import load_settings
from enrollment_assets.config.origins import values, variables
from enrollment_assets.config.reference import SCHEMA_FILE


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
    console.print("# Variables that are read by name")
    for value in variables():
        console.print(plain(f"{value.key}  # {value.origin}"))
