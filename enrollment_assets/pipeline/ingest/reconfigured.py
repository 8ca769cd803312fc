"""What will happen with stored days since the configuration changed, in words, before it happens."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.ingest.renames import applied, configured


@dataclass(frozen=True)
class _About:
    """What sentences need beside a key's two values: today's keys, and how to read days again."""

    now: dict[str, Any]
    again: str


def changes_to_come(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[str]:
    """One sentence for each key that has changed since a run applied the configuration.

    Raises:
        ConfigurationError: if the file of merged IDs cannot be read.
    """
    before = {key: json.loads(value) for key, value in applied(connection).items()}
    if not before:
        return []
    now = {key: json.loads(value) for key, value in configured(settings).items()}
    first, last = connection.execute(
        "SELECT min(snapshot_date), max(snapshot_date) FROM enrollment.snapshot_log"
    ).fetchall()[0]
    about = _About(
        now,
        "to read them again, if the source still has them, run "
        f"`enrollment backfill --from {first} --to {last}`",
    )
    changed = {key: (before.get(key), now[key]) for key in now if before.get(key) != now[key]}
    return [
        sentence
        for key, (old, new) in changed.items()
        for sentence in _SENTENCES[key](old, new, about)
    ]


def _dimensions(old: list[str], new: list[str], about: _About) -> Iterator[str]:
    renamed = about.now["renamed_from"]
    for name in new:
        if name not in old and name not in renamed:
            yield (
                f"dimensions: {name} begins with the next day that is read. Nobody counts as moved by "
                f"it, and earlier days have no segments of it; {about.again}. If it had another name "
                f"before, set `renamed_from: {{{name}: <earlier name>}}` first."
            )
    for name in old:
        if name not in new and name not in renamed.values():
            yield (
                f"dimensions: {name} is no longer read. Stored days keep its values, which come back "
                "with it; its segments leave tables, reports and exports."
            )
    if set(old) == set(new):
        yield "dimensions: another order changes the order in reports alone."


def _renamed(old: dict[str, str] | None, new: dict[str, str], _: _About) -> Iterator[str]:
    for name, earlier in new.items():
        if (old or {}).get(name) != earlier:
            yield f"renamed_from: the next run carries on {earlier} as {name}, on all stored days."


def _mapping(
    old: dict[str, dict[str, str]] | None, new: dict[str, dict[str, str]], about: _About
) -> Iterator[str]:
    for name in sorted({*(old or {}), *new}):
        past, values = (old or {}).get(name, {}), new.get(name, {})
        coming = [value for value in values if past.get(value) != values[value]]
        if coming:
            yield (
                f"mapping: the next run stores {len(coming)} renamed value"
                f"{'s'[: len(coming) != 1]} of {name} under the new name, on all stored days, and "
                "restates what follows from them. Days whose snapshots were pruned keep theirs."
            )
        if any(value not in values for value in past):
            yield (
                f"mapping: values of {name} that are no longer renamed stay as they are stored; "
                f"{about.again}."
            )


def _aliases(_old: object, new: object, about: _About) -> Iterator[str]:
    if new is None:
        yield f"aliases: merged IDs stay merged on stored days; {about.again}."
    else:
        yield (
            "aliases: the next run stores merged IDs under the new one, on all stored days, and "
            f"restates what follows. An ID that is no longer in the file stays merged; {about.again}."
        )


def _columns(old: dict[str, list[str]], new: dict[str, list[str]], about: _About) -> Iterator[str]:
    for name, theirs in new.items():
        if name in old and old[name] != theirs:
            yield (
                f"columns: {name} is read from {' or '.join(theirs)} (before: "
                f"{' or '.join(old[name])}) from the next run on. Stored days stay as they were read; "
                f"{about.again}. If the values are other ones now, everybody counts as moved on the "
                "first day: give the dimension a new name instead, or list the values under mapping."
            )
    for name in sorted({*new} ^ {*old}):
        if name not in about.now["dimensions"] and name in new:
            yield f"columns: {name} is read from the next run on; stored days have none; {about.again}."


def _grain(old: str, new: str, about: _About) -> Iterator[str]:
    yield (
        f"grain: {new} (before: {old}) holds from the next day that is read. Nobody counts as moved on "
        f"that day; earlier days stay in grain {old}; {about.again}."
    )


def _start_date(old: str, new: str, _: _About) -> Iterator[str]:
    if new < old:
        yield (
            f"start_date: {new} adds days before {old} that hold nothing yet; run `enrollment backfill "
            f"--from {new} --to {old}`."
        )
    else:
        yield (
            f"start_date: days before {new} stay in the warehouse, and are no longer computed again or "
            "shown as partitions."
        )


def _terms(old: dict[str, list[str]] | None, new: dict[str, list[str]], _: _About) -> Iterator[str]:
    names = ("registration_opens", "starts", "census", "ends")
    if old is None:
        return
    for code, dates in new.items():
        if code not in old:
            yield f"terms: {code} is new; it is open from {dates[0]} to {dates[3]}."
            continue
        moved = [
            f"{name} is {now} (before: {before})"
            for name, before, now in zip(names, old[code], dates, strict=True)
            if before != now
        ]
        if moved:
            what = " A census that is frozen stays so." if old[code][2] != dates[2] else ""
            yield (
                f"terms: of {code}, {', '.join(moved)}.{what} To bring what is computed to them, run "
                f"`enrollment rebuild --term {code}`."
            )
    for code in old:
        if code not in new:
            yield f"terms: {code} is no longer listed. Its stored days stay, and leave the reports."


def _timezone(old: str, new: str, _: _About) -> Iterator[str]:
    yield (
        f"institution.timezone: the daily run starts by the clock of {new} (before: {old}), and a day "
        "begins there. Stored days keep their dates; nothing has to be run."
    )


_SENTENCES: dict[str, Callable[[Any, Any, _About], Iterator[str]]] = {
    "aliases": _aliases,
    "columns": _columns,
    "dimensions": _dimensions,
    "grain": _grain,
    "mapping": _mapping,
    "renamed_from": _renamed,
    "start_date": _start_date,
    "terms": _terms,
    "timezone": _timezone,
}
