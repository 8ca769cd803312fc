"""A made-up student system that knows its past: enrolments with the days from and to which they held.

It is a SQLite file, so that nothing has to be installed; the same query runs on PostgreSQL, MySQL and
MariaDB. The people are made up; nobody in it exists.

Usage: python examples/live_database/build.py [--to FILE]
"""

import argparse
import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from enrollment_assets.config import Term, load_settings

CONFIG = Path(__file__).with_name("enrollment.yaml")
DATABASE = Path(__file__).with_name("data") / "student_system.db"
STUDENTS = 4_000  # of each term
_TABLES = """
CREATE TABLE students (student_id TEXT PRIMARY KEY, last_name TEXT, first_name TEXT);
CREATE TABLE programs (program TEXT PRIMARY KEY, title TEXT, division TEXT);
CREATE TABLE enrollment_history (
    student_id TEXT, term TEXT, program TEXT, level TEXT, status TEXT, valid_from DATE, valid_to DATE
);
CREATE INDEX enrollment_history_dates ON enrollment_history (valid_from, valid_to);
"""
_PROGRAMS = {
    "HIST": ("History", "Arts"),
    "LING": ("Linguistics", "Arts"),
    "MATH": ("Mathematics", "Science"),
    "PHYS": ("Physics", "Science"),
    "NURS": ("Nursing", "Health"),
    "PHAR": ("Pharmacy", "Health"),
}
_LEVELS = ("First year", "Second year", "Third year", "Fourth year")
# Shares of a term's students who drop, of those who come back a week later, and who change program.
_DROPPED, _RETURNED, _MOVED = 0.12, 0.1, 0.04

Row = tuple[str, str, str, str, str, str, str | None]


def build(database: Path, terms: tuple[Term, ...], *, students: int = STUDENTS) -> int:
    """Write the student system anew; the number of its history rows comes back."""
    random = np.random.default_rng(11)
    database.parent.mkdir(parents=True, exist_ok=True)
    database.unlink(missing_ok=True)
    rows = [row for term in terms for row in _history(term, students, random)]
    people = {row[0] for row in rows}
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(_TABLES)
        connection.executemany(
            "INSERT INTO students VALUES (?, ?, ?)",
            [(student, f"Family{student}", f"Given{student}") for student in sorted(people)],
        )
        connection.executemany(
            "INSERT INTO programs VALUES (?, ?, ?)",
            [(code, title, division) for code, (title, division) in _PROGRAMS.items()],
        )
        connection.executemany("INSERT INTO enrollment_history VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return len(rows)


def _history(term: Term, students: int, random: np.random.Generator) -> Iterator[Row]:
    """The days from and to which each student of a term was in it, and in which program."""
    opens, closes = term.registration_opens, term.ends + dt.timedelta(1)
    length = (closes - opens).days
    # Most register early, and some at the last moment.
    begins = np.minimum(random.gamma(2.0, length / 12, students).astype(int), length - 2)
    ends = begins + 1 + (random.random(students) * (length - begins - 1)).astype(int)
    kind = random.random(students)
    programs = list(_PROGRAMS)
    choices = random.integers(len(programs), size=(students, 2))
    years = random.integers(len(_LEVELS), size=students)

    def on(day: int) -> str | None:
        return str(opens + dt.timedelta(int(day))) if day < length else None

    for number in range(students):
        # Every other student was in an earlier term, too.
        student = f"{number if number % 2 else _numbers_of(term.code) + number:07d}"
        about = (_LEVELS[years[number]], "enrolled")
        first, second = (programs[choice] for choice in choices[number])
        begin, end = int(begins[number]), int(ends[number])
        if kind[number] < _DROPPED:
            yield (student, term.code, first, *about, str(on(begin)), on(end))
            if kind[number] < _DROPPED * _RETURNED and end + 7 < length:
                yield (student, term.code, first, *about, str(on(end + 7)), str(closes))
        elif kind[number] < _DROPPED + _MOVED:
            yield (student, term.code, first, *about, str(on(begin)), on(end) or str(closes))
            if end < length:
                yield (student, term.code, second, *about, str(on(end)), str(closes))
        else:
            yield (student, term.code, first, *about, str(on(begin)), str(closes))


def _numbers_of(code: str) -> int:
    """Where the numbers of a term's own students begin, the same in every run."""
    return 10_000 * (1 + sum(code.encode()) % 900)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--to", type=Path, default=DATABASE)
    options = parser.parse_args()
    count = build(options.to, load_settings(CONFIG).terms)
    print(f"{count:,} rows of history in {options.to}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
