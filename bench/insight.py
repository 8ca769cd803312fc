"""What insight costs: added to a daily run, and over a range of 365 days.

Two years of history of four overlapping terms, each of the newer two with an earlier one, 10,000
students each. A daily run of everything, report included, is measured beside one without insight and
beside one without custom metrics, each in a process of its own and in turns; then the insight and the
custom metrics of 365 days in one range run.

Usage: python bench/insight.py [--students 10000]
"""

import argparse
import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import yaml
from common import COLUMNS, make_home, measure, store_rows

from enrollment_assets.config import Settings, load_settings
from enrollment_assets.schema.catalog import lineage
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Statement, write_statement

CHUNK_DAYS = 30
FIRST, TODAY = dt.date(2024, 1, 1), dt.date(2025, 12, 31)
# code, day on which it opens, the term that it is compared with
TERMS = (
    ("2024A", dt.date(2024, 1, 1), None),
    ("2024B", dt.date(2024, 7, 1), None),
    ("2025A", dt.date(2025, 1, 1), "2024A"),
    ("2025B", dt.date(2025, 7, 1), "2024B"),
)
TURNS = 5
WITHOUT = {
    "without insight": ("insight", "custom"),
    "without custom metrics": ("custom",),
    "everything": (),
}

# Numbers come in more and more slowly until the term starts; a few leave each day at the lower end.
ROWS = """
SELECT
    DATE '{opens}' + day::INTEGER AS snapshot_date,
    '{term}' AS term,
    printf('%08d', number) AS student_id,
    'Given Family ' || number % 9973 AS student_name,
    'Division ' || number % 7 AS division,
    'Program ' || number % 40 AS program,
    'Level ' || number % 5 AS level,
    'enrolled' AS status
FROM range({start}, {stop}) AS days (day),
    range({students}) AS students (number)
WHERE number >= day * 3 + hash(day) % 5
    AND number < {students} * least(1, sqrt((day + 5) / 205)) - hash(day * 7) % 9
"""


def configure(folder: Path) -> Path:
    """The configuration of the four terms."""
    config = {
        "institution": {"name": "Benchmark", "timezone": "UTC"},
        "start_date": str(FIRST),
        "data_dir": str(folder / "data"),
        "source": {"kind": "files", "url": str(folder / "snapshots"), "settle_seconds": 0},
        "columns": {name: name for name in COLUMNS},
        "terms": [
            {
                "code": code,
                "registration_opens": str(opens),
                "starts": str(opens + dt.timedelta(200)),
                "census": str(opens + dt.timedelta(214)),
                "ends": str(opens + dt.timedelta(364)),
                "comparison": comparison,
            }
            for code, opens, comparison in TERMS
        ],
    }
    path = folder / "enrollment.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def rows_of(term: str, opens: dt.date, first: dt.date, last: dt.date, students: int) -> str:
    """The query for a term's rows of some days."""
    start, stop = (max(first, opens) - opens).days, min((last - opens).days, 364) + 1
    return ROWS.format(opens=opens, term=term, start=start, stop=stop, students=students)


def fill(settings: Settings, students: int) -> None:
    """The history up to the day before today, as the platform would have it; today's file."""
    before = TODAY - dt.timedelta(1)
    with Warehouse(settings).connect() as connection:
        for code, opens, _ in TERMS:
            last = min(before, opens + dt.timedelta(364))
            for day in range(0, (last - opens).days + 1, CHUNK_DAYS):
                start = opens + dt.timedelta(day)
                stop = min(last, start + dt.timedelta(CHUNK_DAYS - 1))
                store_rows(connection, settings, rows_of(code, opens, start, stop, students))
        days = [FIRST + dt.timedelta(offset) for offset in range((before - FIRST).days + 1)]
        for name in lineage(settings).core:
            write_statement(connection, settings, Statement(name), days, run_id="bench")
        parts = " UNION ALL ".join(
            f"({rows_of(code, opens, TODAY, TODAY, students)})" for code, opens, _ in TERMS[2:]
        )
        path = settings.base / "snapshots" / settings.files.name_for(TODAY)
        path.parent.mkdir(exist_ok=True)
        connection.execute(f"COPY (SELECT * EXCLUDE (snapshot_date) FROM ({parts})) TO '{path}'")


def run_day(words: str) -> None:
    """Run a day without some groups in this process and say how long it took, imports included."""
    began = time.perf_counter()
    import dagster as dg

    from enrollment_assets.orchestration.assembly import build_defs
    from enrollment_assets.orchestration.instance import instance
    from enrollment_assets.orchestration.jobs import ON_TIME_CHECK

    selection = dg.AssetSelection.all() - dg.AssetSelection.checks(ON_TIME_CHECK)
    if WITHOUT[words]:
        selection -= dg.AssetSelection.groups(*WITHOUT[words])
    job = dg.Definitions(jobs=[dg.define_asset_job("measured", selection)])
    definitions = dg.Definitions.merge(build_defs(), job)
    with instance(load_settings()) as found:
        result = definitions.resolve_job_def("measured").execute_in_process(
            instance=found,
            partition_key=str(TODAY),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if not result.success:
        sys.exit("the run failed")
    loaded = "statsmodels" in sys.modules
    print(json.dumps({"seconds": time.perf_counter() - began, "statsmodels": loaded}))


def run_year() -> None:
    """Run the insight of 365 days in this process and say how long it took."""
    began = time.perf_counter()
    from enrollment_assets.cli.running import execute
    from enrollment_assets.pipeline.names import INSIGHT

    outcome = execute(load_settings(), INSIGHT, TODAY - dt.timedelta(364), TODAY)
    if not outcome.success:
        sys.exit("; ".join(outcome.failures))
    print(json.dumps({"seconds": time.perf_counter() - began}))


def main() -> None:
    """Fill, run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--day", choices=list(WITHOUT))
    parser.add_argument("--year", action="store_true")
    options = parser.parse_args()
    if options.day:
        run_day(options.day)
        return
    if options.year:
        run_year()
        return
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        config = configure(folder)
        fill(load_settings(config), options.students)
        os.environ.update(ENROLLMENT_CONFIG=str(config), DAGSTER_HOME=str(make_home(folder)))
        me = [sys.executable, __file__]
        found: dict[str, list[float]] = {words: [] for words in WITHOUT}
        for _ in range(TURNS):
            for words, seconds in found.items():
                measured = measure([*me, "--day", words])
                seconds.append(measured.result["seconds"])
                if measured.result["statsmodels"]:
                    sys.exit("statsmodels was loaded, although curves serve")
        year = measure([*me, "--year"])
    medians = {words: statistics.median(seconds) for words, seconds in found.items()}
    base, without_custom, everything = medians.values()
    print(f"{options.students:,} students a term; medians of {TURNS} turns\n")
    print("| run | seconds | peak MB |\n|---|---|---|")
    for words, median in medians.items():
        print(f"| one day, {words} | {median:.2f} | |")
    print(f"| insight adds | {without_custom - base:.2f} | |")
    print(f"| the two custom metrics add | {everything - without_custom:.2f} | |")
    print(f"| 365 days of both | {year.result['seconds']:.1f} | {year.megabytes:,.0f} |")


if __name__ == "__main__":
    main()
