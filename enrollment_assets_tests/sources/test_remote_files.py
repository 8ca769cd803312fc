"""Files on a real SSH server and in a real object store, files that are being written, and failures."""

import datetime as dt
import gc
import gzip
import importlib.util
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
import traceback
import uuid
from contextlib import contextmanager, nullcontext, suppress
from getpass import getuser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from enrollment_assets.errors import (
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support import progress
from enrollment_assets_tests.conftest import CHECKOUT, HEADER, csv_text, day, require, student
from enrollment_assets_tests.sources.test_files import as_csv, as_parquet, as_xlsx, read

DATE, NEXT = "2024-09-03", "2024-09-04"
SECRET = "hunter2"
NOBODY = "Jane Q. Marker"
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def wait_until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.002)


def refusal(kind, work):
    """The words of an error of exactly this kind, which holds no secret wherever somebody looks."""
    with pytest.raises(kind) as caught:
        work()
    assert caught.type is kind
    whole = "".join(traceback.format_exception(caught.value))
    assert SECRET not in whole
    assert NOBODY not in whole
    return str(caught.value)


@contextmanager
def notes():
    """What a person who watches is told."""
    found = []
    with progress.shown_by(progress.Listener(lambda *_: nullcontext(lambda _: None), found.append)):
        yield found


@pytest.fixture(autouse=True)
def _no_login_of_this_machine(tmp_path, monkeypatch):
    """No key, host or account of whoever runs the tests, and no question to a cloud's own machines."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "SSH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


class Sshd:
    """A real SSH server on a port of its own, which takes the key `user` of its folder."""

    def __init__(self, folder, sftp="internal-sftp"):
        import asyncssh

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        folder.mkdir()
        for name in ("host", "user", "stranger"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(folder / name)
            (folder / name).chmod(0o600)
            key.write_public_key(folder / f"{name}.pub")
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        (folder / "known_hosts").write_text(self.host_line("host"))
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile {folder}/pid\n"
            "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n"
            f"PasswordAuthentication no\nSubsystem sftp {sftp}\n"
        )
        self.process = None

    def host_line(self, key):
        return f"[127.0.0.1]:{self.port} {(self.folder / f'{key}.pub').read_text()}"

    @property
    def options(self):
        return {
            "client_keys": [str(self.folder / "user")],
            "known_hosts": str(self.folder / "known_hosts"),
        }

    def url(self, path, login=None):
        return f"sftp://{login or getuser()}@127.0.0.1:{self.port}{path}"

    def start(self):
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.folder / "config"], stderr=log
            )

        def answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            return False

        wait_until(answers, "the start of sshd")

    def sessions(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def transferred(self):
        """The most bytes that a session has written."""
        found = [0]
        for session in self.sessions():
            with suppress(psutil.Error):
                found.append(session.io_counters().write_chars)
        return max(found)

    def stop(self):
        if self.process:
            for process in [*self.sessions(), self.process]:
                with suppress(psutil.Error):
                    process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def sshd(request, tmp_path):
    require(SSHD is not None, "sshd is not installed")
    require(importlib.util.find_spec("sshfs") is not None, "sshfs is not installed")
    server = Sshd(tmp_path / "sshd", getattr(request, "param", "internal-sftp"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def object_store():
    """The address of a server that speaks S3."""
    require(importlib.util.find_spec("s3fs") is not None, "s3fs is not installed")
    require(importlib.util.find_spec("moto") is not None, "moto is not installed")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Folder:
    """Where files lie: a folder of this machine, or one that an SSH server shows."""

    def __init__(self, university, url, options):
        self.university, self.url, self.options = university, url, options

    def source(self, ending=".csv", **keys):
        keys = {"url": self.url, "options": self.options, "settle_seconds": 0, **keys}
        pattern = "s_{date:%Y%m%d}" + ending
        self.university.change(source={"kind": "files", "pattern": pattern, **keys})
        return source_for(self.university.settings)

    def path(self, date, ending=".csv"):
        return self.university.snapshots / f"s_{date.replace('-', '')}{ending}"

    def put(self, date, content, ending=".csv"):
        self.path(date, ending).write_bytes(content)

    def take_away(self, date):
        self.path(date).unlink()


class Bucket(Folder):
    """Where files lie: an object store."""

    def __init__(self, university, endpoint):
        import boto3

        self.name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="somebody",
            aws_secret_access_key=SECRET,
        )
        self.client.create_bucket(Bucket=self.name)
        options = {
            "endpoint_url": endpoint,
            "key": "${STORE_KEY}",
            "secret": "${STORE_SECRET}",
            "config_kwargs": {"retries": {"max_attempts": 0}},
        }
        super().__init__(university, f"s3://{self.name}/extracts", options)

    def key(self, date, ending=".csv"):
        return f"extracts/{self.path(date, ending).name}"

    def put(self, date, content, ending=".csv"):
        self.client.put_object(Bucket=self.name, Key=self.key(date, ending), Body=content)

    def take_away(self, date):
        self.client.delete_object(Bucket=self.name, Key=self.key(date))


@pytest.fixture
def place(request, university, monkeypatch):
    """One of the places where files may lie, by the name that the test gives."""
    if request.param == "local":
        return Folder(university, "snapshots", {})
    if request.param == "sftp":
        server = request.getfixturevalue("sshd")
        return Folder(university, server.url(university.snapshots), server.options)
    endpoint = request.getfixturevalue("object_store")
    monkeypatch.setenv("STORE_KEY", "somebody")
    monkeypatch.setenv("STORE_SECRET", SECRET)
    return Bucket(university, endpoint)


remote = pytest.mark.parametrize("place", ["sftp", "s3"], indirect=True)
growing = pytest.mark.parametrize("place", ["local", "sftp"], indirect=True)
everywhere = pytest.mark.parametrize("place", ["local", "sftp", "s3"], indirect=True)

ROWS = [(f"{n:05d}", f"Name {n}", "2024FA", "Arts", f"P{n % 7}", "1", "E") for n in range(2000)]
IN_ALL_KINDS = [
    (".csv", as_csv(ROWS)),
    (".csv.gz", gzip.compress(as_csv(ROWS))),
    (".parquet", as_parquet(ROWS)),
    (".xlsx", as_xlsx(ROWS)),
]


def names(read_rows):
    return [row[1] for row in read_rows]


@remote
@pytest.mark.parametrize(("ending", "content"), IN_ALL_KINDS)
def test_a_remote_file_of_every_kind_is_read(place, ending, content):
    place.put(DATE, content, ending)
    assert names(read(place.source(ending), day(DATE))) == [row[1] for row in ROWS]


@remote
@pytest.mark.usefixtures("dagster_home")
def test_remote_days_are_listed_looked_into_and_run(place):
    place.source()
    for date, count in ((DATE, 3), (NEXT, 4)):
        place.put(date, csv_text([student(f"{n}") for n in range(count)]).encode())
    place.put("2024-99-99", b"of no day")
    source = source_for(place.university.settings)
    assert source.dates() == [day(DATE), day(NEXT)]
    look = source.probe(day(NEXT))
    assert (look.rows, look.is_all, look.columns) == (4, True, HEADER.split(","))
    assert place.university.run(DATE, NEXT).success
    assert place.university.query(
        "SELECT snapshot_date::VARCHAR, count(*) FROM enrollment.enrollment_snapshots "
        "GROUP BY 1 ORDER BY 1"
    ) == [(DATE, 3), (NEXT, 4)]
    assert source.content_of(source.arrivals()[day(DATE)]) != source.content_of(
        source.arrivals()[day(NEXT)]
    )


@remote
def test_a_remote_file_that_comes_later_is_seen_by_who_looked_before(place):
    place.put(DATE, as_csv())
    source = place.source()
    assert source.dates() == [day(DATE)]
    words = refusal(SnapshotMissingError, lambda: read(source, day(NEXT)))
    assert words.startswith("s_20240904.csv is not in ")
    place.put(NEXT, as_csv(ROWS))
    assert source.dates() == [day(DATE), day(NEXT)]
    assert len(read(source, day(NEXT))) == len(ROWS)
    place.put(NEXT, as_csv(ROWS[:10]))
    assert len(read(source, day(NEXT))) == 10
    place.take_away(NEXT)
    assert source.dates() == [day(DATE)]
    refusal(SnapshotMissingError, lambda: read(source, day(NEXT)))


@remote
def test_a_remote_folder_that_is_missing_is_told_apart_from_a_missing_file(place):
    place.put(DATE, as_csv())
    source = place.source(url=f"{place.url}/elsewhere")
    words = refusal(SourceError, lambda: read(source, day(DATE)))
    assert words.startswith("source.url: the folder ")
    assert "/elsewhere does not exist" in words
    assert words == refusal(SourceError, source.dates)


@remote
def test_a_remote_file_that_is_damaged_is_told_without_what_is_in_it(place):
    row = (NOBODY, NOBODY, "2024FA", "Arts", "P", "1", "E")
    place.put(DATE, as_csv([row]) + f"1,{NOBODY}\n".encode())
    words = refusal(SnapshotUnreadableError, lambda: read(place.source(), day(DATE)))
    assert "has 2 columns, but the header has 7" in words


@remote
def test_an_option_that_nobody_knows_is_named(place):
    source = place.source(options={**place.options, "keyfile": "x"})
    words = refusal(SourceError, lambda: read(source, day(DATE)))
    assert "source.options: keyfile is not one" in words


@remote
def test_a_remote_file_larger_than_allowed_is_not_fetched(place):
    place.put(DATE, b"x" * (2 << 20))
    source = place.source(max_megabytes=1)
    words = refusal(SnapshotUnreadableError, lambda: read(source, day(DATE)))
    assert "more than 1 MB" in words


@everywhere
@pytest.mark.parametrize("becomes", ["another one", "nothing"])
def test_a_file_that_changes_while_it_is_read_is_refused_for_now(place, becomes):
    place.put(DATE, as_csv(ROWS))
    source = place.source()

    def read_slowly():
        with source.read(day(DATE)) as extract:
            next(extract.rows)
            if becomes == "nothing":
                place.take_away(DATE)
            else:
                place.put(DATE, as_csv(ROWS[:7]))
            list(extract.rows)

    words = refusal(SourceUnavailableError, read_slowly)
    assert (
        words == "s_20240903.csv changed while it was read; run the day again when it is complete."
    )


# --- an SSH server


def served(university, sshd, **keys):
    return Folder(university, sshd.url(university.snapshots), sshd.options).source(**keys)


def bulky(count):
    """A day of few rows and many bytes, of which most are in a column that is not read."""
    padding = "x" * 20_000
    lines = [f"{n:05d},Name {n},2024FA,Arts,History,1,E,{padding}" for n in range(count)]
    return "\n".join([f"{HEADER},note", *lines, ""]).encode()


@pytest.mark.parametrize("fate", ["killed", "silent"])
@pytest.mark.usefixtures("dagster_home")
def test_a_session_that_ends_in_the_middle_of_a_file_is_begun_again(university, sshd, fate):
    served(university, sshd, retry_seconds=0.05, timeout_seconds=1)
    (university.snapshots / "s_20240903.csv").write_bytes(bulky(2000))
    ended = []

    def end():
        wait_until(lambda: sshd.transferred() > 4 << 20, "the transfer")
        for session in sshd.sessions():
            with suppress(psutil.Error):
                session.kill() if fate == "killed" else session.suspend()
                ended.append(session.pid)

    ender = threading.Thread(target=end)
    ender.start()
    with notes() as told:
        outcome = university.run(DATE)
    ender.join()
    assert ended
    assert outcome.success, outcome.failures
    assert any("Trying again" in note for note in told)
    figures = "count(*), count(DISTINCT student_id)"
    assert university.query(f"SELECT {figures} FROM enrollment.enrollment_snapshots") == [
        (2000, 2000)
    ]
    assert not list(university.settings.data_path.glob("tmp*"))


@pytest.mark.usefixtures("dagster_home")
def test_a_server_that_is_not_there_is_waited_for(university, sshd):
    source = served(university, sshd, retries=1, retry_seconds=0.05)
    (university.snapshots / "s_20240903.csv").write_bytes(as_csv(ROWS))
    assert len(read(source, day(DATE))) == len(ROWS)
    sshd.stop()
    for work in (source.check, source.dates, lambda: read(source, day(DATE))):
        assert "could not be read" in refusal(SourceUnavailableError, work)
    with notes() as told:
        outcome = university.run(DATE)
    assert not outcome.success
    assert "could not be read" in outcome.failures[0]
    assert len([note for note in told if "Trying again" in note]) == 1
    sshd.start()
    assert len(read(source, day(DATE))) == len(ROWS)  # with a new connection


def test_a_host_is_trusted_only_if_its_key_is_known(university, sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_FILE", str(sshd.folder / "user"))

    def check(known_hosts=None):
        options = {"client_keys": ["${KEY_FILE}"]}
        if known_hosts is not None:
            options["known_hosts"] = str(known_hosts)
        served(university, sshd, options=options).check()

    ours = tmp_path / ".ssh" / "known_hosts"
    ours.parent.mkdir()
    (tmp_path / "empty").write_text("")
    (tmp_path / "another").write_text(sshd.host_line("stranger"))
    for known in (None, tmp_path / "empty", tmp_path / "another"):
        words = refusal(SourceError, lambda known=known: check(known))
        assert "host key is unknown" in words
        assert "source.options.known_hosts" in words
    ours.write_text(sshd.host_line("host"))
    check()
    refusal(SourceError, lambda: check(tmp_path / "another"))


@pytest.mark.parametrize(
    ("login", "options", "expected"),
    [
        (None, {"client_keys": ["{folder}/stranger"]}, "refused the login"),
        (None, {"client_keys": ["{folder}/broken"]}, "refused the login"),
        (None, {"client_keys": ["{folder}/nowhere"]}, "source.options names a file"),
        (None, {"known_hosts": "{folder}/nowhere"}, "source.options names a file"),
        (None, {"client_keys": [], "password": "${SFTP_PASSWORD}"}, "refused the login"),
        ("nobody", {}, "refused the login"),
        ("x:${SFTP_PASSWORD}", {"client_keys": []}, "refused the login"),
        ("x:a/${SFTP_PASSWORD}", {}, "with these source.options"),
        ("x:${SFTP_PASSWORD}/a", {}, "with these source.options"),
        ("x:${SFTP_PASSWORD}#a", {}, "with these source.options"),
    ],
)
def test_a_login_that_fails_is_told_without_its_secret(
    university, sshd, monkeypatch, login, options, expected
):
    monkeypatch.setenv("SFTP_PASSWORD", SECRET)
    (sshd.folder / "broken").write_text(
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    if login == "nobody":
        (sshd.folder / "config").write_text(
            (sshd.folder / "config").read_text() + "DenyUsers nobody\n"
        )
        sshd.stop()
        sshd.start()
    filled = json.loads(json.dumps(options).replace("{folder}", str(sshd.folder)))
    source = served(
        university,
        sshd,
        url=sshd.url(university.snapshots, login),
        options={**sshd.options, **filled},
    )
    assert expected in refusal(SourceError, lambda: read(source, day(DATE)))


@pytest.mark.parametrize(
    ("sshd", "kind", "expected"),
    [
        ("internal-sftp -P open", SnapshotUnreadableError, "may not read s_20240903.csv"),
        ("internal-sftp -P stat", SourceError, "This user may not read"),
        ("/bin/false", SourceUnavailableError, "could not be read"),
    ],
    indirect=["sshd"],
)
def test_a_server_that_allows_too_little_is_told_in_words(university, sshd, kind, expected):
    source = served(university, sshd)
    (university.snapshots / "s_20240903.csv").write_bytes(as_csv())
    assert expected in refusal(kind, lambda: read(source, day(DATE)))


def test_connections_end_with_the_source_that_made_them(university, sshd):
    (university.snapshots / "s_20240903.csv").write_bytes(as_csv())
    gc.disable()  # as between two collections
    try:
        for _ in range(3):
            source = served(university, sshd)
            assert source.dates() == [day(DATE)]
            read(source, day(DATE))
        del source
        wait_until(lambda: not sshd.sessions(), "the end of the sessions", seconds=5)
    finally:
        gc.enable()


# --- object stores


@pytest.fixture
def bucket(request, university, object_store, monkeypatch):
    monkeypatch.setenv("STORE_KEY", "somebody")
    monkeypatch.setenv("STORE_SECRET", SECRET)
    return Bucket(university, object_store)


def test_an_object_is_not_waited_for(bucket):
    bucket.put(DATE, as_csv(ROWS))
    source = bucket.source(settle_seconds=60)
    with notes() as told:
        assert len(read(source, day(DATE))) == len(ROWS)
    assert told == []


def test_a_bucket_that_is_not_there_is_the_addresss_fault(bucket):
    for url in ("s3://bucket-that-is-not-there", "s3://bucket-that-is-not-there/extracts"):
        source = bucket.source(url=url)
        words = refusal(SourceError, lambda source=source: read(source, day(DATE)))
        assert f"source.url: the folder {url} does not exist" in words


@pytest.mark.parametrize("below", ["", "/extracts"])
@pytest.mark.usefixtures("dagster_home")
def test_a_store_that_does_not_answer_is_asked_again(bucket, below):
    options = {**bucket.options, "endpoint_url": "http://127.0.0.1:1"}
    keys = {"url": f"s3://{bucket.name}{below}", "retries": 1, "retry_seconds": 0.05}
    bucket.source(options=options, **keys)
    with notes() as told:
        outcome = bucket.university.run(DATE)
    assert not outcome.success
    assert "could not be read" in outcome.failures[0]
    assert SECRET not in " ".join([*told, *outcome.failures])
    assert len([note for note in told if "Trying again" in note]) == 1


@contextmanager
def rights_are_checked(endpoint):
    """Moto's own switch: from now on every request is checked, and this login is not known."""
    import requests

    reset = f"{endpoint}/moto-api/reset-auth"
    before = requests.post(reset, data=b"0", timeout=10).json()
    try:
        yield
    finally:
        requests.post(
            reset, data=str(before["PREVIOUS_INITIAL_NO_AUTH_ACTION_COUNT"]).encode(), timeout=10
        )


def test_a_store_that_refuses_the_login_says_so_without_the_key(bucket, object_store):
    bucket.put(DATE, as_csv())
    for url in (bucket.url, f"s3://{bucket.name}"):
        source = bucket.source(url=url)
        with rights_are_checked(object_store):
            words = refusal(SourceError, lambda source=source: read(source, day(DATE)))
        assert "correct user, key or password" in words
    assert len(read(bucket.source(), day(DATE))) == 3


def test_a_store_without_any_key_is_a_login_to_correct(bucket):
    source = bucket.source(options={"endpoint_url": bucket.options["endpoint_url"]})
    assert "refused the login" in refusal(SourceError, lambda: read(source, day(DATE)))


@pytest.mark.parametrize("option", [{"endpoint_url": "no address"}, {"config_kwargs": {"a": 1}}])
def test_options_that_are_no_good_are_told_when_the_store_is_first_asked(bucket, option):
    source = bucket.source(options={**bucket.options, **option})
    words = refusal(SourceError, lambda: read(source, day(DATE)))
    assert "not with these source.options" in words


class Refuse(BaseHTTPRequestHandler):
    """Answers every request with the server's status."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "0" if self.command == "HEAD" else "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def cloud(request, tmp_path, monkeypatch):
    """A server that refuses, and the environment of two clouds that name it as their own."""
    for package in ("gcsfs", "adlfs"):
        require(importlib.util.find_spec(package) is not None, f"{package} is not installed")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "token.json").write_text(json.dumps({"type": "service_account", "k": SECRET}))
        monkeypatch.setenv("CLOUD", endpoint)
        monkeypatch.setenv("ANYBODY", "anon")
        monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token.json"))
        monkeypatch.setenv("SOME_KEY", SECRET)
        monkeypatch.setenv(
            "CONNECTION",
            f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aHVudGVyMg==;BlobEndpoint={endpoint}/a;",
        )
        yield server
        server.shutdown()


GOOGLE = ("gs://bucket/extracts", {"token": "${ANYBODY}", "endpoint_url": "${CLOUD}"})
AZURE = ("abfs://container/extracts", {"connection_string": "${CONNECTION}"})


@pytest.mark.parametrize(
    ("address", "status", "expected"),
    [
        (GOOGLE, 403, "correct user, key or password"),
        (GOOGLE, 404, "does not exist"),
        (("gs://bucket/extracts", {"token": "${TOKEN_FILE}"}), 403, "with these source.options"),
        (AZURE, 401, "refused the login"),
        (AZURE, 403, "correct user, key or password"),
        (AZURE, 404, "does not exist"),
        (
            ("abfs://container/x", {"connection_string": "${SOME_KEY}"}),
            403,
            "with these source.options",
        ),
        (
            ("abfs://container/x", {"account_name": "a", "account_key": "${SOME_KEY}"}),
            403,
            "refused the login",
        ),
    ],
)
def test_other_clouds_refuse_in_words(university, cloud, address, status, expected):
    cloud.status = status
    url, options = address
    source = Folder(university, url, options).source()
    assert expected in refusal(SourceError, lambda: read(source, day(DATE)))


ADDRESSES = [
    ("s3://bucket/x", "s3", "S3FileSystem"),
    ("gs://bucket/x", "gcs", "GCSFileSystem"),
    ("abfs://container/x", "azure", "AzureBlobFileSystem"),
    ("sftp://host/x", "sftp", "SSHFileSystem"),
]
WITHOUT = """
import importlib.abc, json, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("s3fs", "gcsfs", "adlfs", "sshfs", "paramiko"):
            raise ModuleNotFoundError(f"No module named {name}", name=name)

sys.meta_path.insert(0, Absent())
from enrollment_assets.config import load_settings
from enrollment_assets.errors import SourceError
from enrollment_assets.sources.files import FilesSource
settings = load_settings()
for url in sys.argv[1:]:
    try:
        FilesSource(settings, settings.source.model_copy(update={"url": url})).check()
    except SourceError as error:
        print(error)
"""


@pytest.mark.parametrize(("url", "extra", "kind"), ADDRESSES)
def test_each_kind_of_address_has_its_file_system(url, extra, kind):
    import fsspec

    assert fsspec.get_filesystem_class(url.partition("://")[0]).__name__ == kind


def test_a_package_that_is_not_installed_is_named_by_its_extra(university):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *(url for url, *_ in ADDRESSES)],
        env={
            **os.environ,
            "ENROLLMENT_CONFIG": str(university.config),
            "PYTHONPATH": str(CHECKOUT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert {extra for _, extra, _ in ADDRESSES} <= set(project["optional-dependencies"])
    assert done.stdout.splitlines() == [
        f"source.url: {url.partition('://')[0]}:// needs a package that is not installed: "
        f".venv/bin/pip install -e '.[{extra}]'."
        for url, extra, _ in ADDRESSES
    ]


# --- files that are being written


@contextmanager
def writer(path, pieces, pause):
    """Somebody who writes a file piece by piece; the first piece is there at once."""
    first, *others = pieces
    path.write_bytes(first)

    def go_on():
        for piece in others:
            time.sleep(pause)
            with path.open("ab") as file:
                file.write(piece)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def cut(content, *places):
    marks = [0, *places, len(content)]
    return [content[a:b] for a, b in pairwise(marks)]


CSV, PARQUET, XLSX = as_csv(ROWS), as_parquet(ROWS), as_xlsx(ROWS)
SETTLE = 0.2


@growing
@pytest.mark.parametrize(
    ("ending", "pieces", "pause"),
    [
        (".csv", cut(CSV, *range(10_000, 60_000, 6_000)), SETTLE / 5),
        (".csv", [b"", CSV], SETTLE * 1.5),
        (".parquet", cut(PARQUET, len(PARQUET) - 30), SETTLE * 1.5),
        (".parquet", cut(PARQUET, 4), SETTLE * 1.5),  # its first mark looks like its last
        (".parquet", cut(PARQUET, 2), SETTLE * 1.5),
        (".xlsx", cut(XLSX, len(XLSX) // 2), SETTLE * 1.5),
        (".xlsx", [b"", XLSX], SETTLE * 1.5),
    ],
)
def test_a_file_that_is_being_written_is_read_when_it_is_whole(place, ending, pieces, pause):
    source = place.source(ending, settle_seconds=SETTLE)
    with notes() as told, writer(place.path(DATE, ending), pieces, pause):
        found = read(source, day(DATE))
    assert names(found) == [row[1] for row in ROWS]
    assert any("waiting 0.2 s to see whether it still changes" in note for note in told)


@growing
def test_a_file_that_goes_on_growing_is_not_read(place):
    source = place.source(settle_seconds=0.2, timeout_seconds=0.5)
    with writer(place.path(DATE), cut(CSV, *range(10_000, 60_000, 4_000)), 0.08):
        words = refusal(SourceUnavailableError, lambda: read(source, day(DATE)))
    assert words == "s_20240903.csv is still being written; run the day again when it is complete."


def dated(path, seconds):
    """Set when a file was written, in seconds from now."""
    then = time.time() + seconds
    os.utime(path, (then, then))


@growing
@pytest.mark.parametrize(
    ("ending", "content", "expected"),
    [
        (".csv", b"", "is empty (0 bytes, not even a header)"),
        (".parquet", PARQUET[:-30], "cannot be read in the format of its extension"),
        (".xlsx", XLSX[:-3000], "cannot be read as an Excel workbook"),
    ],
)
def test_an_old_file_that_has_no_end_is_not_waited_for(place, ending, content, expected):
    source = place.source(ending, settle_seconds=30)
    place.put(DATE, content, ending)
    dated(place.path(DATE, ending), -3600)
    with notes() as told:
        assert expected in refusal(SnapshotUnreadableError, lambda: read(source, day(DATE)))
    assert told == []


@growing
@pytest.mark.parametrize(
    ("settle", "age"), [(30, 3600), (0, 0)], ids=["an old file", "nobody waits"]
)
def test_what_need_not_be_waited_for_is_not(place, settle, age):
    source = place.source(settle_seconds=settle)
    place.put(DATE, CSV)
    dated(place.path(DATE), -age)
    with notes() as told:
        assert len(read(source, day(DATE))) == len(ROWS)
    assert told == []


@growing
def test_a_clock_that_is_ahead_makes_nobody_wait_for_ever(place):
    place.put(DATE, b"")
    dated(place.path(DATE), 7200)
    source = place.source(settle_seconds=0.05)
    words = refusal(SnapshotUnreadableError, lambda: read(source, day(DATE)))
    assert "is empty" in words


@pytest.mark.parametrize("becomes", ["another one", "nothing"])
@pytest.mark.usefixtures("dagster_home")
def test_a_file_that_is_replaced_while_a_run_reads_it_is_stored_as_it_then_is(university, becomes):
    place = Folder(university, "snapshots", {})
    place.source(retry_seconds=0.05)
    path = place.path(DATE)
    path.write_bytes(bulky(2000))
    other = university.folder / "other.csv"
    other.write_text(csv_text([student(f"new-{n}") for n in range(5)]))

    def is_open():
        for number in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                if number.readlink() == path:
                    return True
        return False

    def replace():
        wait_until(is_open, "the reading")
        path.unlink() if becomes == "nothing" else other.replace(path)

    require(Path("/proc/self/fd").exists(), "there is no /proc")
    replacer = threading.Thread(target=replace)
    replacer.start()
    with notes() as told:
        outcome = university.run(DATE)
    replacer.join()
    assert any(
        "changed while it was read; run the day again when it is complete. Trying again" in note
        for note in told
    )
    stored = university.query("SELECT student_id FROM enrollment.enrollment_snapshots ORDER BY 1")
    if becomes == "nothing":
        assert not outcome.success
        assert "s_20240903.csv is not in" in outcome.failures[0]
        assert stored == []
    else:
        assert outcome.success, outcome.failures
        assert stored == [(f"new-{n}",) for n in range(5)]


def test_a_process_that_read_remote_files_ends_by_itself(university, sshd):
    (university.snapshots / "s_20240903.csv").write_bytes(as_csv())
    served(university, sshd)
    code = (
        "from enrollment_assets.config import load_settings\n"
        "from enrollment_assets.sources.configured import source_for\n"
        "print(source_for(load_settings()).dates())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "ENROLLMENT_CONFIG": str(university.config),
            "PYTHONPATH": str(CHECKOUT),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert str([dt.date(2024, 9, 3)]) in done.stdout
