"""`enrollment demo` as `make demo` calls it, after the install: wall time and highest memory.

Usage: python bench/demo.py
"""

import sys
from pathlib import Path

from common import measure


def main() -> None:
    """Measure it in the checkout."""
    found = measure([str(Path(sys.executable).with_name("enrollment")), "demo"])
    print("| command | seconds | peak MB |\n|---|---|---|")
    print(f"| enrollment demo | {found.seconds:.1f} | {found.megabytes:.0f} |")


if __name__ == "__main__":
    main()
