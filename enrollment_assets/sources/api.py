"""A list over HTTP: JSON or CSV, in one answer or in pages."""

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast
from urllib.parse import quote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import requests
import requests.auth

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand
from enrollment_assets.config.source import ApiKeys, ApiPaging, CsvKeys, fill
from enrollment_assets.errors import (
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources import formats
from enrollment_assets.sources.base import Extract, Probe, refuse_past
from enrollment_assets.sources.columns import as_text, find_columns
from enrollment_assets.sources.header import Wanted
from enrollment_assets.sources.http import (
    Answer,
    Client,
    Request,
    holds_secrets,
    join,
    open_session,
    origin_of,
    shown,
    stays,
)

# Some APIs always give a new cursor, so that clients can come back for new rows.
_MOST_EMPTY_PAGES = 20
_BATCH_ROWS = 50_000
_DEEPEST_NAME = 16
# Where APIs say that an answer is one page of several.
_TOTAL_HEADERS = ("X-Total-Count", "Total-Count", "X-Total")
_ABOUT = ("meta", "pagination", "paging", "page", "links", "_links")
_NEXT_KEYS = frozenset(
    {"next", "nextpage", "nextcursor", "nextlink", "nexturl", "hasmore", "hasnext", "hasnextpage"}
    | {"@odata.nextlink"}
)
_TOTAL_KEYS = frozenset({"total", "totalcount", "totalresults", "totalrows", "totalrecords"})
# How many rows were on an earlier page already, and a sum that identifies them.
_Repeats = tuple[int, int]
_RepeatsByList = dict[tuple[dt.date, str | None], _Repeats]


class ApiSource:
    """A list that is requested for one day at a time."""

    is_live = True

    def __init__(self, settings: Settings, keys: ApiKeys) -> None:
        self._settings = settings
        self._keys = keys
        # The repeats of readings that did not add up, for the next reading to compare with.
        self._repeats: _RepeatsByList = {}

    def check(self) -> None:
        """Make sure that the request is complete; nothing is sent yet."""
        self._request(self._settings.today(), self._settings.terms[0].code)
        open_session(self._keys).close()

    def dates(self) -> list[dt.date] | None:
        """Today, if the request has no date; otherwise unknown."""
        return None if self._keys.asks_for("date") else [self._settings.today()]

    @contextlib.contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Request one day: once, or once for each open term if the request has a term."""
        if not self._keys.asks_for("date"):
            refuse_past(self._settings, date, what="The request in source", bind="{date}")
        asked = self._requests(date)
        with open_session(self._keys) as session:
            rows = self._rows(Client(self._settings, self._keys, session), asked)
            # A missing day is reported when it is opened, not in the middle of its rows.
            begin = list(itertools.islice(rows, 1))
            origin = " and ".join(dict.fromkeys(request.where for request in asked))
            yield Extract(date, origin, itertools.chain(begin, rows))

    def probe(self, date: dt.date) -> Probe:
        """Request the first page, of one term."""
        date = date if self._keys.asks_for("date") else self._settings.today()
        asked = self._requests(date) or [self._request(date, self._settings.terms[-1].code)]
        with open_session(self._keys) as session:
            client = Client(self._settings, self._keys, session)
            columns, rows, is_all = _Listing(client, asked[0], {}).probe()
        return Probe(asked[0].where, columns, rows, is_all=is_all and len(asked) == 1)

    def _rows(self, client: Client, asked: list[Request]) -> Iterator[pa.RecordBatch]:
        for request in asked:
            try:
                for batch in _Listing(client, request, self._repeats).rows():
                    if request.term is None or "term" in batch.schema.names:
                        yield batch
                    else:
                        codes = pa.repeat(pa.scalar(request.term, pa.string()), batch.num_rows)
                        yield batch.append_column("term", codes)
            except SnapshotMissingError as error:
                if request is asked[0]:
                    raise
                raise SnapshotUnreadableError(f"{error} The terms before it exist.") from None

    def _requests(self, date: dt.date) -> list[Request]:
        """What to request for a day: one list, or one for each open term."""
        if not self._keys.asks_for("term"):
            return [self._request(date, None)]
        return [self._request(date, term.code) for term in self._settings.open_terms(date)]

    def _request(self, date: dt.date, term: str | None) -> Request:
        """The request, with the day and the term filled in first, and then environment variables.

        Raises:
            ConfigurationError: if a variable is not set.
            SourceError: if it must not be sent to that address.
        """
        into = partial(fill, date=date, term=term)
        in_url = into(self._keys.url, quote=partial(quote, safe=""))
        url = expand(in_url, "source.url")
        self._refuse_address(url)
        params = {
            name: expand(into(str(value)), f"source.params.{name}")
            for name, value in self._keys.params.items()
        }
        return Request(url, params, f"GET {shown(in_url)}", date, term)

    def _refuse_address(self, url: str) -> None:
        origin = origin_of(url)
        if origin is None:
            raise SourceError(
                "source.url is not an http or https address; write https://host/path."
            )
        if "@" in urlsplit(url).netloc:
            raise SourceError("source.url holds a user; move user and password to source.auth.")
        is_local = origin[1] in ("localhost", "127.0.0.1", "::1")
        if origin[0] == "http" and holds_secrets(self._keys) and not is_local:
            raise SourceError("source.url: http would send the secret unencrypted; use https.")


def _says_more(answer: Answer, count: int, *, is_json: bool) -> str | None:
    """Where an answer says that it is not the whole list, if it does."""
    links = requests.utils.parse_header_links(answer.headers.get("Link", ""))
    if any("next" in link.get("rel", "").lower().split() for link in links):
        return "Link header"
    for name in _TOTAL_HEADERS:
        text = str(answer.headers.get(name, "")).strip()
        if text.isascii() and text.isdecimal() and int(text) > count:
            return f"{name}: {int(text):,}"
    content = answer.content if is_json and answer.file is not None else None
    parts = [content, *(content.get(name) for name in _ABOUT)] if isinstance(content, dict) else []
    for part in parts:
        for key, value in part.items() if isinstance(part, dict) else ():
            plain = str(key).replace("_", "").lower()
            if plain in _NEXT_KEYS and value and not isinstance(value, list):
                return str(key)
            if plain in _TOTAL_KEYS and type(value) is int and value > count:
                return f"{key}: {value:,}"
    return None


class _Listing:
    """One list from its first page to its last.

    A list that changes while it is read repeats rows of one page on a later one: repeats are
    dropped, and the total that the API declares must come out. Lists may also hold equal rows of
    their own, which one reading cannot distinguish from repeats. Two readings can: if the previous
    one had the same `repeats`, the list did not change, and none is dropped.
    """

    def __init__(self, client: Client, first: Request, repeats: _RepeatsByList) -> None:
        self._client = client
        self._keys = client.keys
        self._wanted = Wanted(client.settings.source_columns)
        self._where = first.where
        self._repeats = repeats
        self._key = (first.date, first.term)
        self._before = repeats.get(self._key)
        paging = client.keys.paging
        self._number = paging.first if paging else 0
        if paging and paging.style == "offset":
            self._number = 0
        if paging and paging.style in ("page", "offset"):
            first = first.with_param(paging.parameter, self._number)
        self._first = first
        self._borders = _Borders()
        self._paths: dict[str, tuple[str, ...]] = {}
        self._cursors: set[str] = set()
        self._received = 0
        self._total: int | None = None

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The rows of all pages, each page once."""
        request: Request | None = self._first
        empty_pages = 0
        while request:
            is_first = request is self._first
            with contextlib.closing(self._client.get(request, is_first=is_first)) as answer:
                if is_first:
                    self._total = self._declared(answer)
                before = self._received
                for batch in self._batches(answer):
                    yield self._without_repeats(batch)
                count = self._received - before
                empty_pages = 0 if count else empty_pages + 1
                if self._borders.turn() or empty_pages > _MOST_EMPTY_PAGES:
                    raise self._no_effect()
                request = self._next(answer, count)
        self._refuse_moved()

    def probe(self) -> tuple[list[str], int, bool]:
        """The columns of the first page, how many rows it has, and whether it is the only one."""
        with contextlib.closing(self._client.get(self._first, is_first=True)) as answer:
            self._total = self._declared(answer)
            self._received = sum(batch.num_rows for batch in self._batches(answer))
            is_all = self._next(answer, self._received) is None
            return self._wanted.header, self._received, is_all

    @property
    def _distinct(self) -> int:
        return self._received - self._borders.repeats[0]

    def _without_repeats(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._received += batch.num_rows
        if self._keys.paging is None:
            return batch
        is_known = self._borders.known(batch)
        return batch if self._before or not is_known.any() else batch.filter(pa.array(~is_known))

    def _refuse_moved(self) -> None:
        """Refuse a reading that does not add up to the declared total."""
        repeats = self._borders.repeats
        is_kept = self._before and repeats[0]
        if self._total is None or (self._distinct == self._total and not is_kept):
            return
        if self._received == self._total:
            if repeats == self._before:
                return
            self._repeats[self._key] = repeats
        else:
            self._repeats.pop(self._key, None)
        raise SourceUnavailableError(
            f"{self._where}: the list changed while it was read ({self._distinct:,} of {self._total:,} "
            f"rows, and {repeats[0]:,} repeated from an earlier page); try again."
        )

    def _batches(self, answer: Answer) -> Iterator[pa.RecordBatch]:
        if answer.file is None:
            return iter(())
        if self._keys.format == "csv":
            most = self._keys.max_megabytes
            self._wanted.csv = CsvKeys(encoding=answer.encoding)
            return formats.read(answer.file, "answer.csv", self._wanted, max_megabytes=most)
        rows = self._json(self._objects(answer))
        return formats.refuse_odd(rows, self._where, self._keys.max_megabytes << 20)

    def _objects(self, answer: Answer) -> list[dict[str, Any]]:
        rows = _at(answer.content, self._keys.rows) if self._keys.rows else answer.content
        if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
            place = f"at {self._keys.rows}" if self._keys.rows else "as its answer"
            raise SnapshotUnreadableError(
                f"{self._where} gives no list of objects {place}; correct source.rows, or check "
                "its answer."
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
        """Where each mapped column is; the first row may lack keys that are empty in it."""
        paths = list(_leaves(rows[0]))
        wanted = {name.casefold() for names in self._wanted.columns.values() for name in names}
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
            problem = "holds a list or an object instead of a value; correct its path under columns"
        except UnicodeEncodeError:
            problem = "holds text that is not Unicode; correct the data"
        raise SnapshotUnreadableError(f"{self._where}: the column {'.'.join(path)} {problem}.")

    def _declared(self, answer: Answer) -> int | None:
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

    def _next(self, answer: Answer, count: int) -> Request | None:
        """What to request after a page, if there is more."""
        paging = self._keys.paging
        if paging is None:
            is_json = self._keys.format == "json"
            # A configured total is compared with what came, and asked for again.
            if self._total is None and (more := _says_more(answer, count, is_json=is_json)):
                raise SnapshotUnreadableError(
                    f"{self._where} gives {count:,} rows and says that there are more ({more}); set "
                    "source.paging, or this is a part of the students alone."
                )
            return None
        if paging.style in ("page", "offset"):
            if not count or (self._total is not None and self._distinct >= self._total):
                return None
            self._number = self._received if paging.style == "offset" else self._number + 1
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

    def _cursor(self, answer: Answer, paging: ApiPaging) -> str | None:
        value = _at(answer.content, str(paging.next))
        if isinstance(answer.content, list) or isinstance(value, dict | list):
            raise SnapshotUnreadableError(
                f"{self._where} has no cursor at {paging.next}; correct source.paging.next."
            )
        return None if value in (None, "", False) else str(value)

    def _link(self, answer: Answer) -> str | None:
        links = requests.utils.parse_header_links(answer.headers.get("Link", ""))
        next_links = [
            link["url"] for link in links if "next" in link.get("rel", "").lower().split()
        ]
        if not next_links:
            return None
        target = join(answer.url, next_links[0])
        if not stays(answer.url, target):
            raise SourceError(
                f"{self._where} names a next page on another host or without https, which must not "
                "get the headers and secrets of the request; ask the owner of the API."
            )
        return target

    def _no_effect(self) -> SourceError:
        return SourceError(
            f"{self._where} repeats a page, or gives empty pages endlessly, so paging has no effect; "
            "correct parameter, first and next under source.paging."
        )


class _Borders:
    """Recognizes rows that were on an earlier page.

    All earlier pages count, not only the last one: a student whose record changes may move from the
    first page to the last of a list sorted by change, and push another one over a page border
    unseen. Only the total of distinct rows shows that. A row is remembered by 64 bits: ten million
    take 80 MB, and the chance that two of a million rows share theirs is one in thirty million.
    """

    def __init__(self) -> None:
        self.repeats: _Repeats = (0, 0)
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
        count, total = self.repeats
        known = hashes[is_known]
        self.repeats = count + known.size, (total + int(known.sum())) % 2**64
        return cast("npt.NDArray[np.bool_]", is_known)

    def turn(self) -> bool:
        """End a page; returns whether it repeats an earlier page."""
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
    """The value at a path; a value that is not an object on the way there is returned as it is."""
    for key in path:
        if not isinstance(row, dict):
            return row if row is None else [row]
        row = row.get(key)
    return row
