"""Importing the definitions, beside importing Dagster alone: the median of some turns each.

Usage: python bench/import_time.py
"""

import statistics
import subprocess
import sys
import time

TURNS = 7
MODULES = ("dagster", "enrollment_assets.definitions")


def main() -> None:
    """Measure in turns, so that a noisy moment touches both."""
    taken: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(TURNS):
        for module in MODULES:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
            taken[module].append(time.perf_counter() - start)
    medians = {module: statistics.median(times) for module, times in taken.items()}
    print("| import | seconds |\n|---|---|")
    for module, seconds in medians.items():
        print(f"| {module} | {seconds:.2f} |")
    print(f"| ratio | {medians[MODULES[1]] / medians[MODULES[0]]:.2f} |")


if __name__ == "__main__":
    main()
