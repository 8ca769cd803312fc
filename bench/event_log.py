"""Dagster's own event log in a range run: its stock SQLite storage, and the one with open connections.

The graph of the core with empty assets: 5 assets, 6 checks, one range run.

Usage: python bench/event_log.py [--days 365]
"""

import argparse
import sys
import tempfile
from pathlib import Path

from common import DAYS, FIRST_DAY, make_home, measure


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


if __name__ == "__main__":
    main()
