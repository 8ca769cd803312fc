"""Recipes for standards of schools, with their own configuration: OneRoster and Ed-Fi."""

import base64
import csv
import io
import json
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from enrollment_assets.cli.running import execute
from enrollment_assets.errors import SnapshotUnreadableError, SourceError
from enrollment_assets.pipeline.names import CORE
from enrollment_assets.sources.configured import source_for
from enrollment_assets_tests.conftest import CHECKOUT, University, day

USERS = ["sourcedId", "status", "enabledUser", "role", "givenName", "familyName", "grades"]
ENROLLMENTS = [
    *("sourcedId", "status", "classSourcedId", "schoolSourcedId", "userSourcedId"),
    *("role", "beginDate", "endDate"),
]
ORGS = ["sourcedId", "status", "name", "type"]


def recipe(tmp_path, name, **source):
    """The recipe's folder, copied, with some keys of its source changed."""
    folder = tmp_path / name
    shutil.copytree(CHECKOUT / "examples" / name, folder)
    config = folder / "enrollment.yaml"
    content = yaml.safe_load(config.read_text())
    content["source"] |= source
    config.write_text(yaml.safe_dump(content))
    return University(folder, config)


def table(header, rows):
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def export(schools, date, users, enrollments, *, kind="bulk", without=()):
    """Write the export of a night."""
    orgs = [("o1", "", "North High", "school"), ("o2", "", "South High", "school")]
    files = {
        "manifest.csv": table(
            ("propertyName", "value"),
            [("manifest.version", "1.0"), ("oneroster.version", "1.1"), ("file.users", kind)],
        ),
        "users.csv": table(USERS, users),
        "enrollments.csv": table(ENROLLMENTS, enrollments),
        "orgs.csv": table(ORGS, orgs),
    }
    folder = schools.folder / "exports"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"oneroster_{day(date):%Y%m%d}.zip", "w") as archive:
        for name, text in files.items():
            if name not in without:
                archive.writestr(name, text)


def user(n, status="", enabled="true", role="student"):
    return (f"u{n}", status, enabled, role, "Ana", f"N{n}", "09")


def enrolled(
    n, school="o1", status="", role="student", begin="2024-08-19", end="2025-06-06", c="c"
):
    return (f"e{n}{school}{c}", status, c, school, f"u{n}", role, begin, end)


def test_a_onereoster_export_gives_its_students(tmp_path, dagster_home):
    schools = recipe(tmp_path, "oneroster", settle_seconds=0)
    users = [
        *(user(n) for n in range(1, 6)),
        user(6, status="tobedeleted"),
        user(7, enabled="false"),
        user(8, role="teacher"),
    ]
    enrollments = [
        *(enrolled(1, "o1", c="a"), enrolled(1, "o1", c="b"), enrolled(1, "o2", c="c")),
        enrolled(2, "o2"),
        enrolled(3, end="2024-09-03"),  # has left
        enrolled(4, status="tobedeleted"),
        enrolled(5, begin="", end=""),
        *(enrolled(6), enrolled(7)),
        enrolled(8, role="teacher"),
    ]
    export(schools, "2024-09-03", users, enrollments)
    export(schools, "2024-09-04", users, enrollments)
    assert execute(schools.settings, CORE, day("2024-09-03"), day("2024-09-04")).success
    assert schools.query(
        "SELECT day(snapshot_date), student_id, school, grade FROM enrollment.enrollment_snapshots "
        "ORDER BY ALL"
    ) == [
        (3, "u1", "North High", "09"),
        (3, "u2", "South High", "09"),
        (3, "u3", "North High", "09"),
        (3, "u5", "North High", "09"),
        (4, "u1", "North High", "09"),
        (4, "u2", "South High", "09"),
        (4, "u5", "North High", "09"),
    ]


def read_all(schools, date):
    with source_for(schools.settings).read(day(date)) as extract:
        return [row for batch in extract.rows for row in batch.to_pylist()]


def test_a_delta_is_no_snapshot(tmp_path):
    schools = recipe(tmp_path, "oneroster", settle_seconds=0)
    export(schools, "2024-09-03", [user(1)], [enrolled(1)], kind="delta")
    with pytest.raises(SnapshotUnreadableError, match=r"holds changes alone \(file.users: delta\)"):
        read_all(schools, "2024-09-03")


def test_an_export_without_a_file_names_it(tmp_path):
    schools = recipe(tmp_path, "oneroster", settle_seconds=0)
    export(schools, "2024-09-03", [user(1)], [enrolled(1)], without=["orgs.csv"])
    with pytest.raises(SourceError, match=r"oneroster.sql does not fit .* orgs does not exist"):
        read_all(schools, "2024-09-03")


def test_a_query_reaches_nothing_but_the_files_and_tells_no_values(tmp_path):
    schools = recipe(tmp_path, "oneroster", settle_seconds=0)
    export(schools, "2024-09-03", [user(1)], [enrolled(1, begin="Jane Q. Marker")])
    with pytest.raises(SnapshotUnreadableError) as error:
        read_all(schools, "2024-09-03")
    assert "Marker" not in str(error.value)
    query = schools.folder / "oneroster.sql"
    query.write_text(f"SELECT * FROM read_csv('{schools.config}', header=false)")
    with pytest.raises((SourceError, SnapshotUnreadableError)):
        read_all(schools, "2024-09-03")


SSA = [
    ("1", "2024-08-19", None),
    ("2", "2024-08-19", "2024-09-03"),
    ("3", "2024-09-04", None),
    *((str(n), "2024-08-19", None) for n in range(4, 61)),
]


@pytest.fixture
def ods():
    """An Ed-Fi ODS on loopback: it gives tokens that soon expire, and 25 rows at a time."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            wanted = "Basic " + base64.b64encode(b"key:s3cr3t").decode()
            is_known = self.headers["Authorization"] == wanted
            assert parse_qs(body) == {"grant_type": ["client_credentials"]}
            self.server.tokens += is_known
            answer = {"access_token": f"t{self.server.tokens}", "expires_in": self.server.seconds}
            self.reply(
                200 if is_known else 401, answer if is_known else {"error": "invalid_client"}
            )

        def do_GET(self):
            query = parse_qs(urlsplit(self.path).query)
            self.server.asked.append(query["offset"][0])
            if self.headers["Authorization"] != f"Bearer t{self.server.tokens}":
                self.reply(401, {})
                return
            start, limit = int(query["offset"][0]), int(query["limit"][0])
            rows = [
                {
                    "id": f"a{n}",
                    "studentReference": {"studentUniqueId": n, "link": {"rel": "Student"}},
                    "schoolReference": {"schoolId": 255901001},
                    "entryDate": entry,
                    "entryGradeLevelDescriptor": "uri://ed-fi.org/GradeLevelDescriptor#Ninth grade",
                    **({"exitWithdrawDate": left} if left else {}),
                }
                for n, entry, left in SSA[start : start + limit]
            ]
            self.reply(200, rows, {"Total-Count": str(len(SSA))})

        def reply(self, status, content, headers=None):
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.tokens, server.asked, server.seconds = 0, [], 1800
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def ed_fi(tmp_path, ods, monkeypatch, secret="s3cr3t"):
    monkeypatch.setenv("EDFI_KEY", "key")
    monkeypatch.setenv("EDFI_SECRET", secret)
    base = f"http://127.0.0.1:{ods.server_port}"
    auth = {"token_url": f"{base}/oauth/token", "client_id": "${EDFI_KEY}"}
    return recipe(
        tmp_path,
        "ed_fi",
        url=f"{base}/data/v3/ed-fi/studentSchoolAssociations",
        params={"limit": 25, "totalCount": "true"},
        auth={**auth, "client_secret": "${EDFI_SECRET}"},
    )


@pytest.mark.parametrize("seconds", [1800, 0])
def test_ed_fi_gives_every_day_from_one_reading(tmp_path, dagster_home, ods, monkeypatch, seconds):
    ods.seconds = seconds
    schools = ed_fi(tmp_path, ods, monkeypatch)
    assert execute(schools.settings, CORE, day("2024-09-02"), day("2024-09-04")).success
    assert schools.query(
        "SELECT day(snapshot_date), count(*), count(*) FILTER (student_id IN ('2', '3')) "
        "FROM enrollment.enrollment_snapshots GROUP BY 1 ORDER BY 1"
    ) == [(2, 59, 1), (3, 59, 1), (4, 59, 1)]
    assert ods.asked == ["0", "25", "50"]
    assert ods.tokens == (1 if seconds else 3)


def test_a_client_that_is_refused_says_so_without_its_secret(tmp_path, ods, monkeypatch):
    schools = ed_fi(tmp_path, ods, monkeypatch, secret="wr0ng")
    with pytest.raises(SourceError, match="and no token; check client_id") as error:
        read_all(schools, "2024-09-03")
    assert "wr0ng" not in str(error.value)
