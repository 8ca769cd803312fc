"""One day of 1.25 million students beside the day before: read, judged, stored, compared, measured.

The platform's figure is the whole command for that day less the same command for ten students, which is
what Python, Dagster and the process cost. pandas reads both files and takes the set differences.

Usage: python bench/large_day.py [--students 1250000]
"""

import argparse
import datetime as dt
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from common import TERM, Measured, make_home, measure, write_config

DAYS = (dt.date(2025, 6, 2), dt.date(2025, 6, 3))
# From one day to the next 4 of 1,000 students are others, and 1 of 997 has another program.
ROWS = """
SELECT
    printf('%08d', number) AS student_id,
    'Given Family ' || number % 9973 AS student_name,
    '{term}' AS term,
    'Division ' || program % 7 AS division,
    'Program ' || program AS program,
    'Level ' || number % 5 AS level,
    'enrolled' AS status
FROM (
    SELECT number, CASE WHEN number % 997 < {day} THEN number % 40 ELSE number % 39 END AS program
    FROM range({day} * {students} * 4 // 1000, {students} + {day} * {students} * 4 // 1000)
        AS numbers (number)
)
"""


def make_days(folder: Path, students: int) -> None:
    """The CSV files of both days."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        for number, date in enumerate(DAYS):
            path = folder / f"enrollment_snapshot_{date:%Y%m%d}.csv"
            rows = ROWS.format(term=TERM, day=number, students=students)
            connection.execute(f"COPY ({rows}) TO '{path}'")


def with_platform(folder: Path, students: int) -> Measured:
    """The second day in the platform, after the first one was stored."""
    make_days(folder / "snapshots", students)
    config = write_config(folder, folder / "snapshots")
    environment = {"ENROLLMENT_CONFIG": str(config), "DAGSTER_HOME": str(make_home(folder))}
    enrollment = str(Path(sys.executable).with_name("enrollment"))
    for date in DAYS:
        command = [enrollment, "backfill", "--only", "core", "--from", str(date), "--to", str(date)]
        measured = measure(command, **environment)
    return measured


def with_pandas(folder: Path) -> None:
    """Read both files and take the set differences."""
    import pandas as pd

    before, now = (pd.read_csv(path, dtype=str) for path in sorted(folder.glob("*.csv")))
    added = set(now["student_id"]) - set(before["student_id"])
    dropped = set(before["student_id"]) - set(now["student_id"])
    both = now.merge(before, on="student_id", suffixes=("", "_before"))
    moved = int((both["program"] != both["program_before"]).sum())
    print(f'{{"added": {len(added)}, "dropped": {len(dropped)}, "moved": {moved}}}')


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--students", type=int, default=1_250_000)
    parser.add_argument("--pandas", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pandas:
        with_pandas(options.pandas)
        return
    with tempfile.TemporaryDirectory() as text:
        large = with_platform(Path(text) / "large", options.students)
        small = with_platform(Path(text) / "small", 10)
        start = time.perf_counter()
        pandas = measure(
            [sys.executable, __file__, "--pandas", str(Path(text) / "large/snapshots")]
        )
        seconds = time.perf_counter() - start
    print(f"{options.students:,} students, the second of two days\n")
    print("| way | seconds | CPU | peak MB |\n|---|---|---|---|")
    for name, run in (("the command", large), ("the same for ten students", small)):
        print(f"| {name} | {run.seconds:.1f} | {run.cpu_seconds:.1f} | {run.megabytes:,.0f} |")
    print(
        f"| pandas: both files, differences | {seconds:.1f} | {pandas.cpu_seconds:.1f} | "
        f"{pandas.megabytes:,.0f} |"
    )
    less = large.seconds - small.seconds
    print(f"\nless the ten students: {less:.1f} s, pandas takes {seconds / less:.2f} times as long")


if __name__ == "__main__":
    main()
