"""A column that changes for everybody every day: what spells cost where they save nothing.

Both ways are the platform's intake of CSV files, judging included; then the accepted rows are written
as spells, or as full rows of each day.

Usage: python bench/volatile_column.py [--students 17000] [--days 60]
"""

import argparse
import datetime as dt
import sys
import tempfile
from pathlib import Path

import duckdb
from common import FIRST_DAY, TERM, measure, write_config

from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.ingest.intake import store_days
from enrollment_assets.pipeline.ingest.store import SnapshotStore
from enrollment_assets.sources.configured import source_for
from enrollment_assets.warehouse.connection import Warehouse

ROWS = """
SELECT
    printf('%08d', number) AS student_id,
    'Given Family ' || number % 9973 AS student_name,
    '{term}' AS term,
    'Division ' || number % 7 AS division,
    'Program ' || number % 39 AS program,
    'Level ' || hash(number, {day}) % 1000 AS level,
    'enrolled' AS status
FROM range({students}) AS numbers (number)
"""


def make_files(folder: Path, students: int, days: int) -> None:
    """A CSV file for each day."""
    folder.mkdir()
    with duckdb.connect() as connection:
        for day in range(days):
            date = dt.date.fromisoformat(FIRST_DAY) + dt.timedelta(day)
            path = folder / f"enrollment_snapshot_{date:%Y%m%d}.csv"
            rows = ROWS.format(term=TERM, day=day, students=students)
            connection.execute(f"COPY ({rows}) TO '{path}'")


def fill(folder: Path, way: str, days: int) -> None:
    """Read, judge and store all days, and leave a file that is written out."""
    config = write_config(folder, folder / "snapshots")
    # Such days would be held.
    config.write_text(f"{config.read_text()}\nquality: {{on_doubt: warn}}\n")
    settings = load_settings(config)
    first = dt.date.fromisoformat(FIRST_DAY)
    with Warehouse(settings).connect() as connection:
        if way == "rows":
            connection.execute(
                "CREATE TABLE full_rows AS SELECT * FROM enrollment.enrollment_snapshots WHERE false"
            )
            connection.execute(
                "CREATE OR REPLACE VIEW enrollment.enrollment_snapshots AS FROM full_rows"
            )
            SnapshotStore._write_spells = _write_rows  # type: ignore[method-assign,assignment]  # noqa: SLF001
        dates = [first + dt.timedelta(day) for day in range(days)]
        store_days(connection, settings, source_for(settings), dates, run_id="bench")
        connection.execute("CHECKPOINT")


def _write_rows(store: SnapshotStore) -> None:
    store._connection.execute("INSERT INTO full_rows BY NAME FROM spell_rows")  # noqa: SLF001


def size_of(folder: Path) -> float:
    """Bytes of the file that hold data."""
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        ((block, used),) = connection.execute(
            "SELECT block_size, used_blocks FROM pragma_database_size()"
        ).fetchall()
    return float(block * used)


def main() -> None:
    """Measure both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--students", type=int, default=17_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--way", choices=("rows", "spells"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        fill(options.folder, options.way, options.days)
        return
    print(
        f"{options.days} days of {options.students:,} students, each with another level every day\n"
    )
    print("| way | seconds | CPU | MB |\n|---|---|---|---|")
    found = {}
    for way in ("rows", "spells"):
        with tempfile.TemporaryDirectory() as text:
            make_files(Path(text) / "snapshots", options.students, options.days)
            run = measure(
                [
                    *(sys.executable, __file__, "--way", way, "--folder", text),
                    *("--days", str(options.days)),
                ]
            )
            found[way] = (run.cpu_seconds, size_of(Path(text)))
        print(
            f"| {way} | {run.seconds:.1f} | {run.cpu_seconds:.1f} | {found[way][1] / 2**20:.1f} |"
        )
    cpu, size = (found["spells"][part] / found["rows"][part] for part in (0, 1))
    print(f"\nspells: {cpu:.2f} times the CPU seconds, {size:.2f} times the bytes of full rows")


if __name__ == "__main__":
    main()
