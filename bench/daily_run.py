"""One daily run of everything on 50,000 students, after ten years and after 30 days of history.

The history is made inside the warehouse, and its changes and figures by the platform's own statements;
each year is a term. Then `enrollment run` reads one more day, draws the charts and writes the report,
process start included. Beside it: headcounts by SQL on the view, the copy after a run, the file's size.

Usage: python bench/daily_run.py [--students 50000] [--years 10]
"""

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml
from common import make_home, measure, store_rows, write_config

from enrollment_assets.config import load_settings
from enrollment_assets.schema.catalog import lineage
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Statement, write_statement

CHUNK_DAYS = 15
LAST = dt.date(2025, 12, 30)
SHORT_DAYS = 30
_TURNS = 3

# A student's number moves through the window of enrolled numbers as days pass: some leave at its
# lower end, as many come in at its upper one, and every 997th changes the program each day.
ROWS = """
SELECT
    DATE '{first}' + day::INTEGER AS snapshot_date,
    year(DATE '{first}' + day::INTEGER)::VARCHAR AS term,
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


@dataclass(frozen=True)
class Found:
    """What one history costs: seconds, CPU seconds, megabytes; bytes for each student and day."""

    run: float
    cpu: float
    peak: float
    one_day: float
    all_days: float
    copy: float
    size: float
    bytes_a_student_day: float


def configure(folder: Path, first: dt.date) -> Path:
    """A configuration in which each year is a term, compared with the year before."""
    (folder / "snapshots").mkdir()
    path = write_config(folder, folder / "snapshots")
    content = yaml.safe_load(path.read_text())
    content["start_date"] = first
    content["terms"] = [
        {
            "code": str(year),
            "registration_opens": f"{year}-01-01",
            "starts": f"{year}-08-01",
            "census": f"{year}-09-01",
            "ends": f"{year}-12-31",
            **({"comparison": str(year - 1)} if year > first.year else {}),
        }
        for year in range(first.year, LAST.year + 1)
    ]
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def fill(config: Path, students: int, days: int, first: dt.date) -> None:
    """The history, as the platform would have it."""
    settings = load_settings(config)
    with Warehouse(settings).connect() as connection:
        for start in range(0, days, CHUNK_DAYS):
            stop = min(start + CHUNK_DAYS, days)
            store_rows(
                connection,
                settings,
                ROWS.format(first=first, start=start, stop=stop, students=students),
            )
        dates = [first + dt.timedelta(offset) for offset in range(days)]
        for name in lineage(settings).core:
            write_statement(connection, settings, Statement(name), dates, run_id="bench")


def after(students: int, days: int) -> Found:
    """Fill a history of these days, run the next one, and ask for headcounts."""
    first = LAST - dt.timedelta(days - 1)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        config = configure(folder, first)
        fill(config, students, days, first)
        today = LAST + dt.timedelta(1)
        rows = ROWS.format(first=first, start=days, stop=days + 1, students=students)
        path = folder / "snapshots" / f"enrollment_snapshot_{today:%Y%m%d}.csv"
        duckdb.sql(f"COPY (SELECT * EXCLUDE (snapshot_date) FROM ({rows})) TO '{path}'")
        enrollment = str(Path(sys.executable).with_name("enrollment"))
        environment = {"ENROLLMENT_CONFIG": str(config), "DAGSTER_HOME": str(make_home(folder))}
        runs = [
            measure([enrollment, "run", "--date", str(today)], **environment) for _ in range(_TURNS)
        ]
        warehouse = Warehouse(load_settings(config))
        start = time.perf_counter()
        warehouse.keep_copy()
        copy = time.perf_counter() - start
        with duckdb.connect(str(warehouse.path), read_only=True) as connection:
            view = "FROM enrollment.enrollment_snapshots"
            one = _seconds(connection, f"SELECT count(*) {view} WHERE snapshot_date = '{LAST}'")
            every = _seconds(connection, f"SELECT snapshot_date, count(*) {view} GROUP BY ALL")
        size = warehouse.path.stat().st_size
        return Found(
            statistics.median(run.seconds for run in runs[1:]),
            statistics.median(run.cpu_seconds for run in runs[1:]),
            max(run.megabytes for run in runs),
            one,
            every,
            copy,
            size / 2**20,
            size / (students * (days + 1)),
        )


def _seconds(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    turns = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        connection.execute(query).fetchall()
        turns.append(time.perf_counter() - start)
    return min(turns)


def main() -> None:
    """Measure both histories and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--students", type=int, default=50_000)
    parser.add_argument("--years", type=int, default=10)
    options = parser.parse_args()
    days = (LAST - LAST.replace(year=LAST.year - options.years)).days
    short, long = after(options.students, SHORT_DAYS), after(options.students, days)
    print(f"{options.students:,} students\n")
    print(f"| | {SHORT_DAYS} days | {days:,} days |\n|---|---|---|")
    for name, key, digits in (
        ("run of one day, seconds", "run", 1),
        ("its CPU seconds", "cpu", 1),
        ("its peak MB", "peak", 0),
        ("headcount of one day, ms", "one_day", 1),
        ("headcounts of all days, ms", "all_days", 1),
        ("the copy after a run, s", "copy", 2),
        ("the file, MB", "size", 1),
        ("bytes a student and day", "bytes_a_student_day", 2),
    ):
        factor = 1000 if name.endswith(" ms") else 1
        both = [f"{getattr(found, key) * factor:,.{digits}f}" for found in (short, long)]
        print(f"| {name} | {' | '.join(both)} |")
    print(f"\nCPU of the run: {long.cpu / short.cpu:.2f} times as much after {days:,} days")


if __name__ == "__main__":
    main()
