"""Dagster's own event log in a range run: its stock SQLite storage, and the one with open connections.

The graph of the core with empty assets: 5 assets, 6 checks, one range run. Then what `enrollment demo`
leaves in the log for each day of the example, all assets and checks together.

Usage: python bench/event_log.py [--days 365]
"""

import argparse
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from common import DAYS, FIRST_DAY, make_home, measure

from enrollment_assets.cli import example
from enrollment_assets.config import load_settings

CHECKOUT = Path(__file__).parents[1]
_TABLES = (
    "SELECT name, sum(pgsize) / 1e6 FROM dbstat GROUP BY 1 HAVING sum(pgsize) > 1e6 ORDER BY 2 DESC"
)


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args()
    print(f"{options.days} days from {FIRST_DAY}, 5 assets and 6 checks that do nothing\n")
    print("| event storage | seconds | peak MB |\n|---|---|---|")
    for name in ("stock", "pooled"):
        with tempfile.TemporaryDirectory() as text:
            home = make_home(Path(text))
            if name == "stock":
                (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
            script = str(Path(__file__).with_name("range_run.py"))
            found = measure(
                [
                    sys.executable,
                    script,
                    "--only",
                    "empty",
                    "--folder",
                    text,
                    "--days",
                    str(options.days),
                ]
            )
        print(f"| {name} | {found.seconds:.1f} | {found.megabytes:.0f} |", flush=True)
    report_example()


def report_example() -> None:
    """Run the demo in a folder of its own, and print events and bytes a day."""
    with tempfile.TemporaryDirectory() as text:
        home = make_home(Path(text))
        config = Path(text) / "enrollment.yaml"
        shutil.copy(CHECKOUT / "enrollment.yaml", config)
        environment = {"ENROLLMENT_CONFIG": str(config), "DAGSTER_HOME": str(home)}
        measure([str(Path(sys.executable).with_name("enrollment")), "demo"], **environment)
        days = (example.UNTIL - load_settings(config).start_date).days + 1
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
        with sqlite3.connect(next(home.rglob("index.db"))) as index:
            (events,) = index.execute("SELECT count(*) FROM event_logs").fetchone()
            tables = index.execute(_TABLES).fetchall()
    print(
        f"\nThe example, {days} days: {size / 1e6:.1f} MB, {events / days:.1f} events in the index and "
        f"{size / days / 1000:.0f} KB a day. In index.db: "
        + ", ".join(f"{name} {megabytes:.1f} MB" for name, megabytes in tables)
    )


if __name__ == "__main__":
    main()
