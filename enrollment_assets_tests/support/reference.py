"""What the tables must hold, in the simplest Python: sets and loops over the accepted snapshots, in order.

It shares no code with the platform, and knows nothing of runs, ranges or SQL.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DIMENSIONS = ("program", "level")

Row = dict[str, Any]
Snapshots = Mapping[tuple[str, dt.date], Sequence[Row]]


@dataclass(frozen=True)
class Tables:
    """The three derived tables, as sets of rows."""

    changes: set[tuple[Any, ...]]
    metrics: set[tuple[Any, ...]]
    segments: set[tuple[Any, ...]]


def _first(value: str | None) -> tuple[bool, str]:
    """Sorts nothing before something."""
    return (value is not None, value or "")


def stored(rows: Iterable[Row], *, by_program: bool) -> list[Row]:
    """One row of each key: the smallest by dimensions and name."""
    best: dict[tuple[Any, ...], Row] = {}
    for row in sorted(
        rows, key=lambda r: [_first(r[name]) for name in (*DIMENSIONS, "student_name")]
    ):
        key = (row["student_id"], row["program"]) if by_program else (row["student_id"],)
        best.setdefault(key, row)
    return list(best.values())


def _people(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["student_id"], []).append(row)
    return found


def _values(rows: list[Row], dimension: str) -> set[str]:
    return {row[dimension] or "" for row in rows}


def _shown(rows: list[Row], dimension: str) -> str | None:
    return "; ".join(sorted(value for value in _values(rows, dimension) if value)) or None


def _name(rows: list[Row]) -> str | None:
    return min((row["student_name"] for row in rows if row["student_name"]), default=None)


def tables(
    snapshots: Snapshots, terms: Mapping[str, tuple[dt.date, dt.date]], *, by_program: bool
) -> Tables:
    """The tables of these accepted snapshots; `terms` gives each term's start and census."""
    found = Tables(set(), set(), set())
    for term, (starts, census) in terms.items():
        days = sorted(date for code, date in snapshots if code == term)
        ever: set[str] = set()
        before: dict[str, list[Row]] | None = None
        baseline = None
        for date in days:
            now = _people(stored(snapshots[term, date], by_program=by_program))
            _add_day(found, term, date, now, before, baseline, ever, (starts, census))
            ever |= set(now)
            before, baseline = now, date
    return found


def _add_day(found, term, date, now, before, baseline, ever, dates):
    was = now if before is None else before
    added, dropped = set(now) - set(was), set(was) - set(now)
    retained = set(now) & set(was)
    moved = {
        student
        for student in retained
        if any(_values(now[student], d) != _values(was[student], d) for d in DIMENSIONS)
    }
    returning = added & ever
    gap = (date - baseline).days if baseline else None
    for student in added | dropped | moved:
        rows = now.get(student) or was[student]
        found.changes.add(
            (
                date,
                term,
                baseline,
                "added" if student in added else "dropped" if student in dropped else "moved",
                student in returning,
                student,
                _name(rows),
                *(_shown(rows, d) for d in DIMENSIONS),
                *(_shown(was[student], d) if student in was else None for d in DIMENSIONS),
            )
        )
    net = len(added) - len(dropped)
    found.metrics.add(
        (
            date,
            term,
            baseline,
            gap,
            len(now),
            len(added),
            len(returning),
            len(dropped),
            len(moved),
            len(retained),
            net,
            round(100 * len(retained) / len(was), 6) if before else None,
            round(100 * net / len(was), 6) if before else None,
            len(ever | set(now)),
            (dates[0] - date).days,
            (dates[1] - date).days,
        )
    )
    for dimension in DIMENSIONS:
        segments = {
            value for rows in (*now.values(), *was.values()) for value in _values(rows, dimension)
        }
        for segment in segments:
            is_in = {s for s, rows in now.items() if segment in _values(rows, dimension)}
            was_in = {s for s, rows in was.items() if segment in _values(rows, dimension)}
            flows = (
                len(is_in & added),
                len(was_in & dropped),
                len((is_in - was_in) & moved),
                len((was_in - is_in) & moved),
            )
            if is_in or any(flows):
                change = flows[0] - flows[1] + flows[2] - flows[3]
                name = segment or "(not given)"
                found.segments.add(
                    (date, term, dimension, name, baseline, gap, len(is_in), *flows, change)
                )
