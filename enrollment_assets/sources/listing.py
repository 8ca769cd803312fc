"""Chooses the files of each day from the listing of a folder."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from enrollment_assets.sources.arrivals import Arrival
from enrollment_assets.sources.naming import Naming, absent_parts, is_part


def age(file: Arrival) -> tuple[str, float, str]:
    """What makes one of several files of a day the newest: the time in its name, or else its own."""
    return (file.name.time if file.name else "", file.modified or 0, file.path)


def files_by_day(
    entries: Iterable[Mapping[str, Any]],
    naming: Naming,
    parts: str | tuple[str, ...] | None,
    *,
    name_of: Callable[[str], str],
    path_of: Callable[[dt.date], str] | None,
) -> dict[dt.date, Arrival]:
    """The newest file of each day, or one for each of its parts and terms; the days in order.

    `name_of` gives the name of a path as the pattern has it, `path_of` the path of a day where it is
    known.
    """
    by_day: dict[dt.date, dict[tuple[str, str], Arrival]] = {}
    for entry in entries:
        named = naming.read(name_of(entry["name"]))
        # A pipe or a device has neither type: reading its day says what it is.
        if named is None or entry.get("type") == "directory" or not is_part(parts, named.part):
            continue
        path = path_of(named.date) if path_of else entry["name"]
        file = replace(Arrival.of(path, dict(entry)), name=named)
        files = by_day.setdefault(named.date, {})
        key = (named.part or "", named.term or "")
        if key not in files or age(file) > age(files[key]):
            files[key] = file
    listed: dict[dt.date, Arrival] = {}
    before: set[str] = set()
    for date, files in sorted(by_day.items()):
        there = {part for part, _ in files}
        absent = absent_parts(parts, there, before)
        listed[date] = Arrival.of_day([files[key] for key in sorted(files)], absent)
        before = there | set(absent)
    return listed
