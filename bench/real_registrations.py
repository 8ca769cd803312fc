"""The real terms of `examples/open_university` in one range run of the core.

Usage: python bench/real_registrations.py FOLDER_OF_THE_DATA_SET
"""

import argparse
import sys
import tempfile
from pathlib import Path

from common import make_home, measure

EXAMPLE = Path(__file__).parents[1] / "examples" / "open_university"


def main() -> None:
    """Build the snapshots in a temporary folder, and measure the backfill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        config = folder / "enrollment.yaml"
        config.write_text((EXAMPLE / "enrollment.yaml").read_text())
        environment = {"ENROLLMENT_CONFIG": str(config), "DAGSTER_HOME": str(make_home(folder))}
        build = [sys.executable, str(EXAMPLE / "build.py"), str(options.data)]
        measure([*build, "--to", str(folder / "snapshots")], **environment)
        files = list((folder / "snapshots").iterdir())
        rows = sum(path.read_bytes().count(b"\n") - 1 for path in files)
        enrollment = str(Path(sys.executable).with_name("enrollment"))
        found = measure(
            [
                enrollment,
                "backfill",
                "--only",
                "core",
                "--from",
                "2013-03-14",
                "--to",
                "2015-06-30",
            ],
            **environment,
        )
    print(f"{len(files)} daily snapshots, {rows:,} rows\n")
    print("| one range run of the core | seconds | peak MB |\n|---|---|---|")
    print(f"| snapshots to segments, with checks | {found.seconds:.1f} | {found.megabytes:.0f} |")


if __name__ == "__main__":
    main()
