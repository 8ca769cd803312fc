"""The command that makes a folder to run in: init."""

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from enrollment_assets.cli.printing import console, plain
from enrollment_assets.config.reference import SCHEMA_FILE
from enrollment_assets.errors import ConfigurationError

_STARTER = "config/starter"
# A name with a dot in front would be left out of the package.
_RENAMED = {"gitignore": ".gitignore"}
_SCHEMA_LINE = "# yaml-language-server: $schema={}\n"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a folder to run in: configuration, Dagster's files, your own SQL.

    The configuration is that of the example university, for `enrollment demo`; edit it for your own.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is not empty; nothing was changed. Name a new folder.")
    try:
        written = write_starter(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.") from None
    for name in written:
        console.print(f"  {plain(str(folder / name))}")
    console.print(
        f"Next: [bold]cd {plain(str(folder))}[/], then [bold]enrollment demo[/] to see the example "
        "university, or edit enrollment.yaml and run [bold]enrollment doctor[/]."
    )


def _files_in(folder: Path) -> Iterator[Path]:
    # In a checkout the SQL is a link to the one that developers edit.
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(parent) / name for name in names)


def write_starter(folder: Path) -> list[str]:
    """Copy the starter files into a folder; returns their names."""
    starter = Path(str(files("enrollment_assets") / _STARTER))
    written = []
    for source in sorted(_files_in(starter)):
        relative = source.relative_to(starter)
        target = folder / relative.with_name(_RENAMED.get(relative.name, relative.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        if target.name == "enrollment.yaml":
            text = _SCHEMA_LINE.format(SCHEMA_FILE.name) + text
        target.write_text(text, encoding="utf-8")
        written.append(str(target.relative_to(folder)))
    (folder / SCHEMA_FILE.name).write_text(SCHEMA_FILE.read_text(encoding="utf-8"))
    return [*written, SCHEMA_FILE.name]
