"""Nothing of a student is where it should not be: marked students are planted, every output is searched.

Every id and name holds the mark, so that one that comes through anywhere is found. `OUTPUTS` lists what
the platform puts out: what is new there is searched when it is added to the list.
"""

import base64
import contextlib
import gzip
import os
import sqlite3
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from enrollment_assets.cli.main import main
from enrollment_assets_tests.conftest import University, csv_text, student
from enrollment_assets_tests.orchestration.test_operations import evaluate
from enrollment_assets_tests.publishing.test_serve import served
from enrollment_assets_tests.support.channels import open_channel
from enrollment_assets_tests.support.mail_servers import FlakyServer, read_mail, serving

MARK = "ZQXJVKW"


def in_base64(mark: bytes, shift: int) -> bytes:
    """The letters that stand for the mark in base64, `shift` bytes after a multiple of three."""
    letters = base64.b64encode(b"\0" * shift + mark + b"\0\0")
    return letters[-(-8 * shift // 6) : 8 * (shift + len(mark)) // 6]


SPELLINGS = {
    "plain": MARK.encode(),
    "small": MARK.lower().encode(),
    "utf-16": MARK.encode("utf-16-le"),
    "hexadecimal": MARK.encode().hex().encode(),
    **{f"base64, {shift}": in_base64(MARK.encode(), shift) for shift in range(3)},
}
D = [f"2024-09-{number:02d}" for number in range(2, 12)]
FINE, ODD, REFUSED, RAGGED, LATIN, QUOTE, MISSING, BROKEN, LAST, NO_HEADER = D


def marked(number: int, **others: str) -> dict[str, str]:
    name = f"{MARK}NAME{number:03d}"
    return student(f"{MARK}ID{number:03d}", **{"student_name": name, **others})


@dataclass
class Scene:
    """A university whose commands run in this process; what they say is kept."""

    university: University
    capture: pytest.CaptureFixture[str]
    log: pytest.LogCaptureFixture
    alerts: list[str] = field(default_factory=list)
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)

    def command(self, *arguments: str) -> int:
        """Run a command as a shell would; the exit code."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ENROLLMENT_CONFIG", str(self.university.config))
            patch.setattr(sys, "argv", ["enrollment", *arguments])
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        told = self.capture.readouterr()
        self.said.append((" ".join(arguments), told.out + told.err))
        return code


# --- what is planted ---------------------------------------------------------------------------------


def plant(university: University) -> None:
    """Files with students in every role, good ones and bad ones."""
    everyone = [marked(n, program=f"Program {n % 3}") for n in range(120)]
    university.write(FINE, everyone)
    odd = [
        marked(4, program="Moved"),
        *everyone[5:],
        *(marked(n) for n in range(120, 126)),
        marked(7, program="Twice"),
        marked(200, student_id=""),
        marked(201, student_id=f"{MARK} of a bad form"),
        marked(202, status=f"{MARK}STATUS"),
        marked(203, term=f"{MARK}TERM"),
        marked(204, term="2025SP"),
    ]
    university.write(ODD, odd)
    university.write(REFUSED, everyone[:40])
    text = csv_text(everyone)
    ragged = text.replace('"Program 1"', '"Program 1","one more"', 1)
    university.file(RAGGED).write_text(ragged)
    university.file(LATIN).write_bytes(text.replace("NAME001", "NÄME001").encode("latin-1"))
    university.file(QUOTE).write_text(text.replace(f'"{MARK}NAME050"', f'"{MARK}NAME050', 1))
    university.file(NO_HEADER).write_text(text.partition("\n")[2])
    for date in (BROKEN, LAST):
        university.write(date, [*everyone[2:], *(marked(n) for n in range(120, 128))])


def break_a_metric(university: University) -> None:
    """Add a metric of somebody's own that cannot be computed."""
    metrics = university.folder / "metrics"
    metrics.mkdir()
    (metrics / "broken.sql").write_text(BROKEN_METRIC)
    university.change(metrics_dir=str(metrics))


ONE_TERM = [
    {"code": "2024FA", "registration_opens": "2024-04-01", "starts": "2024-08-26"}
    | {"census": "2024-09-09", "ends": "2024-12-20"}
]
BROKEN_METRIC = """-- name: broken
-- grain: one row per day
-- description: It fails on every day, and DuckDB's own message would quote a name.
-- key: date
-- columns:
--   date: DATE - The day
--   number: INTEGER - A name, which is no number
-- binds: $first, $last
SELECT snapshot_date AS date, max(student_name)::INTEGER AS number
FROM enrollment.enrollment_snapshots WHERE snapshot_date BETWEEN $first AND $last GROUP BY ALL
"""


@pytest.fixture
def scene(university, capfd, caplog, monkeypatch):
    working_directory(university).mkdir()
    monkeypatch.chdir(working_directory(university))
    university.change(exports={"formats": ["csv", "parquet", "hyper"]})
    return Scene(university, capfd, caplog)


def working_directory(university: University) -> Path:
    """Where commands are run, and should leave nothing."""
    return university.folder / "anywhere"


@pytest.fixture
def played(scene, dagster_instance, monkeypatch):
    """Everything that the platform does, once, over the planted students."""
    with open_channel() as alerts, serving(FlakyServer()) as mails:
        monkeypatch.setenv("SMTP_URL", mails.url)
        scene.alerts, scene.mails = alerts.sent, mails.taken
        play(scene, dagster_instance, alerts.address)
        yield scene


def play(scene: Scene, instance: dg.DagsterInstance, alert_url: str) -> None:
    university = scene.university
    university.change(
        alerts={"urls": [alert_url]},
        email={"enabled": True, "from": "a@example.edu", "recipients": ["b@example.edu"]},
        statuses={"counted": ["enrolled"], "ignored": ["withdrawn"]},
        quality={"student_id_pattern": "[A-Z]+[0-9]+"},
    )
    plant(university)
    cursor = evaluate(university, "alerts_sensor", instance, None).cursor
    assert scene.command("run", "--date", FINE, "--email", "--verbose") == 0
    assert (
        scene.command("run", "--date", ODD, "--email", "--verbose") == 1
    )  # rows of an unknown term
    assert scene.command("run", "--date", REFUSED, "--email", "--verbose") == 1
    assert scene.command("backfill", "--from", RAGGED, "--to", LAST, "--reports") == 0
    break_a_metric(university)
    assert scene.command("run", "--date", BROKEN) == 1
    university.change(metrics_dir=None)
    assert scene.command("run", "--date", NO_HEADER, "--verbose") == 1
    assert scene.command("accept", "--date", REFUSED, "--reason", "to look at it") == 0
    assert scene.command("explain", "--term", "2024FA", "--from", FINE, "--to", LAST) == 0
    assert scene.command("students", "--date", LAST, "--reason", "the registrar asks") == 0
    assert scene.command("status") == 0
    assert scene.command("doctor") == 1  # the newest file has no header
    assert scene.command("prune", "--dry-run") == 0
    evaluate(university, "alerts_sensor", instance, cursor)


# --- what is searched --------------------------------------------------------------------------------

Output = Iterator[tuple[str, bytes]]


def commands(scene: Scene) -> Output:
    """What commands say, and what was logged in this process."""
    for name, text in scene.said:
        yield f"enrollment {name}", text.encode()
    yield "log", scene.log.text.encode()


def dagster_home(scene: Scene) -> Output:
    """Dagster's state: event logs, runs, compute logs; what SQLite holds also as it is read."""
    home = Path(os.environ["DAGSTER_HOME"])
    for path in files_under(home):
        content = path.read_bytes()
        yield str(path), content
        if content.startswith(b"SQLite format 3"):
            with contextlib.closing(sqlite3.connect(path)) as connection:
                rows = "\n".join(connection.iterdump())
            yield f"{path}, read", rows.encode()


def files_of_data(scene: Scene) -> Output:
    """Everything under data but what holds students on purpose."""
    data = scene.university.settings.data_path
    for path in files_under(data):
        yield f"the name of {path}", str(path.relative_to(data)).encode()
        if not is_allowed(path, data):
            yield str(path), path.read_bytes()


def exports(scene: Scene) -> Output:
    """Exports as they are read: what Parquet and Tableau's files hold is compressed."""
    import pantab

    folder = scene.university.settings.data_path / "exports"
    for path in folder.glob("parquet/*"):
        rows = duckdb.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        yield f"{path}, read", repr(rows).encode()
    for path in folder.glob("hyper/*"):
        tables = pantab.frames_from_hyper(path)
        for name, frame in tables.items():
            yield f"{path}, {name}", frame.to_csv().encode()


def alerts(scene: Scene) -> Output:
    """What the people who run this were told."""
    for message in scene.alerts:
        yield "alert", message.encode()


def mails(scene: Scene) -> Output:
    """What was mailed, as it went over the line and as it is read."""
    for recipient, content in scene.mails:
        yield f"mail to {recipient}", content
        for part in read_mail(content).walk():
            if not part.is_multipart():
                yield f"{part.get_content_type()} of it", part.get_payload(decode=True)


def interface(scene: Scene) -> Output:
    """Every path of `enrollment serve`, and its log."""
    with served(scene.university) as server:
        for path in server.get("/openapi.json").json()["paths"]:
            for parameters in ("", "?term=2024FA", f"?term={MARK.lower()}id001"):
                # an error may not repeat what was asked either
                yield f"GET {path}{parameters}", server.get(path + parameters).content
        for path in ("/", "/docs", f"/{LAST}/report.html", f"/{LAST}/trend.png"):
            yield f"GET {path}", server.get(path).content
    yield "log of serve", (scene.university.folder / "serve.log").read_bytes()


OUTPUTS: tuple[Callable[[Scene], Output], ...] = (
    commands,
    dagster_home,
    files_of_data,
    exports,
    alerts,
    mails,
    interface,
)


def is_allowed(path: Path, data: Path) -> bool:
    """Whether a file is one of those that hold students on purpose."""
    name = path.relative_to(data)
    return (
        name.parts[0].startswith("warehouse.")
        or (name.parts[0] == "quarantine" and path.suffix == ".parquet")
        or name.parts[0] == "student_lists"
        or path.stem == "fact_student_change"
    )


def files_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def unpacked(content: bytes) -> Iterator[bytes]:
    """The content, and what it is when it is decompressed."""
    yield content
    for unpack in (gzip.decompress, zlib.decompress):
        with contextlib.suppress(OSError, zlib.error, EOFError):
            yield unpack(content)


def found_in(content: bytes) -> list[str]:
    """The spellings of the mark in it."""
    texts = list(unpacked(content))
    return [name for name, mark in SPELLINGS.items() if any(mark in text for text in texts)]


def leaks(scene: Scene) -> list[str]:
    """Where something of a student is and should not be."""
    return [
        f"{label}: {spelling}"
        for output in OUTPUTS
        for label, content in output(scene)
        for spelling in found_in(content)
    ]


def test_nothing_of_a_student_is_anywhere_but_where_it_should_be(played):
    assert leaks(played) == []
    # what was searched was there, and so were the students
    data = played.university.settings.data_path
    searched = {label for output in OUTPUTS for label, _ in output(played)}
    assert {
        f"{data}/reports/{LAST}/report.html",
        f"{data}/quarantine/{ODD}/reasons.json",
    } <= searched
    assert f"{data}/exports/csv/fact_segment_daily.csv" in searched
    assert not list(data.rglob("fact_student_change*"))
    assert len(played.alerts) > 1
    assert "text/html of it" in searched
    assert sum(label.endswith(".db, read") for label in searched) >= 3
    (count,) = played.university.query(
        "SELECT count(*) FROM enrollment.enrollment_snapshots WHERE student_name LIKE ?", f"{MARK}%"
    )
    assert count > (500,)
    (asked_for,) = {path.parent.name for path in data.glob("student_lists/*/*.csv")}
    assert asked_for == LAST
    kept = duckdb.execute(f"FROM '{data}/quarantine/{REFUSED}/*.parquet'").fetchall()
    assert found_in(repr(kept).encode()) == ["plain"]
    assert open_to_others(data) == []
    assert list(working_directory(played.university).iterdir()) == []


def open_to_others(data: Path) -> list[str]:
    """Files and folders that somebody else could look into."""
    everything = [data, *data.rglob("*")]
    return [str(path) for path in everything if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def test_what_a_database_says_of_a_row_stays_there(scene, postgres_database):
    """PostgreSQL quotes the value that it cannot convert."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(postgres_database)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE TABLE people AS SELECT '{MARK}NAME001' AS name")
    query = scene.university.folder / "query.sql"
    query.write_text("SELECT name::int AS student_id FROM people WHERE :snapshot_date IS NOT NULL")
    source = {"kind": "database", "url": postgres_database, "query": str(query)}
    scene.university.change(
        source=source, columns={"student_id": "student_id"}, terms=ONE_TERM, dimensions=[]
    )
    assert (
        scene.command("backfill", "--from", FINE, "--to", FINE, "--only", "core", "--verbose") == 1
    )
    scene.command("doctor")
    assert "answered query.sql with InvalidTextRepresentation" in scene.said[0][1]
    assert leaks(scene) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress])
def test_the_search_finds_each_spelling(spelling, pack):
    text = f"id {MARK}ID001"
    written = {
        "plain": text.encode(),
        "small": text.lower().encode(),
        "utf-16": text.encode("utf-16-le"),
        "hexadecimal": text.encode().hex().encode(),
    }
    shift = int(spelling[-1]) if spelling.startswith("base64") else 0
    content = written.get(spelling) or base64.b64encode(b"." * shift + f"{MARK}ID001".encode())
    assert found_in(pack(content)) == [spelling]
    assert found_in(pack(b"nothing of anybody")) == []
