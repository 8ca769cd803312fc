"""Fetches one page at a time over HTTP, with retries; secrets go to one server only.

Messages show only host and path of an address: queries, headers and answers may hold secrets and data
of students.
"""

import base64
import codecs
import contextlib
import datetime as dt
import decimal
import email.message
import email.utils
import json
import re
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import IO, Any, Self
from urllib.parse import urljoin, urlsplit

import requests
import requests.auth
from requests.structures import CaseInsensitiveDict

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand
from enrollment_assets.config.source import ApiAuth, ApiKeys
from enrollment_assets.errors import (
    EnrollmentError,
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources import deadline
from enrollment_assets.sources.deadline import within
from enrollment_assets.sources.retry import retrying

# A token is fetched anew so long before it expires.
_EARLY_SECONDS = 60
_CONNECT_SECONDS = 30.0
# A longer pause fails the run instead: a run that sleeps holds the warehouse.
_LONGEST_PAUSE = 300
_MOST_REDIRECTS = 5
_IN_MEMORY_BYTES = 8 << 20
_CHUNK_BYTES = 64 << 10
# JSON is read as a whole, and takes so many times its size in memory.
_JSON_MEMORY = 20
_LONGEST_NUMBER = 50
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Request:
    """What to request; `where` is the part that messages may show."""

    url: str
    params: dict[str, str]
    where: str
    date: dt.date
    term: str | None

    def with_param(self, name: str | None, value: object) -> Self:
        """The same with one parameter set."""
        return replace(self, params={**self.params, str(name): str(value)})


@dataclass
class Answer:
    """One page as received; it has no file where there are no rows, or no more.

    `most_json`: the bytes of JSON that it may have.
    """

    where: str
    headers: CaseInsensitiveDict[str]
    url: str
    most_json: int
    file: IO[bytes] | None = None

    @cached_property
    def content(self) -> Any:
        """The JSON of the answer; numbers are integers or decimals, and none is rounded."""
        if not self.file:
            return None
        if self.file.seek(0, 2) > self.most_json:
            raise SnapshotUnreadableError(
                f"{self.where} answered with more than {self.most_json >> 20:,} MB of JSON in one "
                "page; ask for smaller ones (source.paging), or raise source.max_megabytes."
            )
        self.file.seek(0)
        try:
            text = self.file.read().decode(self.encoding or "utf-8-sig")
            return json.loads(text, parse_float=_decimal, parse_constant=lambda _: None)
        except (ValueError, ArithmeticError, RecursionError):
            raise SnapshotUnreadableError(
                f"{self.where} answered with something that is not JSON in UTF-8; check the answer, "
                "or set source.format."
            ) from None

    @property
    def encoding(self) -> str | None:
        """The encoding that the answer declares, if it is not UTF-8.

        Raises:
            SnapshotUnreadableError: if nobody knows it.
        """
        message = email.message.Message()
        message["Content-Type"] = self.headers.get("Content-Type", "")
        charset = message.get_content_charset()
        if charset is None:
            return None
        try:
            name = codecs.lookup(charset).name
        except LookupError:
            raise SnapshotUnreadableError(
                f"{self.where} declares an encoding that does not exist; ask the owner of the API."
            ) from None
        # Servers declare ISO-8859-1 and send Windows-1252, as every browser reads it.
        return {"utf-8": None, "ascii": None, "iso8859-1": "cp1252"}.get(name, name)

    def close(self) -> None:
        """Give the file back."""
        if self.file:
            self.file.close()


class Client:
    """Asks for one page at a time, and again for one that did not come."""

    def __init__(self, settings: Settings, keys: ApiKeys, session: requests.Session) -> None:
        self.settings = settings
        self.keys = keys
        self._session = session
        # For all pages of a day together: an endless API must not fill the disk.
        self._bytes_left = keys.max_megabytes << 20
        self._most_json = max((keys.max_megabytes << 20) // _JSON_MEMORY, 1 << 20)

    def get(self, request: Request, *, is_first: bool) -> Answer:
        """One page, in a file.

        Raises:
            SourceUnavailableError: if all tries failed.
            SnapshotMissingError: if there is nothing for the day.
            SnapshotUnreadableError: if it is too large, or a web page.
            SourceError: if it was refused.
        """
        return retrying(self.settings)(self._try, request, is_first=is_first)

    def _try(self, request: Request, *, is_first: bool) -> Answer:
        where = request.where
        try:
            with within(self.keys.timeout_seconds), self._open(request) as response:
                answer = Answer(where, response.headers, response.url, self._most_json)
                if self._has_rows(response, request, is_first=is_first):
                    answer.file = self._download(response, where)
                return answer
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY" in str(error):
                raise SourceError(
                    f"{where}: the server's certificate is not trusted; set REQUESTS_CA_BUNDLE to "
                    "a file with your certificate authority."
                ) from None
            problem = "could not be reached over TLS"
        except requests.exceptions.ReadTimeout:
            problem = f"did not answer within {self.keys.timeout_seconds:g} s"
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            problem = "stopped in the middle of its answer"
        except (requests.ConnectionError, requests.Timeout):
            problem = "could not be reached, or closed the connection"
        except requests.RequestException as error:
            raise SourceError(
                f"{where} cannot be requested ({type(error).__name__}); correct url and headers under "
                "source."
            ) from None
        raise SourceUnavailableError(f"{where} {problem}; try again.")

    def _open(self, request: Request) -> requests.Response:
        """The answer, after redirects: requests itself would send our headers to any host."""
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
            target = join(response.url, target)
            if not stays(response.url, target):
                scheme, host, _ = origin_of(target) or ("no", "address", 0)
                raise SourceError(
                    f"{request.where} redirects to {scheme}://{host}, another server, which nobody has "
                    "named; correct source.url if the list has moved there."
                )
            url, params = target, {}
        raise SourceError(f"{request.where} redirects endlessly; correct source.url.")

    def _has_rows(self, response: requests.Response, request: Request, *, is_first: bool) -> bool:
        """Whether the status announces a page."""
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
        self, response: requests.Response, request: Request, *, is_first: bool
    ) -> EnrollmentError:
        status = response.status_code
        where = f"{request.where} answered with status {status}"
        if status in (408, 425, 429) or status >= 500:  # noqa: PLR2004
            pause = _pause(response.headers.get("Retry-After"))
            if pause and pause > _LONGEST_PAUSE:
                return SourceError(
                    f"{where} and asks to wait {pause:,.0f} s, more than the {_LONGEST_PAUSE} s "
                    "that a run waits; run the day again later."
                )
            return SourceUnavailableError(f"{where}; try again.", pause)
        if status in (401, 403):
            names = " and ".join(_variables(self.keys)) or "source.auth"
            return SourceError(f"{where}, so it refused the login; check {names}.")
        if status == requests.codes.not_found and not is_first:
            return SnapshotUnreadableError(
                f"{where} for a page that it had announced; run the day again."
            )
        if status == requests.codes.not_found and self.keys.asks_for("date"):
            return SnapshotMissingError(
                f"{where}: it has nothing for {request.date}, or source.url is wrong; provide the "
                "day and run it again, or correct the address."
            )
        return SourceError(f"{where}; correct url and params under source.")

    def _download(self, response: requests.Response, where: str) -> IO[bytes]:
        deadline = time.monotonic() + self.keys.timeout_seconds
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))
            for chunk in response.iter_content(_CHUNK_BYTES):
                if file.tell() + len(chunk) > self._bytes_left:
                    raise SnapshotUnreadableError(
                        f"{where} gives more than {self.keys.max_megabytes:,} MB; raise "
                        "source.max_megabytes if that is right."
                    )
                if time.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout
                file.write(chunk)
            self._bytes_left -= file.tell()
            file.seek(0)
            if file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
                raise SnapshotUnreadableError(
                    f"{where} answered with a web page instead of {self.keys.format.upper()}, "
                    "perhaps a login page; check source.url and source.auth."
                )
            file.seek(0)
            stack.pop_all()
        return file


class _Auth(requests.auth.AuthBase):
    """Sends the login. Even an empty one keeps requests from reading ~/.netrc."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            request.headers["Authorization"] = self._header
        return request


class _ClientToken(requests.auth.AuthBase):
    """Sends a token that it fetches by client credentials (RFC 6749, 4.4), and fetches anew in time."""

    def __init__(self, auth: ApiAuth, timeout: float) -> None:
        self._auth = auth
        self._timeout = timeout
        self._header = ""
        self._until = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if time.monotonic() >= self._until:
            self._fetch()
        request.headers["Authorization"] = self._header
        return request

    def _fetch(self) -> None:
        """Fetch a token.

        Raises:
            SourceError: if the server refuses the client.
            SourceUnavailableError: if it does not answer.
        """
        url = expand(self._auth.token_url or "", "source.auth.token_url")
        basic = f"{expand(self._auth.client_id or '', 'source.auth.client_id')}:" + _header(
            self._auth.client_secret or "", "source.auth.client_secret"
        )
        form = {"grant_type": "client_credentials"}
        if self._auth.scope:
            form["scope"] = self._auth.scope
        try:
            # Inside of `within`: this is part of the exchange that needs the token.
            with deadline.session() as session:
                answer = session.post(
                    url,
                    data=form,
                    headers={"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"},
                    auth=_Auth(None),
                    timeout=min(_CONNECT_SECONDS, self._timeout),
                    allow_redirects=False,
                )
        except requests.RequestException:
            raise SourceUnavailableError(
                f"{shown(url)} (source.auth.token_url) could not be reached; try again."
            ) from None
        if answer.status_code >= 500:  # noqa: PLR2004
            raise SourceUnavailableError(
                f"{shown(url)} answered with status {answer.status_code}; try again."
            )
        try:
            content = answer.json()
            token, seconds = str(content["access_token"]), float(content.get("expires_in", 300))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise SourceError(
                f"{shown(url)} answered with status {answer.status_code} and no token; check "
                "client_id, client_secret and scope under source.auth."
            ) from None
        self._header = f"Bearer {token}"
        self._until = time.monotonic() + max(seconds - _EARLY_SECONDS, seconds / 2)


def open_session(keys: ApiKeys) -> requests.Session:
    """A session with the headers and login of each request.

    Raises:
        ConfigurationError: if a variable is not set.
        SourceError: if a value is not valid in a header.
    """
    session = deadline.session()
    accepts = {"json": "application/json", "csv": "text/csv"}[keys.format]
    session.headers.update({"User-Agent": "enrollment-assets", "Accept": accepts})
    for name, value in keys.headers.items():
        session.headers[name] = _header(value, f"source.headers.{name}")
    if keys.auth and keys.auth.token_url:
        session.auth = _ClientToken(keys.auth, keys.timeout_seconds)
    else:
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
    """A value for a header, without the line break that secrets from files end with."""
    header = expand(value, key).strip()
    if not (header and header.isascii() and header.isprintable()):
        names = ", ".join(_VARIABLE.findall(value)) or "it"
        raise SourceError(
            f"{key} is empty, or has a character that headers do not allow; check {names}."
        )
    return header


def _variables(keys: ApiKeys) -> list[str]:
    """The environment variables that hold the login."""
    auth = keys.auth.model_dump().values() if keys.auth else ()
    texts = [*auth] or [*keys.headers.values(), *keys.params.values()]
    return [name for text in texts for name in _VARIABLE.findall(str(text))]


def holds_secrets(keys: ApiKeys) -> bool:
    """Whether the request has something that only the one server may get."""
    # A variable at the beginning of the address is the host.
    texts = [*keys.headers.values(), *keys.params.values(), keys.url[1:]]
    return bool(keys.auth) or any("${" in str(text) for text in texts)


def shown(url: str) -> str:
    """An address as messages may show it: without its query and the values of variables."""
    start = _VARIABLE.match(url)
    if start:
        # A variable at the beginning is the host; its path may be a secret.
        base = urlsplit(expand(start[0], "source.url"))
        path = "/…" if base.path.strip("/") else ""
        url = f"{base.scheme}://{base.netloc}{path}{url[start.end() :]}"
    return re.split(r"[?#]", url, maxsplit=1)[0]


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address that HTTP can reach."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname:
            return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        pass
    return None


def stays(here: str, there: str) -> bool:
    """Whether an address is on the same server and does not drop TLS."""
    origin, target = origin_of(here), origin_of(there)
    return origin is not None and target in (origin, ("https", origin[1], _PORTS["https"]))


def join(url: str, target: str) -> str:
    """An address that a page names, relative to that page; empty if it is invalid."""
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


def _pause(text: str | None) -> float | None:
    """The seconds that Retry-After asks for, as a number or a date; None if they are over."""
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
