"""Importing the definitions, beside importing Dagster alone: CPU seconds, the least of some turns each.

Usage: python bench/import_time.py
"""

import sys

from common import measure

TURNS = 9
MODULES = ("dagster", "enrollment_assets.definitions")


def main() -> None:
    """Measure in turns, so that a noisy moment touches both; a first turn compiles."""
    taken: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(1 + TURNS):
        for module in MODULES:
            taken[module].append(measure([sys.executable, "-c", f"import {module}"]).cpu_seconds)
    least = {module: min(times[1:]) for module, times in taken.items()}
    print("| import | CPU seconds |\n|---|---|")
    for module, seconds in least.items():
        print(f"| {module} | {seconds:.2f} |")
    print(f"| ratio | {least[MODULES[1]] / least[MODULES[0]]:.2f} |")


if __name__ == "__main__":
    main()
