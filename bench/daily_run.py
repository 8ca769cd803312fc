"""One daily run of everything on 50,000 students with two years of history, process start included.

The history is made inside the warehouse and its changes and figures by the platform's own
statements; then `enrollment run` takes in one more day, draws the charts and writes the report.

Usage: python bench/daily_run.py [--students 50000] [--years 2]
"""

import argparse
import datetime as dt
import sys
import tempfile
from pathlib import Path

from common import TERM, make_home, measure, store_rows, write_config

from enrollment_assets.config import load_settings
from enrollment_assets.schema.catalog import lineage
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Statement, write_statement

CHUNK_DAYS = 15
LAST = dt.date(2025, 12, 30)

# A student's number moves through the window of enrolled numbers as days pass: some leave at its
# lower end, as many come in at its upper one, and every 997th changes the program each day.
ROWS = """
SELECT
    DATE '{first}' + day::INTEGER AS snapshot_date,
    '{term}' AS term,
    printf('%08d', number) AS student_id,
    'Given Family ' || number % 9973 AS student_name,
    'Division ' || program % 7 AS division,
    'Program ' || program AS program,
    'Level ' || number % 5 AS level,
    'enrolled' AS status
FROM (
    SELECT day, number, CASE WHEN number % 997 < day THEN number % 40 ELSE number % 39 END AS program
    FROM range({start}, {stop}) AS days (day), range({students}) AS students (offset_in_window),
        LATERAL (SELECT day * ({students} // 250) + offset_in_window AS number)
)
"""


def fill(config: Path, students: int, days: int, first: dt.date) -> None:
    """The history, as the platform would have it."""
    settings = load_settings(config)
    with Warehouse(settings).connect() as connection:
        for start in range(0, days, CHUNK_DAYS):
            stop = min(start + CHUNK_DAYS, days)
            rows = ROWS.format(first=first, term=TERM, start=start, stop=stop, students=students)
            store_rows(connection, settings, rows)
        dates = [first + dt.timedelta(offset) for offset in range(days)]
        for name in lineage(settings).core:
            write_statement(connection, settings, Statement(name), dates, run_id="bench")


def main() -> None:
    """Fill, run a day, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--students", type=int, default=50_000)
    parser.add_argument("--years", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        snapshots = folder / "snapshots"
        snapshots.mkdir()
        config = write_config(folder, snapshots, years=options.years)
        first = load_settings(config).start_date
        days = (LAST - first).days + 1
        fill(config, options.students, days, first)
        today = LAST + dt.timedelta(1)
        with Warehouse(load_settings(config)).connect() as connection:
            rows = ROWS.format(
                first=first, term=TERM, start=days, stop=days + 1, students=options.students
            )
            path = snapshots / f"enrollment_snapshot_{today:%Y%m%d}.csv"
            connection.execute(f"COPY (SELECT * EXCLUDE (snapshot_date) FROM ({rows})) TO '{path}'")
        enrollment = str(Path(sys.executable).with_name("enrollment"))
        environment = {"ENROLLMENT_CONFIG": str(config), "DAGSTER_HOME": str(make_home(folder))}
        found = [
            measure([enrollment, "run", "--date", str(today)], **environment) for _ in range(3)
        ]
        size = (folder / "data" / "warehouse.duckdb").stat().st_size / 2**20
    print(f"{options.students:,} students, {days} days of history, warehouse of {size:,.0f} MB\n")
    print("| run of one day | seconds | peak MB |\n|---|---|---|")
    for turn, run in enumerate(found, start=1):
        print(f"| {turn} | {run.seconds:.1f} | {run.megabytes:.0f} |")


if __name__ == "__main__":
    main()
