"""The product from its wheel: built, installed into an empty environment, run in a folder of its own."""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from enrollment_assets_tests.conftest import CHECKOUT, require

NOT_SOURCE = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".dagster*",
    "data",
    "snapshots",
    "__pycache__",
    "*.egg-info",
    "build",
    ".*_cache",
)
INIT = {
    *("enrollment.yaml", "dagster.yaml", "workspace.yaml", "enrollment.schema.json", ".gitignore"),
    *("sql/metrics/headcount_by_program.sql", "sql/metrics/programs_at_risk.py"),
    "sql/extract/enrollment_query.sql",
}


def run(*command: str | Path, cwd: Path) -> str:
    """What a command of the new environment prints; nothing of this checkout is in its way."""
    hidden = ("PYTHONPATH", "DAGSTER_HOME", "ENROLLMENT_CONFIG", "VIRTUAL_ENV")
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in hidden},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the wheel and what it asks for."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    require(uv is not None, "uv is not in the development environment")
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(CHECKOUT, folder / "source", ignore=NOT_SOURCE, symlinks=True)
    run(sys.executable, "-m", "build", "--no-isolation", ".", cwd=folder / "source")
    (wheel,) = (folder / "source" / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    # The versions of the lock, from uv's cache where CI has just installed them.
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if index:
        os.environ.setdefault("UV_DEFAULT_INDEX", index)
    lock = CHECKOUT / "requirements.lock"
    # Dagster's own command for projects is asked, too; nobody needs it to run.
    wanted = (wheel, f"dagster-dg-cli=={version('dagster')}")
    run(uv, "pip", "install", "-q", "--python", python, *wanted, "-c", lock, cwd=folder)
    return python.parent


def test_the_wheel_makes_a_folder_and_runs_in_it(installed, tmp_path):
    enrollment = installed / "enrollment"
    assert "0.1.0" in run(enrollment, "--version", cwd=tmp_path)
    run(enrollment, "init", "office", cwd=tmp_path)
    office = tmp_path / "office"
    written = {str(path.relative_to(office)) for path in office.rglob("*") if path.is_file()}
    assert written >= INIT
    said = run(enrollment, "demo", "--until", "2025-05-09", cwd=office)
    report = office / "data" / "reports" / "2025-05-09" / "report.html"
    assert "Fall 2025" in said
    assert report.exists()
    assert "".join(str(report).split()) in "".join(said.split())
    assert (office / ".dagster" / "dagster.yaml").exists()
    assert "OK" in run(enrollment, "doctor", cwd=office)
    run(enrollment, "run", "--date", "2025-05-08", cwd=office)
    run(installed / "dagster", "definitions", "validate", cwd=office)
    run(installed / "dg", "check", "defs", cwd=office)


def test_a_folder_that_is_not_empty_is_refused(installed, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    done = subprocess.run(
        [installed / "enrollment", "init", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not empty; nothing was changed" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
