import base64
import contextlib
import datetime as dt
import email.utils
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from enrollment_assets.errors import (
    ConfigurationError,
    EnrollmentError,
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources.api import ApiSource
from enrollment_assets.sources.http import stays
from enrollment_assets_tests.conftest import HEADER, csv_text, require, student

DATE = dt.date(2024, 9, 3)
TERM_A, TERM_B = "2024FA", "A&B/é"
# What no message may hold.
SECRET, MARKER = "s3cr3t-tok", "Jane Q. Marker"
PAGE = {"style": "page", "parameter": "page"}
CURSOR = {"style": "cursor", "parameter": "after", "next": "meta.next"}
LINK = {"style": "link"}


@dataclass
class Call:
    """One request as the server saw it."""

    target: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def page(self) -> int:
        return int(self.query.get("page", "1"))


@dataclass
class Reply:
    """What it answers: `sent` bytes of the body and then nothing, or all of it.

    It does so `late` seconds on, and pauses for `drip` seconds after each line.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    late: float = 0
    drip: float = 0


class Server(ThreadingHTTPServer):
    """A student system: `answer` makes a reply of a call, and `calls` are all that came."""

    daemon_threads = True
    answer: Callable[[Call], Reply]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[Call] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def replies(self, *script: Reply) -> None:
        """One reply after the other; the last one for ever."""
        self.answer = lambda call: script[min(len(self.calls), len(script)) - 1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        call = Call(self.path, {name.lower(): value for name, value in self.headers.items()})
        server.calls.append(call)
        reply = server.answer(call)
        time.sleep(reply.late)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204 and "Transfer-Encoding" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        for line in reply.body[: reply.sent].splitlines(True) if reply.drip else []:
            self.wfile.write(line)
            time.sleep(reply.drip)
        if not reply.drip:
            self.wfile.write(reply.body[: reply.sent])
        if reply.sent is not None:
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SIS_TOKEN", SECRET)
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def other() -> Iterator[Server]:
    server = Server()
    server.replies(as_json(people("X")))
    yield server
    server.shutdown()
    server.server_close()


def person(identifier: str, **others: str) -> dict[str, str]:
    return student(identifier, student_name=MARKER, **others)


def people(*identifiers: str) -> list[dict[str, str]]:
    return [person(identifier) for identifier in identifiers]


def as_json(content: Any, status: int = 200, **headers: str) -> Reply:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(content).encode(), status, headers)


def as_csv(rows: Sequence[dict[str, str]], **headers: str) -> Reply:
    return Reply(
        csv_text(rows).encode(), headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def source(university: Any, server: Server, **keys: Any) -> ApiSource:
    given = {
        "kind": "api",
        "url": f"{server.url}/students",
        "params": {"day": "{date}"},
        "retries": 2,
        "retry_seconds": 0.01,
        "timeout_seconds": 5,
        **keys,
    }
    university.change(source=given)
    settings = university.settings
    return ApiSource(settings, settings.source)


def read(source: ApiSource, date: dt.date = DATE) -> list[dict[str, Any]]:
    with source.read(date) as extract:
        return [row for batch in extract.rows for row in batch.to_pylist()]


def ids(source: ApiSource, date: dt.date = DATE) -> list[str]:
    return [row["student_id"] for row in read(source, date)]


def error_of(source: ApiSource, kind: type[EnrollmentError], date: dt.date = DATE) -> str:
    """The words of the error that reading raises, after a look for what no error may hold."""
    with pytest.raises(EnrollmentError) as caught:
        read(source, date)
    everything = "".join(traceback.format_exception(caught.value))
    assert SECRET not in everything
    assert MARKER not in everything
    assert caught.type is kind, str(caught.value)
    return str(caught.value)


def by_page(*pages: Sequence[Any], **headers: str) -> Callable[[Call], Reply]:
    """Pages under their numbers, and an empty one after the last."""
    return lambda call: as_json(pages[call.page - 1] if call.page <= len(pages) else [], **headers)


# --- what is asked for, and by whom


def test_one_answer_gives_every_mapped_column_as_text(university, server):
    server.replies(as_json(people("00042", "7")))
    rows = read(source(university, server))
    assert rows == people("00042", "7")
    assert list(rows[0]) == HEADER.split(",")
    assert server.calls[0].headers["user-agent"] == "enrollment-assets"


def test_the_day_and_the_term_arrive_as_they_are_in_path_and_parameters(university, server):
    university.change(
        columns={"student_id": "student_id"},
        terms=[
            {
                "code": code,
                "registration_opens": "2024-04-01",
                "starts": "2024-08-26",
                "census": "2024-09-09",
                "ends": "2024-12-20",
            }
            for code in (TERM_A, TERM_B)
        ],
    )
    server.answer = lambda call: as_json(people("1" if call.query["t"] == TERM_A else "2"))
    asked = source(
        university,
        server,
        url=server.url + "/terms/{term}/{date:%d/%m}",
        params={"t": "{term}", "day": "{date}"},
    )
    assert read(asked) == [
        {"student_id": "1", "term": TERM_A},
        {"student_id": "2", "term": TERM_B},
    ]
    assert [call.path for call in server.calls] == [
        "/terms/2024FA/03%2F09",
        "/terms/A%26B%2F%C3%A9/03%2F09",
    ]
    assert [call.query for call in server.calls] == [
        {"t": TERM_A, "day": "2024-09-03"},
        {"t": TERM_B, "day": "2024-09-03"},
    ]


def test_a_mapped_term_column_says_more_than_the_term_that_was_asked_for(university, server):
    server.replies(as_json([person("1", term="2025SP")]))
    rows = read(source(university, server, params={"t": "{term}", "day": "{date}"}))
    assert [row["term"] for row in rows] == ["2025SP"]


def test_nothing_that_the_environment_holds_is_taken_for_a_field(university, server, monkeypatch):
    monkeypatch.setenv("ODD", "{date}")
    server.replies(as_json(people("1")))
    read(
        source(
            university, server, params={"day": "{date}", "key": "${ODD}"}, headers={"X": "${ODD}"}
        )
    )
    assert server.calls[0].query == {"day": "2024-09-03", "key": "{date}"}
    assert server.calls[0].headers["x"] == "{date}"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"bearer": "${SIS_TOKEN}"}, f"Bearer {SECRET}"),
        (
            {"user": "zoë", "password": "${SIS_TOKEN}"},
            "Basic " + base64.b64encode(f"zoë:{SECRET}".encode()).decode(),
        ),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_who_asks_arrives_and_a_refusal_names_the_variable_only(
    university, server, auth, header, status
):
    asked = source(university, server, auth=auth)
    server.replies(as_json(people("1")), as_json({"error": MARKER}, status))
    assert ids(asked) == ["1"]
    assert server.calls[0].headers["authorization"] == header
    words = error_of(asked, SourceError)
    assert f"status {status}" in words
    assert "SIS_TOKEN" in words
    assert len(server.calls) == 2


def test_a_netrc_file_does_not_say_who_asks(university, server, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.replies(as_json(people("1")))
    read(source(university, server))
    assert "authorization" not in server.calls[0].headers


def test_the_line_break_at_the_end_of_a_secret_is_no_part_of_it(university, server, monkeypatch):
    monkeypatch.setenv("SIS_TOKEN", SECRET + "\n")
    server.replies(as_json(people("1")))
    read(source(university, server, auth={"bearer": "${SIS_TOKEN}"}))
    assert server.calls[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("value", ["", f"{SECRET}\nX-Other: 1", f"{SECRET}é"])
def test_a_secret_that_no_header_can_hold_is_told_without_it(
    university, server, monkeypatch, value
):
    monkeypatch.setenv("SIS_TOKEN", value)
    asked = source(university, server, headers={"X-Key": "${SIS_TOKEN}"})
    with pytest.raises(SourceError, match=r"source\.headers\.X-Key .* SIS_TOKEN"):
        asked.check()
    assert "SIS_TOKEN" in error_of(asked, SourceError)


@pytest.mark.parametrize(
    ("keys", "kind", "words"),
    [
        ({"url": "${NOT_SET}/students"}, ConfigurationError, "source.url .* NOT_SET"),
        ({"params": {"key": "${NOT_SET}"}}, ConfigurationError, "source.params.key .* NOT_SET"),
        ({"auth": {"bearer": "${NOT_SET}"}}, ConfigurationError, "source.auth.bearer .* NOT_SET"),
        ({"url": "ftp://host/students"}, SourceError, "not an http or https address"),
        ({"url": "https:///students"}, SourceError, "not an http or https address"),
        ({"url": "https://host:port/students"}, SourceError, "not an http or https address"),
        ({"url": "https://me:${SIS_TOKEN}@host/"}, SourceError, "to source.auth"),
        ({"url": "${PLAIN}/x", "headers": {"X-Key": "${SIS_TOKEN}"}}, SourceError, "unencrypted"),
    ],
)
def test_check_tells_what_is_wrong_and_asks_nobody(
    university, server, monkeypatch, keys, kind, words
):
    monkeypatch.setenv("PLAIN", "http://sis.example.edu")
    asked = source(university, server, **keys)
    with pytest.raises(kind, match=words) as caught:
        asked.check()
    assert SECRET not in str(caught.value)
    assert server.calls == []


def test_a_good_configuration_passes_without_a_request(university, server):
    source(university, server, auth={"bearer": "${SIS_TOKEN}"}, params={"t": "{term}"}).check()
    assert server.calls == []


def test_a_request_without_a_date_serves_today_only(university, server):
    server.replies(as_json(people("1")))
    asked = source(university, server, params={})
    words = error_of(asked, SourceError)
    assert "has no {date}" in words
    assert server.calls == []
    today = university.settings.today()
    assert asked.dates() == [today]
    assert ids(asked, today) == ["1"]
    assert source(university, server).dates() is None


# --- paging


def test_page_numbers_go_on_to_the_first_empty_page(university, server):
    server.answer = by_page(people("1", "2"), people("3"))
    assert ids(source(university, server, paging=PAGE)) == ["1", "2", "3"]
    assert [call.query["page"] for call in server.calls] == ["1", "2", "3"]
    assert {call.query["day"] for call in server.calls} == {"2024-09-03"}


def test_page_numbers_may_start_at_zero_and_end_with_404(university, server):
    server.answer = lambda call: (
        as_json(people(str(call.page))) if call.page < 2 else as_json({}, 404)
    )
    assert ids(source(university, server, paging={**PAGE, "first": 0})) == ["0", "1"]


@pytest.mark.parametrize("total", [{"total": "meta.count"}, {"total_header": "X-Total"}])
def test_page_numbers_stop_at_the_declared_total(university, server, total):
    pages = [people("1", "2"), people("3")]
    server.answer = lambda call: as_json(
        {"meta": {"count": 3}, "data": {"items": pages[call.page - 1]}}, X_Total="3"
    )
    asked = source(university, server, paging=PAGE, rows="data.items", **total)
    assert ids(asked) == ["1", "2", "3"]
    assert len(server.calls) == 2


@pytest.mark.parametrize("end", [{"next": None}, {"next": ""}, {}])
def test_a_cursor_is_followed_until_there_is_none(university, server, end):
    pages = {
        None: (people("1"), {"next": "a=&b"}),
        "a=&b": ([], {"next": 17}),
        "17": (people("2"), end),
    }

    def answer(call):
        rows, meta = pages[call.query.get("after")]
        return as_json({"rows": rows, "meta": meta})

    server.answer = answer
    assert ids(source(university, server, paging=CURSOR, rows="rows")) == ["1", "2"]
    assert len(server.calls) == 3


def test_names_may_hold_dots_themselves(university, server):
    server.answer = lambda call: as_json(
        {"@odata.count": 2, "value": people("1"), "@odata.next": "b"}
        if "after" not in call.query
        else {"value": people("2")}
    )
    paging = {**CURSOR, "next": "@odata.next"}
    asked = source(university, server, paging=paging, rows="value", total="@odata.count")
    assert ids(asked) == ["1", "2"]


def test_links_to_the_next_page_are_followed(university, server):
    links = {
        "/students": '<http://127.0.0.1:{}/two?x=1>; rel="next", </last>; rel="last"',
        "/two": '</three?y=2>; title=t; rel="prefetch next"',
        "/three": '</students>; rel="prev"',
    }
    server.answer = lambda call: as_json(
        people(call.path), Link=links[call.path].format(server.server_port)
    )
    asked = source(university, server, paging=LINK, auth={"bearer": "${SIS_TOKEN}"})
    assert ids(asked) == ["/students", "/two", "/three"]
    assert [call.query for call in server.calls] == [{"day": "2024-09-03"}, {"x": "1"}, {"y": "2"}]
    assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {SECRET}"}


@pytest.mark.parametrize("target", ["{other}/students", "http://[broken", "file:///etc/passwd"])
def test_a_link_to_another_host_is_refused(university, server, other, target):
    link = f'<{target.format(other=other.url)}?key={SECRET}>; rel="next"'
    server.replies(as_json(people("1"), Link=link))
    assert "on another host" in error_of(source(university, server, paging=LINK), SourceError)
    assert other.calls == []


def test_a_day_streams_page_by_page(university, server):
    server.answer = by_page(*(people(str(page)) for page in range(5)))
    with source(university, server, paging=PAGE).read(DATE) as extract:
        for number, batch in enumerate(extract.rows, 1):
            assert batch.num_rows == 1
            assert len(server.calls) == number
    assert extract.origin == f"GET {server.url}/students"


def same_page(call: Call) -> Reply:
    return as_json({"rows": people("1", "2"), "meta": {"next": str(time.monotonic())}})


def pages_in_a_circle(call: Call) -> Reply:
    return as_json({"rows": people("a" if call.page % 2 else "b")})


def same_cursor(call: Call) -> Reply:
    return as_json({"rows": people(str(time.monotonic())), "meta": {"next": "again"}})


def empty_pages_for_ever(call: Call) -> Reply:
    return as_json({"rows": [], "meta": {"next": str(time.monotonic())}})


def link_to_itself(call: Call) -> Reply:
    return as_json({"rows": people(str(time.monotonic()))}, Link=f'<{call.target}>; rel="next"')


@pytest.mark.parametrize(
    ("answer", "paging"),
    [
        (same_page, PAGE),
        (same_page, CURSOR),
        (pages_in_a_circle, PAGE),
        (same_cursor, CURSOR),
        (empty_pages_for_ever, CURSOR),
        (link_to_itself, LINK),
    ],
)
def test_paging_without_effect_is_told_and_never_goes_on_for_ever(
    university, server, answer, paging
):
    server.answer = answer
    words = error_of(source(university, server, paging=paging, rows="rows"), SourceError)
    assert "paging has no effect" in words
    assert len(server.calls) < 30


def test_a_cursor_is_refused_where_the_answer_has_no_place_for_one(university, server):
    server.replies(as_json(people("1")))
    words = error_of(source(university, server, paging=CURSOR), SnapshotUnreadableError)
    assert "no cursor at meta.next" in words


# --- lists that move while they are read


def test_a_row_of_an_earlier_page_is_dropped_and_equal_rows_of_one_page_stay(university, server):
    server.answer = by_page(people("1", "2", "2"), people("2", "3", "3"), people("1", "4"))
    assert ids(source(university, server, paging=PAGE)) == ["1", "2", "2", "3", "3", "4"]


def test_a_student_who_changed_in_between_is_two_rows(university, server):
    server.answer = by_page(
        [person("1")], [person("1", program="Physics")], [person("1", level="")]
    )
    rows = read(source(university, server, paging=PAGE))
    assert [row["program"] for row in rows] == ["History", "Physics", "History"]


def test_pages_of_different_terms_are_not_compared(university, server):
    university.change(columns={"student_id": "student_id"})
    server.answer = by_page(people("1"))
    asked = source(university, server, paging=PAGE, params={"t": "{term}", "day": "{date}"})
    rows = read(asked, dt.date(2024, 12, 1))
    assert rows == [{"student_id": "1", "term": "2024FA"}, {"student_id": "1", "term": "2025SP"}]


def test_a_row_that_moves_over_a_border_does_not_disturb_the_total(university, server):
    server.answer = by_page(people("1", "2"), people("2", "3"), people("4"), X_Total="4")
    asked = source(university, server, paging=PAGE, total_header="X-Total")
    assert ids(asked) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    "pages", [[people("1", "2"), people("3")], [people("1", "2"), people("2")]]
)
def test_a_total_that_does_not_come_out_makes_the_day_be_read_again(university, server, pages):
    asked = source(university, server, paging=PAGE, total_header="X-Total", retries=0)
    server.answer = by_page(*pages, X_Total="5")
    words = error_of(asked, SourceUnavailableError)
    assert "the list changed while it was read" in words
    assert " of 5 rows" in words
    server.answer = by_page(people("1", "2"), people("3", "4"), X_Total="4")
    assert ids(asked) == ["1", "2", "3", "4"]


def test_equal_rows_of_the_lists_own_are_kept_once_two_readings_found_the_same(university, server):
    asked = source(university, server, paging=PAGE, total_header="X-Total")
    server.answer = by_page(people("1", "2"), people("3", "1"), X_Total="4")
    assert "3 of 4 rows, and 1 repeated" in error_of(asked, SourceUnavailableError)
    assert ids(asked) == ["1", "2", "3", "1"]
    assert ids(asked) == ["1", "2", "3", "1"]


def test_different_equal_rows_in_two_readings_mean_that_the_list_moves(university, server):
    asked = source(university, server, paging=PAGE, total_header="X-Total")
    for moved in ("1", "2", "1"):
        server.answer = by_page(people("1", "2"), people("3", moved), X_Total="4")
        error_of(asked, SourceUnavailableError)
    # A list that rests after that is whole, and so is one where a row moved and the total is right.
    server.answer = by_page(people("1", "2"), people("3", "4"), X_Total="4")
    assert ids(asked) == ["1", "2", "3", "4"]


def test_a_row_that_moves_in_the_second_reading_is_not_taken_for_the_lists_own(university, server):
    asked = source(university, server, paging=PAGE, total_header="X-Total")
    server.answer = by_page(people("1", "2"), people("3", "1"), X_Total="4")
    error_of(asked, SourceUnavailableError)
    server.answer = by_page(people("1", "2"), people("2", "3"), people("4"), X_Total="4")
    error_of(asked, SourceUnavailableError)
    assert ids(asked) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("total", [None, "many", "-3", 2.5, True, [3]])
def test_a_total_that_is_no_number_is_told(university, server, total):
    server.replies(as_json({"rows": people("1"), "count": total}))
    words = error_of(
        source(university, server, rows="rows", total="count"), SnapshotUnreadableError
    )
    assert "no number of rows at count" in words


def test_a_declared_total_guards_one_answer_too(university, server):
    server.replies(as_csv(people("1"), X_Total="2"))
    asked = source(university, server, format="csv", total_header="X-Total")
    assert "1 of 2 rows" in error_of(asked, SourceUnavailableError)


# --- sources that do not answer


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_page_that_did_not_come_is_asked_for_again_and_no_other(university, server, status):
    pages = by_page(people("1"), people("2"), people("3"))
    failed = []

    def answer(call):
        if call.page == 2 and len(failed) < 2:
            failed.append(call)
            return as_json({"error": MARKER}, status)
        return pages(call)

    server.answer = answer
    assert ids(source(university, server, paging=PAGE)) == ["1", "2", "3"]
    assert [call.page for call in server.calls] == [1, 2, 2, 2, 3, 4]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_pause_that_is_asked_for_is_kept(university, server, form):
    def answer(call):
        if len(server.calls) > 1:
            return as_json(people("1"))
        until = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2), True)
        return as_json({}, 429, Retry_After="1" if form == "seconds" else until)

    server.answer = answer
    assert ids(source(university, server)) == ["1"]
    first, second = server.calls
    assert second.at - first.at > 0.9


@pytest.mark.parametrize("text", ["0", "soon", "Tue, 03 Sep 2024 08:00:00 -0000", "-5"])
def test_a_pause_that_says_nothing_is_our_own(university, server, text):
    server.replies(as_json({}, 503, Retry_After=text), as_json(people("1")))
    assert ids(source(university, server)) == ["1"]


@pytest.mark.parametrize("text", ["301", "Tue, 03 Sep 2999 08:00:00 GMT"])
def test_a_pause_that_is_too_long_is_told_at_once(university, server, text):
    server.replies(as_json({}, 429, Retry_After=text))
    words = error_of(source(university, server), SourceError)
    assert "asks to wait" in words
    assert "more than the 300 s" in words
    assert len(server.calls) == 1


def test_a_source_that_fails_for_ever_is_asked_so_often_and_no_more(university, server):
    server.replies(as_json({"error": MARKER}, 500))
    words = error_of(source(university, server), SourceUnavailableError)
    assert f"GET {server.url}/students answered with status 500" in words
    assert len(server.calls) == 3


def broken_off(sent: int) -> Reply:
    reply = as_json(people("1", "2"))
    reply.sent = sent
    return reply


CHUNKED = Reply(b'5\r\n[{"st\r\n', headers={"Transfer-Encoding": "chunked"}, sent=100)
NOT_GZIP = Reply(b"no gzip at all", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("broken", [broken_off(0), broken_off(40), CHUNKED, NOT_GZIP])
def test_an_answer_that_breaks_off_is_asked_for_again(university, server, broken):
    server.replies(broken, as_json(people("1")))
    asked = source(university, server)
    assert ids(asked) == ["1"]
    server.replies(broken)
    assert "stopped in the middle" in error_of(asked, SourceUnavailableError)


def test_csv_that_breaks_off_between_two_lines_is_no_shorter_list(university, server):
    whole = as_csv(people("1", "2"))
    short = as_csv(people("1", "2"))
    short.sent = whole.body.rindex(b'\n"2"') + 1
    server.replies(short, whole)
    assert ids(source(university, server, format="csv")) == ["1", "2"]


def test_a_server_that_is_not_there_is_unavailable(university, server):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    asked = source(university, server, url=url, auth={"bearer": "${SIS_TOKEN}"})
    assert "could not be reached" in error_of(asked, SourceUnavailableError)


def test_a_certificate_must_be_trusted(university, server, tmp_path, monkeypatch):
    require(bool(shutil.which("openssl")), "openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sis"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.replies(as_json(people("1")))
    url = server.url.replace("http:", "https:")
    asked = source(university, server, url=f"{url}/students", auth={"bearer": "${SIS_TOKEN}"})
    assert "the server's certificate is not trusted" in error_of(asked, SourceError)
    assert server.calls == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert ids(asked) == ["1"]


def test_a_server_without_tls_is_told(university, server):
    url = server.url.replace("http:", "https:")
    words = error_of(source(university, server, url=f"{url}/x"), SourceUnavailableError)
    assert "over TLS" in words


def test_a_server_that_does_not_answer_in_time_is_unavailable(university, server):
    late = as_json(people("1"))
    late.late = 0.5
    server.replies(late)
    asked = source(university, server, timeout_seconds=0.1)
    assert "within 0.1 s" in error_of(asked, SourceUnavailableError)
    assert len(server.calls) == 3


def test_an_answer_that_drips_for_ever_is_unavailable(university, server):
    drop = b"1\r\n \r\n"
    server.replies(Reply(drop * 1000, headers={"Transfer-Encoding": "chunked"}, drip=0.02))
    asked = source(university, server, timeout_seconds=0.2, retries=1)
    assert "within 0.2 s" in error_of(asked, SourceUnavailableError)
    assert len(server.calls) == 2


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_headers_that_drip_end_within_twice_the_time(university, server, begin):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.sendall(begin)
                        while True:
                            connection.sendall(b"H")
                            time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/students"
        asked = source(university, server, url=url, timeout_seconds=1, retries=0)
        began = time.monotonic()
        assert "within 1 s" in error_of(asked, SourceUnavailableError)
        assert time.monotonic() - began < 2


def test_a_request_that_cannot_be_made_is_told(university, server):
    words = error_of(source(university, server, headers={"": "${SIS_TOKEN}"}), SourceError)
    assert "cannot be requested (InvalidHeader)" in words
    assert server.calls == []


# --- redirects


def test_a_redirect_on_the_same_server_is_followed_with_what_goes_along(university, server):
    server.answer = lambda call: (
        as_json(people("1"))
        if call.path == "/moved"
        else as_json({}, 307, Location="/moved?" + call.target.partition("?")[2])
    )
    assert ids(source(university, server, auth={"bearer": "${SIS_TOKEN}"})) == ["1"]
    assert server.calls[1].headers["authorization"] == f"Bearer {SECRET}"
    assert server.calls[1].query == {"day": "2024-09-03"}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"auth": {"bearer": "${SIS_TOKEN}"}},
        {"headers": {"X-Key": "${SIS_TOKEN}"}},
        {"params": {"day": "{date}", "key": "${SIS_TOKEN}"}},
    ],
)
def test_a_redirect_to_another_host_is_refused(university, server, other, keys):
    server.replies(as_json({}, 302, Location=f"{other.url}/students?key={SECRET}"))
    assert "redirects to http://127.0.0.1" in error_of(
        source(university, server, **keys), SourceError
    )
    assert other.calls == []


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("http://SIS.example.edu:80/b", True),
        ("https://sis.example.edu/b", True),
        ("https://sis.example.edu:8443/b", False),
        ("http://sis.example.edu:8080/b", False),
        ("http://sis.example.edu.evil.org/b", False),
        ("http://sis.example.edu@evil.org/b", False),
        ("ftp://sis.example.edu/b", False),
        ("http://[sis.example.edu/b", False),
        ("", False),
    ],
)
def test_the_same_server_is_the_same_host_and_port_with_tls_or_as_before(there, expected):
    assert stays("http://sis.example.edu/a", there) is expected
    assert not stays("https://sis.example.edu/a", "http://sis.example.edu/a")


def test_redirects_without_end_are_told(university, server):
    server.answer = lambda call: as_json({}, 302, Location=call.target)
    assert "redirects endlessly" in error_of(source(university, server), SourceError)


# --- what answers hold


NESTED = {"student_id": "student.id", "program": "study.main.name", "level": "Level"}


def test_columns_may_be_nested_and_rows_may_leave_keys_out(university, server):
    university.change(columns=NESTED, dimensions=["program", "level"])
    server.replies(
        as_json(
            [
                {"student": {"id": "1"}, "study": None},
                {"student": {"id": "2"}, "study": {"main": {"name": "Art"}}, "level": "Junior"},
                {"student": {"id": None}, "study": {"main": None}, "level": None},
                {},
            ]
        )
    )
    assert [tuple(row.values()) for row in read(source(university, server))] == [
        ("1", None, None),
        ("2", "Art", "Junior"),
        (None, None, None),
        (None, None, None),
    ]


def test_a_column_that_was_renamed_is_read_under_either_name(university, server):
    university.change(
        columns={"student_id": "id", "program": ["study.new", "study.old"]}, dimensions=["program"]
    )
    for name in ("new", "old"):
        server.replies(as_json([{"id": "1"}, {"id": "2", "study": {name: "Art"}}]))
        found = [tuple(row.values()) for row in read(source(university, server))]
        assert found == [("1", None), ("2", "Art")]


def test_a_column_that_no_row_has_is_told_with_those_that_there_are(university, server):
    university.change(columns={**NESTED, "level": "student.levl"}, dimensions=["program", "level"])
    row = {"student": {"id": "1", "level": MARKER}, "study": {"main": {"name": "x"}}}
    server.answer = by_page([row])
    words = error_of(source(university, server, paging=PAGE), SourceError)
    assert "no column student.levl, but student.level" in words
    assert "(its columns: student.id, student.level, study.main.name)" in words
    assert "columns.level" in words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"00042"', "00042"),
        ("42", "42"),
        ("42.0", "42"),
        ("4.2e1", "42"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("12345678901234567.5", "12345678901234567.5"),
        ("0.1", "0.1"),
        ("NaN", None),
        ("true", "true"),
        ('"Null"', "Null"),
        ('""', ""),
    ],
)
def test_numbers_and_words_become_the_text_that_stands_for_them(university, server, text, expected):
    university.change(columns={"student_id": "id"}, dimensions=[])
    server.replies(Reply(f'[{{"id": {text}}}]'.encode()))
    assert read(source(university, server)) == [{"student_id": expected}]


@pytest.mark.parametrize(
    "text", ["1e999999999", "1e99999999999999999999999", "9" * 5000, "[" * 100_000]
)
def test_numbers_and_depths_that_would_fill_the_memory_are_refused(university, server, text):
    server.replies(Reply(f'[{{"student_id": {text}}}]'.encode()))
    assert "not JSON" in error_of(source(university, server), SnapshotUnreadableError)


def test_what_is_nested_too_deep_for_a_name_is_passed_over(university, server):
    deep = '{"a":' * 800 + "1" + "}" * 800
    server.replies(Reply(f'[{{"x": {deep}, {json.dumps(person("1"))[1:]}]'.encode()))
    assert ids(source(university, server)) == ["1"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([MARKER], "column student_id holds a list or an object"),
        ({"name": MARKER}, "column student_id holds a list or an object"),
        ("\ud800" + MARKER, "column student_id holds text that is not Unicode"),
        ("\x00" + MARKER, "NUL bytes"),
        (MARKER * 10_000, "a value of more than 64 kB"),
    ],
)
def test_values_that_are_none_are_told_without_them(university, server, value, words):
    server.replies(as_json([person("1"), {**person("2"), "student_id": value}]))
    assert words in error_of(source(university, server), SnapshotUnreadableError)


def test_a_list_where_an_object_should_be_is_told(university, server):
    university.change(columns={"student_id": "student.id"}, dimensions=[])
    server.replies(as_json([{"student": {"id": "1"}}, {"student": [{"id": MARKER}]}]))
    words = error_of(source(university, server), SnapshotUnreadableError)
    assert "column student.id holds a list or an object" in words


LOGIN = b"\xef\xbb\xbf\n <!DOCTYPE html><form>" + MARKER.encode()


@pytest.mark.parametrize(
    ("body", "keys", "words"),
    [
        (LOGIN, {}, "a web page instead of JSON"),
        (LOGIN, {"format": "csv"}, "a web page instead of CSV"),
        (b"", {}, "not JSON"),
        (csv_text(people("1")).encode(), {}, "not JSON"),
        (json.dumps(people("1")).encode()[:-1], {}, "not JSON"),
        (f'["{MARKER} \xe9"]'.encode("latin-1"), {}, "not JSON in UTF-8"),
        (json.dumps([MARKER]).encode(), {}, "gives no list of objects as its answer"),
        (json.dumps([person("1"), None]).encode(), {}, "gives no list of objects"),
        (json.dumps({"error": MARKER}).encode(), {}, "gives no list of objects as its answer"),
        (json.dumps({"error": MARKER}).encode(), {"rows": "a.b"}, "no list of objects at a.b"),
        (json.dumps({"a": {"b": None}}).encode(), {"rows": "a.b"}, "no list of objects at a.b"),
        (b"", {"format": "csv"}, "answer.csv is empty"),
        (b"ID\n1\n", {"format": "csv"}, "answer.csv has no column student_id"),
    ],
)
def test_an_answer_that_is_something_else_is_unreadable(university, server, body, keys, words):
    server.replies(Reply(body))
    assert words in error_of(source(university, server, **keys), SnapshotUnreadableError)
    assert len(server.calls) == 1


@pytest.mark.parametrize("keys", [{}, {"format": "csv"}, {"paging": PAGE}, {"paging": CURSOR}])
def test_no_content_is_no_rows(university, server, keys):
    server.replies(Reply(status=204))
    assert read(source(university, server, **keys)) == []


def test_404_is_a_missing_day_where_a_day_was_asked_for(university, server):
    server.replies(as_json({"error": MARKER}, 404))
    words = error_of(source(university, server), SnapshotMissingError)
    assert "nothing for 2024-09-03" in words
    with pytest.raises(SnapshotMissingError), source(university, server).read(DATE):
        pytest.fail("a day that is not there was opened")
    undated = source(university, server, params={})
    assert "status 404" in error_of(undated, SourceError, university.settings.today())


def test_a_term_that_is_not_there_after_one_that_is_makes_the_day_unreadable(university, server):
    university.change(columns={"student_id": "student_id"})
    server.replies(as_json(people("1")), as_json({}, 404))
    asked = source(university, server, params={"t": "{term}", "day": "{date}"})
    words = error_of(asked, SnapshotUnreadableError, dt.date(2024, 12, 1))
    assert "The terms before it exist" in words


def test_404_for_a_cursor_is_no_end_of_the_list(university, server):
    server.replies(as_json({"rows": people("1"), "meta": {"next": "a"}}), as_json({}, 404))
    asked = source(university, server, paging=CURSOR, rows="rows")
    assert "a page that it had announced" in error_of(asked, SnapshotUnreadableError)


@pytest.mark.parametrize("status", [304, 400, 405, 410, 422])
def test_other_refusals_are_told_with_their_status(university, server, status):
    server.replies(as_json({"error": MARKER}, status))
    asked = source(university, server, params={"day": "{date}", "key": "${SIS_TOKEN}"})
    words = error_of(asked, SourceError)
    assert f"GET {server.url}/students answered with status {status}" in words
    assert len(server.calls) == 1


def test_what_comes_after_the_host_of_a_variable_is_not_shown(university, server, monkeypatch):
    monkeypatch.setenv("BASE", f"{server.url}/{SECRET}/v1?key={SECRET}&path=")
    server.replies(as_json({}, 400))
    words = error_of(source(university, server, url="${BASE}/students/${SIS_TOKEN}"), SourceError)
    assert f"GET {server.url}/…/students/${{SIS_TOKEN}} answered" in words
    assert SECRET in server.calls[0].target


def test_packed_answers_are_unpacked(university, server):
    packed = gzip.compress(json.dumps(people("1", "2")).encode())
    server.replies(Reply(packed, headers={"Content-Encoding": "gzip"}))
    assert ids(source(university, server)) == ["1", "2"]
    assert "gzip" in server.calls[0].headers["accept-encoding"]


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("packed", [False, True])
def test_more_than_the_megabytes_that_are_allowed_is_refused(university, server, form, packed):
    rows = people(*map(str, range(20_000)))
    reply = as_json(rows) if form == "json" else as_csv(rows)
    if packed:
        reply = Reply(gzip.compress(reply.body), headers={"Content-Encoding": "gzip"})
    server.replies(reply)
    asked = source(university, server, format=form, max_megabytes=1)
    assert "more than 1 MB" in error_of(asked, SnapshotUnreadableError)


def test_a_page_of_json_that_would_fill_the_memory_is_refused(university, server):
    server.replies(as_json(people(*map(str, range(20_000)))))
    asked = source(university, server, max_megabytes=20)
    assert "more than 1 MB of JSON in one page" in error_of(asked, SnapshotUnreadableError)


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("windows-1252", "cp1252"),
        ("ISO-8859-1", "cp1252"),
        ("utf-16", "utf-16"),
        ("UTF-8", "utf-8"),
    ],
)
def test_an_answer_is_in_the_encoding_that_it_declares(
    university, server, form, declared, encoding
):
    body = '[{"student_id": "Zo\u00eb", "term": "2024FA"}]'
    if form == "csv":
        body = "student_id,term\nZo\u00eb,2024FA\n"
    kind = {"json": "application/json", "csv": "text/csv"}[form]
    headers = {"Content-Type": f"{kind}; charset={declared}"}
    server.replies(Reply(body.encode(encoding), headers=headers))
    university.change(columns={"student_id": "student_id", "term": "term"}, dimensions=[])
    assert ids(source(university, server, format=form)) == ["Zo\u00eb"]


def test_an_encoding_that_does_not_exist_is_refused(university, server):
    headers = {"Content-Type": "application/json; charset=latin-99"}
    server.replies(Reply(b"[]", headers=headers))
    words = error_of(source(university, server), SnapshotUnreadableError)
    assert "declares an encoding that does not exist" in words


def test_the_megabytes_are_those_of_all_pages(university, server):
    def answer(call):
        start = call.page * 1_000
        return as_json(people(*map(str, range(start, start + 1_000))))

    server.answer = answer
    asked = source(university, server, paging=PAGE, max_megabytes=1)
    assert "more than 1 MB" in error_of(asked, SnapshotUnreadableError)
    assert 2 < len(server.calls) < 20


# --- CSV


def test_csv_comes_in_one_answer(university, server):
    server.replies(as_csv(people("00042", "7")))
    assert read(source(university, server, format="csv")) == people("00042", "7")


@pytest.mark.parametrize(
    ("paging", "total"), [(PAGE, None), (PAGE, "X-Total"), (LINK, None), (LINK, "X-Total")]
)
def test_csv_comes_in_pages(university, server, paging, total):
    pages = [people("1", "2"), people("2", "3", "3"), []]

    def answer(call):
        link = {"Link": f'</students?page={call.page + 1}>; rel="next"'} if call.page < 3 else {}
        return as_csv(pages[call.page - 1], X_Total="4", **link)

    server.answer = answer
    asked = source(university, server, format="csv", paging=paging, total_header=total)
    assert ids(asked) == ["1", "2", "3", "3"]
    assert len(server.calls) == (2 if paging is PAGE and total else 3)


def test_csv_larger_than_memory_is_kept_for_goes_through_a_file(university, server):
    rows = people(*(f"{number:09}" for number in range(130_000)))
    server.replies(as_csv(rows))
    assert len(csv_text(rows)) > 8 << 20
    assert ids(source(university, server, format="csv")) == [row["student_id"] for row in rows]


# --- a look


@pytest.mark.parametrize(
    ("keys", "reply", "columns", "rows", "is_all"),
    [
        ({}, as_json([{"a": {"b": 1}, "ID": 2}] * 3), ["a.b", "ID"], 3, True),
        ({}, as_json([]), [], 0, True),
        ({}, Reply(status=204), [], 0, True),
        ({"paging": PAGE}, as_json([{"ID": 1}]), ["ID"], 1, False),
        ({"paging": PAGE}, as_json([]), [], 0, True),
        ({"paging": PAGE, "total_header": "N"}, as_json([{"ID": 1}], N="1"), ["ID"], 1, True),
        ({"paging": LINK}, as_json([{"ID": 1}], Link='</2>; rel="next"'), ["ID"], 1, False),
        ({"paging": LINK}, as_json([{"ID": 1}]), ["ID"], 1, True),
        ({"format": "csv"}, Reply(b'\xef\xbb\xbfID,"B, C"\n1,2\n3,4\n'), ["ID", "B, C"], 2, True),
        ({"format": "csv"}, Reply(b"A,ID\n"), ["A", "ID"], 0, True),
    ],
)
def test_a_look_asks_for_the_first_page_only(
    university, server, keys, reply, columns, rows, is_all
):
    university.change(columns={"student_id": "ID"}, dimensions=[])
    server.replies(reply)
    found = source(university, server, **keys).probe(DATE)
    assert (found.columns, found.rows, found.is_all) == (columns, rows, is_all)
    assert found.where == f"GET {server.url}/students"
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("keys", "reply"), [({}, as_json([{"a": 1}])), ({"format": "csv"}, Reply(b"A,B\n1,2\n"))]
)
def test_a_look_misses_a_mapped_column(university, server, keys, reply):
    server.replies(reply)
    with pytest.raises(EnrollmentError, match="has no column student_id"):
        source(university, server, **keys).probe(DATE)


def test_a_look_at_one_of_several_terms_is_not_all(university, server):
    server.replies(as_json(people("1")))
    asked = source(university, server, params={"t": "{term}", "day": "{date}"})
    assert not asked.probe(dt.date(2024, 12, 1)).is_all
    assert asked.probe(DATE).is_all
    assert asked.probe(dt.date(2030, 1, 1)).rows == 1


# --- through the pipeline


@pytest.mark.usefixtures("dagster_home")
def test_a_paged_day_goes_into_the_warehouse_and_the_next_one_makes_changes(university, server):
    days = {
        "2024-09-03": [people("1", "2"), people("2", "3")],
        "2024-09-04": [people("2", "3"), people("4")],
    }
    server.answer = lambda call: by_page(*days[call.query["day"]])(call)
    source(university, server, paging=PAGE, auth={"bearer": "${SIS_TOKEN}"})
    for date in days:
        outcome = university.run(date)
        assert outcome.success, outcome.failures
    assert university.query(
        "SELECT snapshot_date::VARCHAR, list(student_id ORDER BY student_id) "
        "FROM enrollment.enrollment_snapshots GROUP BY 1 ORDER BY 1"
    ) == [("2024-09-03", ["1", "2", "3"]), ("2024-09-04", ["2", "3", "4"])]
    assert university.query(
        "SELECT student_id, change FROM enrollment.student_changes "
        "WHERE baseline_date IS NOT NULL ORDER BY 1"
    ) == [("1", "dropped"), ("4", "added")]
    assert university.query(
        "SELECT DISTINCT source, duplicate_count FROM enrollment.snapshot_log"
    ) == [(f"GET {server.url}/students", 0)]


@pytest.mark.usefixtures("dagster_home")
def test_a_day_whose_total_was_wrong_once_is_read_again_and_nothing_twice(university, server):
    source(university, server, paging=PAGE, total_header="X-Total")
    totals = iter(["4", "4"])
    server.answer = lambda call: by_page(
        people("1", "2"), people("3"), X_Total=next(totals, "3") if call.page == 1 else "3"
    )(call)
    outcome = university.run("2024-09-03")
    assert outcome.success, outcome.failures
    assert university.query(
        "SELECT row_count, student_count, duplicate_count FROM enrollment.snapshot_log"
    ) == [(3, 3, 0)]


@pytest.mark.usefixtures("dagster_home")
def test_equal_rows_of_the_lists_own_are_counted_as_duplicates(university, server):
    source(university, server, paging=PAGE, total_header="X-Total")
    numbers = list(map(str, range(200)))
    server.answer = by_page(people(*numbers[:100]), people(*numbers[100:], "7"), X_Total="201")
    outcome = university.run("2024-09-03")
    assert outcome.success, outcome.failures
    assert university.query(
        "SELECT student_count, duplicate_count FROM enrollment.snapshot_log"
    ) == [(200, 1)]


@pytest.mark.usefixtures("dagster_home")
def test_a_total_that_is_wrong_for_ever_fails_the_run_in_words(university, server):
    source(university, server, paging=PAGE, total_header="X-Total", retries=1)
    server.answer = by_page(people("1", "2"), people("3"), X_Total="4")
    outcome = university.run("2024-09-03")
    assert not outcome.success
    assert "3 of 4 rows" in " ".join(outcome.failures)
    assert [call.page for call in server.calls] == [1, 2, 3] * 2


@pytest.mark.parametrize("nothing", [as_json([]), Reply(status=204)])
@pytest.mark.usefixtures("dagster_home")
def test_an_empty_list_is_refused_where_a_day_stood_before(university, server, nothing):
    source(university, server)
    rows = people(*map(str, range(60)))
    server.answer = lambda call: as_json(rows) if call.query["day"] < "2024-09-04" else nothing
    assert university.run("2024-09-03").success
    outcome = university.run("2024-09-04")
    assert not outcome.success
    assert university.query(
        "SELECT snapshot_date::VARCHAR, status FROM enrollment.snapshot_log ORDER BY 1"
    ) == [("2024-09-03", "accepted"), ("2024-09-04", "rejected")]


@pytest.mark.usefixtures("dagster_home")
def test_a_missing_day_is_missing_in_a_range_and_the_days_around_it_stand(university, server):
    source(university, server)
    server.answer = lambda call: (
        as_json({}, 404) if call.query["day"] == "2024-09-04" else as_json(people("1", "2"))
    )
    university.run("2024-09-03", "2024-09-05")
    assert university.query(
        "SELECT snapshot_date::VARCHAR, status FROM enrollment.snapshot_log ORDER BY 1"
    ) == [("2024-09-03", "accepted"), ("2024-09-04", "missing"), ("2024-09-05", "accepted")]


@pytest.mark.parametrize(
    ("content", "headers", "words"),
    [
        (people("1", "2"), {"Link": '<http://127.0.0.1/p?page=2>; rel="next"'}, "Link header"),
        (people("1", "2"), {"X-Total-Count": "60"}, "X-Total-Count: 60"),
        ({"rows": people("1", "2"), "has_more": True}, {}, "has_more"),
        ({"rows": people("1", "2"), "next": "abc"}, {}, "next"),
        ({"rows": people("1", "2"), "meta": {"total": 60}}, {}, "total: 60"),
        ({"rows": people("1", "2"), "@odata.nextLink": "http://x"}, {}, "@odata.nextLink"),
    ],
)
def test_one_page_of_several_is_no_snapshot(university, server, content, headers, words):
    server.answer = lambda _: as_json(content, **headers)
    keys = {"rows": "rows"} if isinstance(content, dict) else {}
    said = error_of(source(university, server, **keys), SnapshotUnreadableError)
    assert f"says that there are more ({words})" in said
    assert "source.paging" in said


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (people("1", "2"), {"X-Total-Count": "2"}),
        ({"rows": people("1", "2"), "has_more": False, "next": None, "total": 2}, {}),
    ],
)
def test_a_whole_list_may_say_that_it_is_whole(university, server, content, headers):
    server.answer = lambda _: as_json(content, **headers)
    keys = {"rows": "rows"} if isinstance(content, dict) else {}
    assert ids(source(university, server, **keys)) == ["1", "2"]


def test_an_offset_moves_on_by_the_rows_that_came(university, server):
    everybody = people(*(f"{n:02d}" for n in range(60)))
    asked = []

    def answer(call):
        offset, limit = int(call.query["offset"]), int(call.query["limit"])
        asked.append(offset)
        return as_json(everybody[offset : offset + limit], **{"Total-Count": "60"})

    server.answer = answer
    keys = {
        "paging": {"style": "offset", "parameter": "offset"},
        "params": {"limit": 25, "day": "{date}"},
        "total_header": "Total-Count",
    }
    assert len(ids(source(university, server, **keys))) == 60
    assert asked == [0, 25, 50]
