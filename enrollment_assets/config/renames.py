"""What has another name since: values of dimensions (`mapping`), and merged IDs (`aliases`)."""

import csv
from collections.abc import Mapping
from pathlib import Path

from enrollment_assets.errors import ConfigurationError

_COLUMNS = 2


def followed(pairs: Mapping[str, str]) -> dict[str, str]:
    """Each old name with its newest one: A to B and B to C makes A to C.

    Raises:
        ValueError: if names lead back to themselves.
    """
    steps = {old: new for old, new in pairs.items() if old != new}
    newest = {}
    for old, new in steps.items():
        last, seen = new, {old}
        while last in steps:
            if last in seen:
                raise ValueError("names lead back to themselves")
            seen.add(last)
            last = steps[last]
        newest[old] = last
    return newest


def read_aliases(path: Path) -> dict[str, str]:
    """The merged IDs of a CSV file with a header and two columns: the old ID and the one that goes on.

    Raises:
        ConfigurationError: if the file cannot be read, or a line is no pair; the ID is not shown.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [[cell.strip() for cell in line] for line in csv.reader(file)][1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"aliases: {path} cannot be read ({type(error).__name__}); give a CSV file in UTF-8 with "
            "the columns old_id and new_id."
        ) from None
    pairs: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        if not any(line):
            continue
        if len(line) != _COLUMNS or not all(line):
            raise ConfigurationError(
                f"aliases: line {number} of {path} is not an old ID and a new one."
            )
        if pairs.setdefault(line[0], line[1]) != line[1]:
            raise ConfigurationError(
                f"aliases: line {number} of {path} gives an ID a second new one; leave one of them."
            )
    try:
        return followed(pairs)
    except ValueError:
        raise ConfigurationError(
            f"aliases: {path}: some IDs lead back to themselves; remove one of their lines."
        ) from None
