"""From a bare clone to the report: the install through uv and through pip, and the demo after it.

Both download everything: their caches are empty.

Usage: python bench/install.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from common import Measured, measure

CHECKOUT = Path(__file__).parents[1]


def main() -> None:
    """Measure it in clones of what is committed."""
    print("| command | seconds | CPU seconds | peak MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        show("make install, through pip", make(clone(folder, "pip"), "install", "UV=false"))
        bare = clone(folder, "uv")
        install = make(bare, "install")
        packages, megabytes = installed(bare / ".venv")
        show("make install, through uv", install)
        demo = make(bare, "demo")
        show("make demo after it", demo)
        total = Measured(
            install.seconds + demo.seconds,
            max(install.megabytes, demo.megabytes),
            install.cpu_seconds + demo.cpu_seconds,
        )
        show("make demo on a bare clone", total)
        _, with_bytecode = installed(bare / ".venv")
    print(f"\n{packages} packages, {megabytes:.0f} MB; {with_bytecode:.0f} MB after the demo.")


def clone(folder: str, name: str) -> Path:
    """A clone of this checkout's last commit."""
    path = Path(folder, name)
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(path)], check=True)
    return path


def make(folder: Path, *arguments: str) -> Measured:
    """`make` there, as for somebody who has installed nothing yet."""
    command = ["make", "--directory", str(folder), f"PYTHON={sys.executable}", *arguments]
    caches = {"UV_CACHE_DIR": f"{folder}.cache", "PIP_NO_CACHE_DIR": "1"}
    return measure(command, **caches)


def installed(environment: Path) -> tuple[int, float]:
    """How many packages an environment has, and the megabytes of its files."""
    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    packages = list(environment.glob("lib/*/site-packages/*.dist-info"))
    return len(packages), sum(path.stat().st_size for path in files) / 2**20


def show(command: str, found: Measured) -> None:
    """One line of the table."""
    print(
        f"| {command} | {found.seconds:.1f} | {found.cpu_seconds:.1f} | {found.megabytes:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
