"""A list over HTTP: JSON or CSV, in one answer or page by page.

What messages show of an address is its host and path: queries, headers and answers may hold secrets
and students.
"""

import base64
import contextlib
import datetime as dt
import decimal
import email.utils
import itertools
import json
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import IO, Any, cast
from urllib.parse import quote, urljoin, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import requests
import requests.auth
from requests.structures import CaseInsensitiveDict

from enrollment_assets.config import Settings, expand
from enrollment_assets.config_source import ApiAuth, ApiKeys, ApiPaging, fill
from enrollment_assets.errors import (
    EnrollmentError,
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources import formats
from enrollment_assets.sources.base import Extract, Look, refuse_past
from enrollment_assets.sources.columns import as_text, find_columns
from enrollment_assets.sources.retry import retrying

_CONNECT_SECONDS = 30.0
# A source that asks for a longer pause is not there today; a run that sleeps holds the warehouse.
_LONGEST_PAUSE = 300
_MOST_REDIRECTS = 5
# Some interfaces give a new cursor for ever, so that one can come back for what is new.
_MOST_EMPTY_PAGES = 20
_IN_MEMORY_BYTES = 8 << 20
_CHUNK_BYTES = 64 << 10
_BATCH_ROWS = 50_000
_DEEPEST_NAME = 16
_LONGEST_NUMBER = 50
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PORTS = {"http": 80, "https": 443}

# How many rows stood on an earlier page already, and a sum over which ones.
_Doubles = tuple[int, int]
_Found = dict[tuple[dt.date, str | None], _Doubles]


class ApiSource:
    """A list that is asked for one day at a time."""

    def __init__(self, settings: Settings, keys: ApiKeys) -> None:
        self._settings = settings
        self._keys = keys
        # What a reading found that did not add up, for the next one to compare with.
        self._found: _Found = {}

    def check(self) -> None:
        """Make sure that the request can be made up; nothing is asked yet."""
        self._request(self._settings.today(), self._settings.terms[0].code)
        _session(self._keys).close()

    def dates(self) -> list[dt.date] | None:
        """Today, if the request has no date; else the interface cannot tell."""
        return None if self._keys.asks_for("date") else [self._settings.today()]

    @contextlib.contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Ask for one day: once, or once for each open term if the request has a term."""
        if not self._keys.asks_for("date"):
            refuse_past(self._settings, date, what="The request in source", bind="{date}")
        asked = self._requests(date)
        with _session(self._keys) as session:
            rows = self._rows(_Client(self._settings, self._keys, session), asked)
            # A day that is not there is told when it is opened, and not in the middle of its rows.
            begin = list(itertools.islice(rows, 1))
            origin = " and ".join(dict.fromkeys(request.where for request in asked))
            yield Extract(date, origin, itertools.chain(begin, rows))

    def look(self, date: dt.date) -> Look:
        """Ask for the first page, of one term."""
        date = date if self._keys.asks_for("date") else self._settings.today()
        asked = self._requests(date) or [self._request(date, self._settings.terms[-1].code)]
        with _session(self._keys) as session:
            client = _Client(self._settings, self._keys, session)
            columns, rows, is_all = _Listing(client, asked[0], {}).look()
        return Look(asked[0].where, columns, rows, is_all=is_all and len(asked) == 1)

    def _rows(self, client: "_Client", asked: list["_Request"]) -> Iterator[pa.RecordBatch]:
        for request in asked:
            try:
                for batch in _Listing(client, request, self._found).rows():
                    if request.term is None or "term" in batch.schema.names:
                        yield batch
                    else:
                        codes = pa.repeat(pa.scalar(request.term, pa.string()), batch.num_rows)
                        yield batch.append_column("term", codes)
            except SnapshotMissingError as error:
                if request is asked[0]:
                    raise
                raise SnapshotUnreadableError(f"{error} The terms before it are there.") from None

    def _requests(self, date: dt.date) -> list["_Request"]:
        """What to ask for on a day: one list, or one for each open term."""
        if not self._keys.asks_for("term"):
            return [self._request(date, None)]
        return [self._request(date, term.code) for term in self._settings.open_terms(date)]

    def _request(self, date: dt.date, term: str | None) -> "_Request":
        """The request, with the day and the term in it first, and then what the environment holds.

        Raises:
            ConfigurationError: if a variable is not set.
            SourceError: if it cannot be sent to that address.
        """
        into = partial(fill, date=date, term=term)
        in_url = into(self._keys.url, quote=partial(quote, safe=""))
        url = expand(in_url, "source.url")
        self._refuse_address(url)
        params = {
            name: expand(into(str(value)), f"source.params.{name}")
            for name, value in self._keys.params.items()
        }
        return _Request(url, params, f"GET {_shown(in_url)}", date, term)

    def _refuse_address(self, url: str) -> None:
        origin = _origin(url)
        if origin is None:
            raise SourceError("source.url is no http or https address; write https://host/path.")
        if "@" in urlsplit(url).netloc:
            raise SourceError("source.url holds a user; put user and password under source.auth.")
        is_local = origin[1] in ("localhost", "127.0.0.1", "::1")
        if origin[0] == "http" and _holds_secrets(self._keys) and not is_local:
            raise SourceError("source.url: http would send the secret in the clear; use https.")


@dataclass(frozen=True)
class _Request:
    """What is asked for; `where` is what messages may show of it."""

    url: str
    params: dict[str, str]
    where: str
    date: dt.date
    term: str | None

    def with_param(self, name: str | None, value: object) -> "_Request":
        """The same with one parameter set."""
        return replace(self, params={**self.params, str(name): str(value)})


@dataclass
class _Answer:
    """One page as it came; it has no file where there is nothing, or nothing more."""

    where: str
    headers: CaseInsensitiveDict[str]
    url: str
    file: IO[bytes] | None = None

    @cached_property
    def content(self) -> Any:
        """The JSON of the answer; numbers are whole or decimal, and none is rounded."""
        if not self.file:
            return None
        try:
            return json.loads(self.file.read(), parse_float=_decimal, parse_constant=lambda _: None)
        except (ValueError, ArithmeticError, RecursionError):
            raise SnapshotUnreadableError(
                f"{self.where} answered with something that is not JSON (in UTF-8); look at what it "
                "gives, or set source.format."
            ) from None

    def close(self) -> None:
        """Give the file back."""
        if self.file:
            self.file.close()


class _Client:
    """Asks for one page at a time, and again for one that did not come."""

    def __init__(self, settings: Settings, keys: ApiKeys, session: requests.Session) -> None:
        self.settings = settings
        self.keys = keys
        self._session = session
        # For all pages of a day together: an interface that never ends must not fill the disk.
        self._bytes_left = keys.max_megabytes << 20

    def get(self, request: _Request, *, is_first: bool) -> _Answer:
        """One page, in a file.

        Raises:
            SourceUnavailableError: if it did not come, several times.
            SnapshotMissingError: if there is nothing for the day.
            SnapshotUnreadableError: if it is too large, or a web page.
            SourceError: if it was refused.
        """
        return retrying(self.settings)(self._try, request, is_first=is_first)

    def _try(self, request: _Request, *, is_first: bool) -> _Answer:
        where = request.where
        try:
            with self._open(request) as response:
                answer = _Answer(where, response.headers, response.url)
                if self._has_rows(response, request, is_first=is_first):
                    answer.file = self._download(response, where)
                return answer
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY" in str(error):
                raise SourceError(
                    f"{where}: the certificate of the server is not trusted; let REQUESTS_CA_BUNDLE "
                    "name a file with your certificate authority."
                ) from None
            problem = "could not be reached over TLS"
        except requests.exceptions.ReadTimeout:
            problem = f"did not answer within {self.keys.timeout_seconds:g} s"
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            problem = "broke off in the middle of its answer"
        except (requests.ConnectionError, requests.Timeout):
            problem = "could not be reached, or broke off"
        except requests.RequestException as error:
            raise SourceError(
                f"{where} cannot be asked ({type(error).__name__}); correct url and headers in source."
            ) from None
        raise SourceUnavailableError(f"{where} {problem}; try again.")

    def _open(self, request: _Request) -> requests.Response:
        """The answer, after redirects: requests itself would take our headers to any host."""
        seconds = self.keys.timeout_seconds
        url, params = request.url, request.params
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._session.get(
                url,
                params=params,
                timeout=(min(_CONNECT_SECONDS, seconds), seconds),
                stream=True,
                allow_redirects=False,
            )
            target = self._session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            target = _join(response.url, target)
            is_open = not (self.keys.headers or _holds_secrets(self.keys))
            if not (is_open or _stays(response.url, target)):
                scheme, host, _ = _origin(target) or ("no", "address", 0)
                raise SourceError(
                    f"{request.where} redirects to {scheme}://{host}, which must not get what goes "
                    "with the request; correct source.url if that is where the list is now."
                )
            url, params = target, {}
        raise SourceError(f"{request.where} redirects without end; correct source.url.")

    def _has_rows(self, response: requests.Response, request: _Request, *, is_first: bool) -> bool:
        """Whether the status says that a page follows."""
        status, paging = response.status_code, self.keys.paging
        if status == requests.codes.no_content:
            return False
        if (
            status == requests.codes.not_found
            and not is_first
            and paging
            and paging.style == "page"
        ):
            return False
        if not 200 <= status < 300:  # noqa: PLR2004
            raise self._refusal(response, request, is_first=is_first)
        return True

    def _refusal(
        self, response: requests.Response, request: _Request, *, is_first: bool
    ) -> EnrollmentError:
        status = response.status_code
        where = f"{request.where} answered with status {status}"
        if status in (408, 425, 429) or status >= 500:  # noqa: PLR2004
            pause = _pause(response.headers.get("Retry-After"))
            if pause and pause > _LONGEST_PAUSE:
                return SourceError(
                    f"{where} and asks to wait {pause:.0f} s, which is more than {_LONGEST_PAUSE}; run "
                    "the day again later."
                )
            return SourceUnavailableError(f"{where}; try again.", pause)
        if status in (401, 403):
            names = " and ".join(_variables(self.keys)) or "source.auth"
            return SourceError(f"{where}, so it does not let us in; check {names}.")
        if status == requests.codes.not_found and not is_first:
            return SnapshotUnreadableError(f"{where} to a page that it had named; read it again.")
        if status == requests.codes.not_found and self.keys.asks_for("date"):
            return SnapshotMissingError(
                f"{where}: there is nothing for {request.date}, or source.url is wrong; put the day "
                "there and run it again, or correct the address."
            )
        return SourceError(f"{where}; correct url and params under source.")

    def _download(self, response: requests.Response, where: str) -> IO[bytes]:
        deadline = time.monotonic() + self.keys.timeout_seconds
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))
            for chunk in response.iter_content(_CHUNK_BYTES):
                if file.tell() + len(chunk) > self._bytes_left:
                    raise SnapshotUnreadableError(
                        f"{where} gives more than {self.keys.max_megabytes} MB; look into it, and set "
                        "source.max_megabytes if it is right."
                    )
                if time.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout
                file.write(chunk)
            self._bytes_left -= file.tell()
            file.seek(0)
            if file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
                raise SnapshotUnreadableError(
                    f"{where} answered with a web page, perhaps to log in, where "
                    f"{self.keys.format.upper()} should be; check source.url and source.auth."
                )
            file.seek(0)
            stack.pop_all()
        return file


class _Listing:
    """One list from its first page to its last.

    A list that moves while it is read shows rows of one page on a later one again: these are dropped,
    and the total that the interface declares must come out. Lists may also hold equal rows of their
    own, which one reading cannot tell from those that moved. Two can: where the reading before `found`
    the same ones, the list did not move, and none is dropped.
    """

    def __init__(self, client: _Client, first: _Request, found: _Found) -> None:
        self._client = client
        self._keys = client.keys
        self._wanted = formats.Wanted(client.settings.columns)
        self._where = first.where
        self._found = found
        self._key = (first.date, first.term)
        self._before = found.get(self._key)
        paging = client.keys.paging
        self._number = paging.first if paging else 0
        if paging and paging.style == "page":
            first = first.with_param(paging.parameter, self._number)
        self._first = first
        self._borders = _Borders()
        self._paths: dict[str, tuple[str, ...]] = {}
        self._cursors: set[str] = set()
        self._received = 0
        self._total: int | None = None

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The rows of all pages, each page once."""
        request: _Request | None = self._first
        empty_pages = 0
        while request:
            is_first = request is self._first
            with contextlib.closing(self._client.get(request, is_first=is_first)) as answer:
                if is_first:
                    self._total = self._declared(answer)
                before = self._received
                for batch in self._batches(answer):
                    yield self._without_doubles(batch)
                count = self._received - before
                empty_pages = 0 if count else empty_pages + 1
                if self._borders.turn() or empty_pages > _MOST_EMPTY_PAGES:
                    raise self._no_effect()
                request = self._next(answer, count)
        self._refuse_moved()

    def look(self) -> tuple[list[str], int, bool]:
        """The names of the first page, how many rows it has, and whether it is the only one."""
        with contextlib.closing(self._client.get(self._first, is_first=True)) as answer:
            self._total = self._declared(answer)
            self._received = sum(batch.num_rows for batch in self._batches(answer))
            is_all = self._next(answer, self._received) is None
            return self._wanted.header, self._received, is_all

    @property
    def _distinct(self) -> int:
        return self._received - self._borders.doubles[0]

    def _without_doubles(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._received += batch.num_rows
        if self._keys.paging is None:
            return batch
        is_known = self._borders.known(batch)
        return batch if self._before or not is_known.any() else batch.filter(pa.array(~is_known))

    def _refuse_moved(self) -> None:
        """Refuse a reading that does not add up to the total that was declared."""
        doubles = self._borders.doubles
        is_kept = self._before and doubles[0]
        if self._total is None or (self._distinct == self._total and not is_kept):
            return
        if self._received == self._total:
            if doubles == self._before:
                return
            self._found[self._key] = doubles
        else:
            self._found.pop(self._key, None)
        raise SourceUnavailableError(
            f"{self._where}: the list changed while it was read: {self._distinct} of {self._total} "
            f"rows, and {doubles[0]} that stood on an earlier page; try again."
        )

    def _batches(self, answer: _Answer) -> Iterator[pa.RecordBatch]:
        if answer.file is None:
            return iter(())
        if self._keys.format == "csv":
            most = self._keys.max_megabytes
            return formats.read(answer.file, "answer.csv", self._wanted, max_megabytes=most)
        rows = self._json(self._objects(answer))
        return formats.refuse_odd(rows, self._where, self._keys.max_megabytes << 20)

    def _objects(self, answer: _Answer) -> list[dict[str, Any]]:
        rows = _at(answer.content, self._keys.rows) if self._keys.rows else answer.content
        if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
            place = f"at {self._keys.rows}" if self._keys.rows else "as its answer"
            raise SnapshotUnreadableError(
                f"{self._where} gives no list of objects {place}; correct source.rows, or see what it "
                "answers."
            )
        return rows

    def _json(self, rows: list[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
        if rows and not self._paths:
            self._paths = self._find_paths(rows)
        for start in range(0, len(rows), _BATCH_ROWS):
            block = rows[start : start + _BATCH_ROWS]
            arrays = [self._array(block, path) for path in self._paths.values()]
            yield pa.RecordBatch.from_arrays(arrays, names=list(self._paths))

    def _find_paths(self, rows: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
        """Where each mapped column is: a key that is empty may be left out of the first row."""
        paths = list(_leaves(rows[0]))
        wanted = {name.casefold() for name in self._wanted.columns.values()}
        wanted -= {".".join(path).casefold() for path in paths}
        for row in itertools.islice(rows, 1, None):
            if not wanted:
                break
            more = [path for path in _leaves(row) if ".".join(path).casefold() in wanted]
            wanted -= {".".join(path).casefold() for path in more}
            paths += more
        self._wanted.header = [".".join(path) for path in paths]
        places = find_columns(
            self._wanted.columns,
            self._wanted.header,
            what=f"The answer to {self._where}",
            config=str(self._client.settings.path),
        )
        return {ours: paths[place] for ours, place in places.items()}

    def _array(self, rows: list[dict[str, Any]], path: tuple[str, ...]) -> pa.Array:
        values = [_reach(row, path) for row in rows]
        try:
            if not any(isinstance(value, dict | list) for value in values):
                return as_text(values)
            problem = "holds a list or an object where a value should be"
        except UnicodeEncodeError:
            problem = "holds text that is no Unicode"
        raise SnapshotUnreadableError(f"{self._where}: the column {'.'.join(path)} {problem}.")

    def _declared(self, answer: _Answer) -> int | None:
        """The total of rows that the answer declares."""
        place = self._keys.total_header or self._keys.total
        if place is None or answer.file is None:
            return None
        value = answer.headers.get(place) if self._keys.total_header else _at(answer.content, place)
        text = str(value).strip()
        if not (text.isascii() and text.isdecimal()):
            raise SnapshotUnreadableError(
                f"{self._where} declares no number of rows at {place}; correct source.total."
            )
        return int(text)

    def _next(self, answer: _Answer, count: int) -> _Request | None:
        """What to ask for after a page, if there is more."""
        paging = self._keys.paging
        if paging is None:
            return None
        if paging.style == "page":
            if not count or (self._total is not None and self._distinct >= self._total):
                return None
            self._number += 1
            return self._first.with_param(paging.parameter, self._number)
        cursor = self._link(answer) if paging.style == "link" else self._cursor(answer, paging)
        if cursor is None:
            return None
        if cursor in self._cursors:
            raise self._no_effect()
        self._cursors.add(cursor)
        if paging.style == "link":
            return replace(self._first, url=cursor, params={})
        return self._first.with_param(paging.parameter, cursor)

    def _cursor(self, answer: _Answer, paging: ApiPaging) -> str | None:
        value = _at(answer.content, str(paging.next))
        if isinstance(answer.content, list) or isinstance(value, dict | list):
            raise SnapshotUnreadableError(
                f"{self._where} has no cursor at {paging.next}; correct source.paging.next."
            )
        return None if value in (None, "", False) else str(value)

    def _link(self, answer: _Answer) -> str | None:
        links = requests.utils.parse_header_links(answer.headers.get("Link", ""))
        found = [link["url"] for link in links if "next" in link.get("rel", "").lower().split()]
        if not found:
            return None
        target = _join(answer.url, found[0])
        if not _stays(answer.url, target):
            raise SourceError(
                f"{self._where} names a next page on another host, or one without https, which must "
                "not get what goes with the request; ask the interface's owner."
            )
        return target

    def _no_effect(self) -> SourceError:
        return SourceError(
            f"{self._where} gives the same page again, or pages without rows and without end, so "
            "paging has no effect; correct parameter, first and next under source.paging."
        )


class _Borders:
    """Tells which rows stood on an earlier page.

    Those of all earlier pages count, not of the last one only: a student who is changed may move from
    the first page to the last of a list that is sorted by change, and push another one over a border
    unseen. Only a total of different rows shows that. A row is remembered by 64 bits: ten million take
    80 MB, and that two of a million rows share theirs has a chance of one in thirty million.
    """

    def __init__(self) -> None:
        self.doubles: _Doubles = (0, 0)
        self._seen: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._page: list[npt.NDArray[np.int64]] = []
        self._pages: set[int] = set()

    def known(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """For each row of a page, or of a piece of it, whether an earlier page had it."""
        values = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        hashes = np.fromiter(map(hash, values), np.int64, count=batch.num_rows)
        self._page.append(hashes)
        if not self._seen.size:
            return np.zeros(batch.num_rows, np.bool_)
        places = np.searchsorted(self._seen, hashes)
        is_known = self._seen[np.minimum(places, self._seen.size - 1)] == hashes
        count, total = self.doubles
        known = hashes[is_known]
        self.doubles = count + known.size, (total + int(known.sum())) % 2**64
        return cast("npt.NDArray[np.bool_]", is_known)

    def turn(self) -> bool:
        """End a page; whether it is an earlier page again."""
        if not self._page:
            return False
        page = np.concatenate(self._page)
        self._page.clear()
        mark = hash(page.tobytes())
        is_again = page.size > 0 and mark in self._pages
        self._pages.add(mark)
        new = np.unique(page)
        self._seen = np.insert(self._seen, np.searchsorted(self._seen, new), new)
        return is_again


class _Auth(requests.auth.AuthBase):
    """Says who asks. That there is one at all keeps requests from reading ~/.netrc."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def _session(keys: ApiKeys) -> requests.Session:
    """A session with what goes along with each request.

    Raises:
        ConfigurationError: if a variable is not set.
        SourceError: if a value is none that a header may have.
    """
    session = requests.Session()
    accepts = {"json": "application/json", "csv": "text/csv"}[keys.format]
    session.headers.update({"User-Agent": "enrollment-assets", "Accept": accepts})
    for name, value in keys.headers.items():
        session.headers[name] = _header(value, f"source.headers.{name}")
    session.auth = _Auth(_authorization(keys.auth))
    return session


def _authorization(auth: ApiAuth | None) -> str | None:
    if auth is None:
        return None
    if auth.bearer:
        return f"Bearer {_header(auth.bearer, 'source.auth.bearer')}"
    user = expand(auth.user or "", "source.auth.user")
    password = expand(auth.password or "", "source.auth.password")
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _header(value: str, key: str) -> str:
    """A value as a header can hold it; secrets that were read from a file end in a line break."""
    found = expand(value, key).strip()
    if not (found and found.isascii() and found.isprintable()):
        names = ", ".join(_VARIABLE.findall(value)) or "it"
        raise SourceError(
            f"{key} is empty, or holds a sign that no header may hold; look at {names}."
        )
    return found


def _variables(keys: ApiKeys) -> list[str]:
    """The environment variables that say who asks."""
    auth = keys.auth.model_dump().values() if keys.auth else ()
    texts = [*auth] or [*keys.headers.values(), *keys.params.values()]
    return [name for text in texts for name in _VARIABLE.findall(str(text))]


def _holds_secrets(keys: ApiKeys) -> bool:
    # A variable at the beginning of the address is the host.
    texts = [*keys.headers.values(), *keys.params.values(), keys.url[1:]]
    return bool(keys.auth) or any("${" in str(text) for text in texts)


def _shown(url: str) -> str:
    """An address as messages may show it, from the one before variables are put in: no query."""
    start = _VARIABLE.match(url)
    if start:
        # A variable at the beginning is the host; a path that comes with it may be a secret.
        base = urlsplit(expand(start[0], "source.url"))
        path = "/…" if base.path.strip("/") else ""
        url = f"{base.scheme}://{base.netloc}{path}{url[start.end() :]}"
    return re.split(r"[?#]", url, maxsplit=1)[0]


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address that HTTP can reach."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname:
            return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        pass
    return None


def _stays(here: str, there: str) -> bool:
    """Whether an address is on the same server, and not without TLS where there was."""
    origin, target = _origin(here), _origin(there)
    return origin is not None and target in (origin, ("https", origin[1], _PORTS["https"]))


def _join(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


def _pause(text: str | None) -> float | None:
    """The seconds that Retry-After asks for, as a number or as a date; None if they are over."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text) or None
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until.replace(tzinfo=until.tzinfo or dt.UTC)
    seconds = (until - dt.datetime.now(dt.UTC)).total_seconds()
    return seconds if seconds > 0 else None


def _decimal(text: str) -> decimal.Decimal:
    number = decimal.Decimal(text)
    # Written out as text, 1e999999999 would fill the memory.
    if abs(number.adjusted()) > _LONGEST_NUMBER:
        raise ValueError
    return number


def _at(content: Any, path: str) -> Any:
    """The value at a dotted path, or None; a key may hold dots itself, as @odata.count does."""
    if not isinstance(content, dict):
        return None
    if path in content:
        return content[path]
    key, dot, rest = path.partition(".")
    return _at(content.get(key), rest) if dot else None


def _leaves(row: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all values of a row."""
    for key, value in row.items():
        if isinstance(value, dict) and len(above) < _DEEPEST_NAME:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key)


def _reach(row: Any, path: tuple[str, ...]) -> Any:
    """The value at a path; what is no object on the way there is given as it is."""
    for key in path:
        if not isinstance(row, dict):
            return row if row is None else [row]
        row = row.get(key)
    return row
