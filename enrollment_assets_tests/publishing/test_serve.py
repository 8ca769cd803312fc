"""`enrollment serve` as a process of its own: what it gives, what it refuses, and to whom."""

import base64
import datetime as dt
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import duckdb
import pytest
import requests
import yaml

from enrollment_assets.pipeline.names import DAILY
from enrollment_assets.publishing.exports.files import export_path, export_tables
from enrollment_assets.publishing.serving.exported import Exports
from enrollment_assets.publishing.serving.tables import views
from enrollment_assets.schema.vocabulary import translated
from enrollment_assets_tests.conftest import CONFIG, University, day, student

TOKEN = "a-token-of-more-than-sixteen-signs"
PAGE = "<!DOCTYPE html><html lang=en><title>Report</title><main><h1>Report</h1></main></html>"
FIRST = day("2024-09-01")


@dataclass
class Served:
    """A server that runs."""

    address: str
    process: subprocess.Popen[str]

    def get(self, path, **options):
        return requests.get(self.address + path, timeout=30, **options)

    def rows(self, path, **parameters):
        answer = self.get(f"/api/v1{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]


@contextmanager
def served(university, *arguments, **environment):
    command = [sys.executable, "-c", "from enrollment_assets.cli.main import main; main()"]
    log = university.folder / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "serve", "--port", "0", *arguments],
            env={**os.environ, "ENROLLMENT_CONFIG": str(university.config), **environment},
            cwd=university.folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            told = process.stdout.readline()
            address = re.search(r"http://\S+?:\d+", told)
            assert address, told + log.read_text()
            wait_for_answer(address[0])
            yield Served(address[0], process)
        finally:
            process.terminate()


def wait_for_answer(address):
    for _ in range(100):
        try:
            requests.get(f"{address}/health", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("no answer in five seconds")


def fill(university, **changed):
    """Write the exports: two terms, three days, a withheld segment; `changed` replaces headcounts."""
    settings = university.settings
    days = [FIRST + dt.timedelta(n) for n in range(3)]
    total = changed.get("total", 100)
    daily = [
        {"date": d, "term": "2024FA", "total_enrollment": total + n, "net_change": min(n, 1)}
        | {"comparison_term": "2023FA", "comparison_total": 90, "change_pct": float("nan")}
        for n, d in enumerate(days)
    ]
    segments = [
        {"date": d, "term": "2024FA", "dimension": "program", "segment": name, **figures}
        for d in days
        for name, figures in (
            ("History", {"total_enrollment": 80}),
            ("Music", {"suppression": "small"}),
            ("Physics", {"suppression": "complement"}),
        )
    ]
    forecast = [
        {"as_of": d, "term": "2024FA", "target_date": d + dt.timedelta(n), "horizon_days": n}
        | {"method": "ratio", "forecast": 100.5 + n}
        for d in days
        for n in range(1, 4)
    ]
    anomalies = [
        {"date": d, "term": "2024FA", "series": "net_change", "is_anomaly": d == days[1]}
        for d in days
    ]
    write(
        university,
        dim_term=[
            {"code": term.code, "name": term.label, "starts": term.starts}
            for term in settings.terms
        ],
        fact_enrollment_daily=daily,
        fact_segment_daily=segments,
        fact_forecast=forecast,
        fact_anomaly=anomalies,
        dim_date=[{"date": d, "year": d.year} for d in days],
    )


def write(university, **rows):
    """Write each table aside and rename it, as the pipeline does."""
    settings = university.settings
    for name, content in rows.items():
        table = export_tables(settings)[name]
        path = export_path(settings, "parquet", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            names = [translated(column.name, settings.vocabulary) for column in table.columns]
            columns = zip(names, table.columns, strict=True)
            declared = ", ".join(f'"{said}" {column.type}' for said, column in columns)
            connection.execute(f"CREATE TABLE t ({declared})")
            connection.executemany(
                f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})",
                [[row.get(column) for column in table.column_names] for row in content],
            )
            aside = path.with_name(f".{path.name}.part")
            connection.execute(f"COPY t TO '{aside}' (FORMAT parquet)")
        aside.replace(path)


def publish(university, date, name="report.html", content=PAGE):
    folder = university.settings.report_path(day(date))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder


def furnish(university):
    fill(university)
    publish(university, "2024-09-01")
    (university.settings.data_path / "reports" / "index.html").write_text(PAGE)
    return university


@pytest.fixture
def filled(university):
    return furnish(university)


@pytest.fixture
def own_server(filled):
    """For tests that change what is served."""
    with served(filled) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """For tests that only ask."""
    folder = tmp_path_factory.mktemp("served")
    config = folder / "enrollment.yaml"
    config.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    with served(furnish(University(folder, config))) as running:
        yield running


def test_each_table_is_answered_from_its_export(server):
    assert [row["code"] for row in server.rows("/terms")] == ["2024FA", "2025SP"]
    assert server.rows("/terms")[0]["starts"] == "2024-08-26"
    metrics = server.rows("/metrics", term="2024FA", **{"from": "2024-09-02"})
    assert [(row["date"], row["total_enrollment"]) for row in metrics] == [
        ("2024-09-02", 101),
        ("2024-09-03", 102),
    ]
    (past,) = server.rows("/point-in-time", to="2024-09-01")
    assert past["comparison_total"] == 90
    assert past["change_pct"] is None  # JSON has no NaN
    newest = server.rows("/forecast", term="2024FA")
    assert {row["as_of"] for row in newest} == {"2024-09-03"}
    assert {
        row["as_of"] for row in server.rows("/forecast", term="2024FA", as_of="2024-09-01")
    } == {"2024-09-01"}
    assert server.rows("/forecast", term="2025SP") == []
    assert [row["date"] for row in server.rows("/anomalies")] == ["2024-09-02"]
    assert len(server.rows("/anomalies", all="true")) == 3
    assert [row["year"] for row in server.rows("/dates")] == [2024] * 3


def test_exports_in_words_of_another_population_are_read_all_the_same(university):
    words = {"student": "customer", "students": "customers", "enrollment": "subscription"}
    university.change(vocabulary=words)
    fill(university)
    folder = university.settings.data_path / "exports" / "parquet"
    assert (folder / "fact_subscription_daily.parquet").exists()
    with served(university) as running:
        (first, *_) = running.rows("/metrics")
        assert (first["total_enrollment"], first["new_students"]) == (100, None)


def test_what_is_withheld_is_null_and_says_why(server):
    rows = server.rows("/segments", term="2024FA", dimension="program", date="2024-09-02")
    assert [(row["segment"], row["total_enrollment"], row["suppression"]) for row in rows] == [
        ("History", 80, None),
        ("Music", None, "small"),
        ("Physics", None, "complement"),
    ]


def test_pages_follow_each_other_to_the_end(server):
    found, offset = [], 0
    while offset is not None:
        page = server.get("/api/v1/segments", params={"limit": 4, "offset": offset}).json()
        assert page["total"] == 9
        found += page["items"]
        offset = page["next_offset"]
    assert found == server.rows("/segments")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/metrics?term=2023FA", 404, "There is no such term; known: 2024FA, 2025SP."),
        ("/segments?dimension=room", 404, "known: division, program, level."),
        ("/metrics?from=2024-09-03&to=2024-09-01", 422, "from must not be after to"),
        ("/metrics?from=1725148800", 422, "from: write dates as 2026-09-08"),
        ("/metrics?form=2024-09-01", 422, "form: Extra inputs are not permitted"),
        ("/segments?date=2024-09-01&to=2024-09-03", 422, "give either date, or from and to"),
        ("/forecast", 422, "term: Field required"),
        ("/metrics?limit=0", 422, "limit"),
        ("/students", 404, "Not Found"),
        ("/student-changes", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_said_in_words(server, path, status, words):
    answer = server.get(f"/api/v1{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert answer.json()["status"] == status


def test_without_exports_it_says_what_to_do(university):
    with served(university) as running:
        answer = running.get("/api/v1/metrics")
        assert answer.status_code == 503
        assert (
            "`enrollment run` or `enrollment backfill --reports` writes it"
            in answer.json()["detail"]
        )
        assert "There is no report yet" in running.get("/").text
        fill(university)  # what comes later is seen without a restart
        assert len(running.rows("/metrics")) == 3
        university.change(exports={"formats": ["csv"]})
    with served(university) as running:
        assert len(running.rows("/metrics")) == 3  # what is there is served
        shutil.rmtree(university.settings.data_path / "exports")
        assert "does not list parquet" in running.get("/api/v1/metrics").json()["detail"]


def test_a_damaged_export_is_told_and_holds_nothing_up(own_server, filled):
    path = export_path(filled.settings, "parquet", "fact_enrollment_daily")
    path.write_bytes(b"PAR1 no more")
    assert own_server.get("/api/v1/metrics").status_code == 503
    assert len(own_server.rows("/segments")) == 9
    fill(filled)
    assert len(own_server.rows("/metrics")) == 3


def test_the_site_gives_reports_and_nothing_else_of_data(own_server, filled):
    data = filled.settings.data_path
    folder = publish(filled, "2024-09-01", "trend.png", "picture")
    publish(filled, "2024-09-01", ".report.html.part", "half")
    publish(filled, "2024-09-01", "students.csv", "A,B")
    (data / "warehouse.duckdb").write_text("secret")
    (data / "reports" / "notes.html").write_text("secret")
    (data / "reports" / "2024-09-02").symlink_to(data / "exports")
    (folder / "dashboard.png").symlink_to(data / "warehouse.duckdb")
    (data / "exports" / "report.html").write_text("secret")
    for path in (
        "/",
        "/index.html",
        "/2024-09-01/report.html",
        "/2024-09-01",
        "/2024-09-01/trend.png",
    ):
        assert own_server.get(path).status_code == 200, path
    for path in (
        *("/2024-09-01/.report.html.part", "/2024-09-01/students.csv", "/notes.html"),
        *("/2024-09-02/report.html", "/2024-09-01/dashboard.png", "/2024-09-09/report.html"),
        *("/warehouse.duckdb", "/exports/parquet/dim_term.parquet", "/2024-09-01/"),
    ):
        answer = own_server.get(path, allow_redirects=False)
        assert "secret" not in answer.text, path
        assert answer.status_code in (307, 404), path


def ask_raw(server, target):
    """A request that no client would send: `requests` makes paths tidy."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_tricks_with_paths_lead_nowhere(own_server, filled):
    (filled.settings.data_path / "warehouse.duckdb").write_text("secret")
    for target in (
        *(b"/../warehouse.duckdb", b"/2024-09-01/../../warehouse.duckdb", b"//etc/passwd"),
        *(b"/%2e%2e/warehouse.duckdb", b"/2024-09-01/..%2f..%2fwarehouse.duckdb"),
        *(b"/2024-09-01%2f..%2f..%2fwarehouse.duckdb", b"/..%5cwarehouse.duckdb"),
        *(b"/2024-09-01/report.html%00.png", b"/2024-09-01/%00", b"/%00", b"/%ff%fe"),
        *(b"/2024-09-01/%252e%252e%252fwarehouse.duckdb", b"/file:///etc/passwd"),
        *(b"/2024-09-01/report.html/..", b"/static-offline-docs/../../../../etc/passwd"),
        *(b"/static-offline-docs/%2e%2e/core.py", b"/static-offline-docs//etc/passwd"),
        *(b"/2024-09-01\xef\xbc\x8freport.html", b"http://other/2024-09-01/../x"),
        *(b"/2024-09-01/report.html\n", "/٢٠٢٤-09-01/report.html".encode()),
    ):
        answer = ask_raw(own_server, target)
        assert re.match(rb"HTTP/1.1 (400|404|421)", answer), (target, answer[:200])
        assert b"secret" not in answer
        assert b"root:" not in answer
    assert b"200 OK" in ask_raw(own_server, b"/2024-09-01/report.html")


def test_a_page_that_the_browser_has_is_not_sent_again(own_server, filled):
    first = own_server.get("/2024-09-01/report.html")
    same = own_server.get(
        "/2024-09-01/report.html", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")
    assert first.headers["last-modified"]
    publish(filled, "2024-09-01", content=PAGE.replace("Report", "Restated"))
    new = own_server.get(
        "/2024-09-01/report.html", headers={"If-None-Match": first.headers["etag"]}
    )
    assert "Restated" in new.text


def test_every_answer_carries_what_keeps_a_browser_safe(server):
    for path in ("/", "/docs", "/api/v1/terms", "/api/v1/nothing", "/health", "/2024-09-01/x.png"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "server" not in headers, path
    assert server.get("/api/v1/terms").headers["cache-control"] == "no-store"
    assert server.get("/").headers["cache-control"] == "private, no-cache"


def test_it_is_only_read(server):
    for path in ("/api/v1/terms", "/", "/2024-09-01/report.html", "/health", "/docs"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            answer = requests.request(method, server.address + path, timeout=10)
            assert answer.status_code == 405, (method, path)
            assert answer.headers["allow"] == "GET, HEAD"
        asked, told = server.get(path), requests.head(server.address + path, timeout=10)
        assert told.status_code == 200
        assert told.content == b""
        assert told.headers["content-length"] == asked.headers["content-length"]


def test_a_page_of_a_stranger_cannot_read_it_under_a_name_of_its_own(server):
    answer = server.get("/api/v1/terms", headers={"Host": "evil.example:8350"})
    assert answer.status_code == 421
    assert "ENROLLMENT_API_TOKEN" in answer.json()["detail"]
    for name in ("localhost:8350", "LOCALHOST", "[::1]:8350", "127.0.0.1"):
        assert server.get("/api/v1/terms", headers={"Host": name}).status_code == 200


def test_with_a_token_whoever_asks_must_show_it(filled):
    def basic(password):
        return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()

    with served(filled, "--host", "0.0.0.0", ENROLLMENT_API_TOKEN=TOKEN) as running:
        running.address = running.address.replace("0.0.0.0", "127.0.0.1")
        for path in ("/", "/docs", "/openapi.json", "/api/v1/terms", "/2024-09-01/report.html"):
            assert running.get(path).status_code == 401, path
            for wrong in (
                *(
                    "Bearer",
                    "Bearer ",
                    f"Bearer {TOKEN}x",
                    f"Token {TOKEN}",
                    "Basic !!!",
                    basic(""),
                ),
                *(f"Bearer {TOKEN[:-1]}", basic(TOKEN + "x"), "Basic " + "w6k="),
            ):
                assert running.get(path, headers={"Authorization": wrong}).status_code == 401, wrong
            for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN)):
                assert running.get(path, headers={"Authorization": right}).status_code == 200
        assert running.get("/health").json() == {"status": "ok"}
        assert running.get("/").headers["www-authenticate"].startswith("Basic")
        assert running.get("/api/v1/terms").headers["www-authenticate"].startswith("Bearer")
        running.get("/api/v1/metrics?term=NOT-TO-BE-KEPT")
    log = (filled.folder / "serve.log").read_text()
    assert "GET /api/v1/terms 401" in log
    assert TOKEN not in log
    assert "NOT-TO-BE-KEPT" not in log


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--host", "0.0.0.0"], {}, "Other machines can reach"),
        (["--host", "::"], {}, "Other machines can reach"),
        (["--host", "no.such.name.invalid"], {}, "is not an address of this machine"),
        ([], {"ENROLLMENT_API_TOKEN": "short"}, "must have at least 16 ASCII characters"),
        ([], {"ENROLLMENT_API_TOKEN": ""}, "must have at least 16 ASCII characters"),
        (
            [],
            {"ENROLLMENT_API_TOKEN": "sixteen signs with é"},
            "must have at least 16 ASCII characters",
        ),
    ],
)
def test_what_would_be_open_to_everybody_is_refused(university, arguments, environment, words):
    done = serve_refused(university, *arguments, **environment)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "short" not in done.stderr


def serve_refused(university, *arguments, **environment):
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from enrollment_assets.cli.main import main; main()",
            "serve",
            *arguments,
        ],
        env={**os.environ, "ENROLLMENT_CONFIG": str(university.config), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_port_that_is_taken_is_told(own_server, filled):
    port = own_server.address.rpartition(":")[2]
    done = serve_refused(filled, "--port", port)
    assert done.returncode == 2
    assert "choose another --port" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(filled, number):
    with served(filled) as running:
        running.get("/api/v1/terms")
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
    assert "Traceback" not in (filled.folder / "serve.log").read_text()


def test_what_a_request_has_opened_stays_as_it_was(filled):
    exports, view = Exports(filled.settings), views(filled.settings)["metrics"]

    def totals(opened):
        return [row["total_enrollment"] for row in opened.rows([], 10, 0).items]

    with exports.open(view) as opened:
        fill(filled, total=5000)
        assert totals(opened) == [100, 101, 102]
        with exports.open(view) as later:
            assert totals(later) == [5000, 5001, 5002]
        assert totals(opened) == [100, 101, 102]


def test_two_hundred_ask_while_the_exports_are_replaced(own_server, filled):
    stop = threading.Event()

    def replace():
        total = 0
        while not stop.is_set():
            total += 1000
            fill(filled, total=total)
            publish_whole(filled, total)

    def ask(number):
        path = (
            *("/api/v1/metrics?term=2024FA", "/api/v1/segments?dimension=program"),
            *("/api/v1/forecast?term=2024FA", "/2024-09-01/report.html"),
        )[number % 4]
        return path, own_server.get(path)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(ask, range(800)))
    finally:
        stop.set()
        writer.join()
    assert {answer.status_code for _, answer in answers} == {200}
    for path, answer in answers:
        if path.startswith("/api/v1/metrics"):
            totals = [row["total_enrollment"] for row in answer.json()["items"]]
            assert totals == [totals[0], totals[0] + 1, totals[0] + 2]
        elif path.endswith(".html"):
            assert answer.text.endswith("</html>")
    seen = {answer.text for path, answer in answers if path.startswith("/api/v1/metrics")}
    assert len(seen) > 1  # files were replaced between the requests


def publish_whole(university, number):
    folder = university.settings.report_path(FIRST)
    aside = folder / ".report.html.part"
    aside.write_text(PAGE.replace("Report", "x" * (number % 50_000)))
    aside.replace(folder / "report.html")


ODD = [
    *("", "0", "-1", "1e9", "99999999999999999999", "null", "true", "2024FA", "program"),
    *("2024-09-01", "2024-13-45", "0001-01-01", "9999-12-31", "2024-09-01T00:00", "1725148800"),
    *("'; DROP TABLE t; --", '"', "\\", "%", "%00", "\x00", "\r\nX: y", "../../etc/passwd"),
    *("é\u202e\U0001f600", "<script>", "$1", "{{7*7}}", "x" * 5000, "NaN", "[]", "{}"),
]


def test_odd_parameters_never_break_it(server):
    """Every path of the description, every parameter that it names, and odd values for them."""
    description = server.get("/openapi.json").json()
    assert description["info"]["title"] == "Test University: enrollment"
    session, statuses = requests.Session(), set()
    for path, operations in description["paths"].items():
        assert set(operations) == {"get"}
        names = [parameter["name"] for parameter in operations["get"].get("parameters", [])]
        for name, value in product([*names, "other"], ODD):
            parameters = {"term": "2024FA", name: value} if "forecast" in path else {name: value}
            answer = session.get(server.address + path, params=parameters, timeout=30)
            assert answer.status_code in (200, 404, 422), (path, name, value, answer.text)
            json.loads(answer.text)
            statuses.add(answer.status_code)
    assert statuses == {200, 404, 422}


def test_every_column_is_described(server):
    description = server.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    for name, schema in schemas.items():
        for field, about in schema.get("properties", {}).items():
            if name != "Health":
                assert about.get("description"), (name, field)
    for path, operations in description["paths"].items():
        for parameter in operations["get"].get("parameters", []):
            assert parameter["schema"].get("description") or parameter.get("description"), path
    problems = description["paths"]["/api/v1/metrics"]["get"]["responses"]
    assert set(problems) == {"200", "404", "422", "503"}
    assert list(problems["404"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in schemas


def test_help_and_other_commands_load_no_server():
    code = (
        "import sys, enrollment_assets.definitions, enrollment_assets.cli.main; "
        "sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = "import sys, enrollment_assets.publishing.serving.server; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Watched:
    """A page of a browser with what it asked for and complained of."""

    def __init__(self, browser, width, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = context.new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, address):
        answer = self.page.goto(address, wait_until="networkidle")
        assert answer.status == 200
        return self.page

    def outside(self, address):
        return [url for url in self.asked if not url.startswith((address, "data:"))]

    def violations(self):
        from axe_playwright_python.sync_playwright import Axe

        while self.page.evaluate("document.getAnimations().length"):
            self.page.wait_for_timeout(50)  # what fades in is pale for a moment
        found = Axe().run(self.page).response["violations"]
        return {v["id"] for v in found if v["impact"] in ("serious", "critical")}


# Swagger UI shows an answer in a box that scrolls, which the keyboard reaches only in newer browsers.
SWAGGERS_OWN = {"scrollable-region-focusable"}


@pytest.mark.parametrize("width", [360, 1280])
def test_the_documentation_is_all_at_hand_and_everybody_can_use_it(filled, browser, width):
    filled.change(
        institution={"name": "<img src=x onerror=alert(1)> & Søn", "timezone": "America/New_York"}
    )
    with served(filled) as running:
        watched = Watched(browser, width)
        page = watched.open(f"{running.address}/docs")
        page.wait_for_selector(".opblock")
        assert page.locator(".opblock").count() == 8
        page.locator(".opblock-summary-control", has_text="/api/v1/metrics").click()
        page.wait_for_selector(".try-out__btn")
        assert watched.violations() == set()
        page.click(".try-out__btn")
        page.fill("tr[data-param-name=term] input", "2024FA")
        page.click(".execute")
        page.wait_for_selector(".live-responses-table")
        assert '"total_enrollment": 100' in page.inner_text(".live-responses-table")
        assert watched.violations() == SWAGGERS_OWN
        assert page.title() == "<img src=x onerror=alert(1)> & Søn: enrollment: API"
        assert watched.outside(running.address) == []
        assert watched.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_browser_gets_in_with_the_token_as_its_password(filled, browser):
    with served(filled, ENROLLMENT_API_TOKEN=TOKEN) as running:
        watched = Watched(
            browser, 1280, http_credentials={"username": "anybody", "password": TOKEN}
        )
        page = watched.open(f"{running.address}/docs")
        page.locator(".opblock-summary-control", has_text="/api/v1/terms").click()
        page.click(".try-out__btn")
        page.click(".execute")
        page.wait_for_selector(".live-responses-table")
        assert "2024FA" in page.inner_text(".live-responses-table")


@pytest.fixture
def reported(university):
    """Two days that ran to their reports, before a browser's event loop runs beside them."""
    for date, number in (("2024-09-03", 40), ("2024-09-04", 45)):
        university.write(date, [student(f"{n:03d}") for n in range(number)])
        assert university.run(date, job=DAILY).success
    return university


def test_the_report_site_works_as_it_is_served(reported, browser):
    """The policy that comes with a page lets its own pictures, styles and scripts through."""
    with served(reported) as running:
        assert [row["total_enrollment"] for row in running.rows("/metrics")] == [40, 45]
        levels = running.rows("/segments", dimension="level")
        assert [row["total_enrollment"] for row in levels] == [40, 45]
        watched = Watched(browser, 1280)
        page = watched.open(running.address)
        assert page.locator("tbody tr").count() == 2
        page.fill("#search", "2024-09-04")
        assert page.locator("tbody tr:visible").count() == 1
        page.get_by_role("link", name="2024-09-04").last.click()
        page.wait_for_load_state("networkidle")
        assert page.url.endswith("/2024-09-04/report.html")
        shown = page.evaluate("[...document.images].map(i => i.naturalWidth > 0)")
        assert len(shown) > 2
        assert all(shown)
        style = "getComputedStyle(document.querySelector('h1')).fontFamily"
        assert "system-ui" in page.evaluate(style)
        assert watched.violations() == set()
        page.get_by_role("link", name="Previous: 2024-09-03").click()
        page.get_by_role("link", name="All reports").click()
        page.wait_for_load_state("networkidle")
        assert page.locator("tbody tr").count() == 2
        assert watched.outside(running.address) == []
        assert watched.complaints == []
