"""The keys under `source`: files, a database or an API, and how patiently each is asked."""

import codecs
import datetime as dt
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from enrollment_assets.config.sections import Section

_SAMPLE_DAYS = tuple(
    dt.date(*day) for day in ((2024, 1, 2), (2024, 1, 3), (2024, 2, 2), (2025, 1, 2))
)
_IN_BRACES = re.compile(r"(?<!\$)\{(date|term)(?::([^}]*))?\}")
_SECRET_KEY = re.compile(
    r"secret|passw|passphrase|token|bearer|authorization|api.?key|connection_string|account_key",
    re.IGNORECASE,
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


Address = Annotated[str, Field(min_length=1)]


def names_secret(name: str) -> bool:
    """Whether a key of this name holds a secret."""
    return bool(_SECRET_KEY.search(name)) and not name.endswith("_url")


def secrets_in(source: Any) -> list[str]:
    """The keys under `source` whose value, as the file has it, is a secret in the open."""
    if not isinstance(source, dict):
        return []
    keys = []
    if re.search(r"://[^/@$]*:[^/@$]+@", str(source.get("url"))):
        keys.append("source.url")
    for section in ("auth", "options", "headers"):
        values = source.get(section)
        for name, value in values.items() if isinstance(values, dict) else ():
            if names_secret(str(name)) and isinstance(value, str) and "${" not in value:
                keys.append(f"source.{section}.{name}")
    return keys


# Under these names the dates of memberships come with their rows; no column of ours is called so.
FIRST_DAY, LAST_DAY = "first day", "last day"


class Dated(Section):
    """Columns with the first and the last day of a membership, where each row is one."""

    entry: str = Field(alias="from")
    """Column with the first day."""
    exit: str = Field(alias="to")
    """Column with the last day; empty while the membership goes on."""
    to_is: Literal["last_day", "first_day_out"] = "last_day"
    """What the day in `to` is: the last one of the membership, or the first one after it."""
    date_format: str | None = None
    """How dates are written, such as `%m/%d/%Y`. Left out, it is `2024-09-30`; a time may follow."""


class _Patient(Section):
    """How long an answer may take, and how often a source that did not answer is asked again."""

    timeout_seconds: float = Field(default=600, gt=0)
    """Seconds that one answer may take. The longest nightly extracts take minutes; what takes
    longer hangs.
    """
    retries: int = Field(default=4, ge=0, le=20)
    """How often a source that does not answer is asked again."""
    retry_seconds: float = Field(default=2, gt=0)
    """Seconds before it is asked again; each following pause is twice as long, up to a minute."""
    dated: Dated | None = None
    """Each row is a membership with its first and last day, and all days are read from the newest
    extract: `dated: {from: ENTRY_DATE, to: EXIT_DATE}`.
    """


class CsvKeys(Section):
    """How text files are written, where it is not as it looks."""

    delimiter: str | None = None
    """What separates columns: one sign, or `tab`. Left out, it is found in the header."""
    encoding: str | None = None
    """Encoding of the text, such as `cp1252` or `utf-16`. Left out, it is UTF-8 or UTF-16; text that is
    neither and looks like Windows-1252 is read as that.
    """
    quote: str | None = None
    """The sign around a value that holds a separator. Left out, it is `"`, or `'` where the header has
    it.
    """
    skip_rows: int = Field(default=0, ge=0)
    """Lines at the top to leave out before the header is looked for."""
    header_row: int | None = Field(default=None, ge=1)
    """The line of the header; the first of the file is 1. Left out, it is the first line that has the
    columns.
    """
    footer: int = Field(default=0, ge=0)
    """Lines at the end that are no rows. Counts, totals and rules of dashes are noticed anyway."""
    null_words: tuple[str, ...] = ("NULL", "\\N")
    """Words that mean nothing where they are not in quotes."""

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_sign(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
        if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n"):
            raise ValueError("must be one ASCII sign, or tab")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                codecs.lookup(value)
            except LookupError:
                raise ValueError("is not the name of an encoding, such as cp1252") from None
        return value


class FilesKeys(_Patient):
    """One file a day."""

    kind: Literal["files"] = "files"
    """A file a day; may be left out."""
    url: Address
    """The folder: a path relative to this file, or `s3://`, `sftp://`, `gs://`, `abfs://`."""
    parts: str | tuple[str, ...] | None = None
    """Parts that a day consists of, such as campuses: a list of their names, or a glob such as `*` for
    those that the day before had. The pattern has `{part}`.
    """
    as_of: str | None = None
    """Column with the day that the rows are of. A file with rows of another day is refused. With it the
    pattern needs no date: one file is written anew each day.
    """
    pattern: str = "enrollment_snapshot_{date:%Y%m%d}.csv"
    """Name of a day's file. `{date:%Y%m%d}` becomes the day, and may have a time (`%H%M%S`); `{term}`
    is the code of a term, `{part}` one of `parts`, `*` any text; of several files the newest is read.
    The ending is .csv, .txt, .tsv, .dat, .parquet or .xlsx, and .gz or .zip may follow.
    """
    parts_wait_minutes: float = Field(default=120, ge=0)
    """Minutes after the newest part in which absent parts are waited for. After that the day is held,
    and names them.
    """
    days_ahead: int = Field(default=0, ge=-7, le=7)
    """How many days the date in a name is ahead of the day whose enrollment the file holds: 1 for a
    file of the night that is named for tomorrow.
    """
    query: str | None = None
    """File of a SELECT over the text files of a day's ZIP file, relative to this file. Each is a table
    under its name, with text columns; the query may bind `:snapshot_date`.
    """
    csv: CsvKeys = Field(default_factory=CsvKeys)
    """How text files are written, where it is not as it looks."""
    sheet: str | None = None
    """Sheet of a workbook. Left out, it is the visible one that has the columns."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the file system of the address needs, such as `endpoint_url` or `key`."""
    max_megabytes: int = Field(default=2_000, ge=1)
    """Largest size of one day's file when unpacked, in MB: room for some ten million rows. A
    larger file was made to fill the disk.
    """
    settle_seconds: float = Field(default=5, ge=0)
    """A file that changed less than this many seconds ago is looked at again before it is read:
    somebody may still be writing it.
    """

    @field_validator("pattern")
    @classmethod
    def _one_name_a_day(cls, value: str, info: ValidationInfo) -> str:
        try:
            names = {value.format(date=day, term="", part="") for day in _SAMPLE_DAYS}
        except (KeyError, IndexError, ValueError):
            raise ValueError("the fields are {date:%Y%m%d}, {term} and {part}") from None
        has_date = "{date" in value or not (info.data.get("as_of") or info.data.get("dated"))
        if has_date and len(names) != len(_SAMPLE_DAYS):
            raise ValueError("needs {date:%Y%m%d} or its like, so that each day has its own name")
        return value

    @model_validator(mode="after")
    def _parts_have_a_place(self) -> Self:
        if self.query and not self.pattern.lower().endswith(".zip"):
            raise ValueError("query: joins the files of a ZIP file; pattern must end in .zip")
        if (self.parts is not None) != ("{part}" in self.pattern):
            raise ValueError("parts: goes together with {part} in pattern")
        return self

    def name_for(self, date: dt.date) -> str:
        """The file name of one day, with `*` for what the day does not decide."""
        return self.pattern.format(date=date + dt.timedelta(self.days_ahead), term="*", part="*")


class DatabaseKeys(_Patient):
    """One query on the student system's database."""

    kind: Literal["database"]
    """One query on a database."""
    url: Address
    """Address of the database, such as
    `postgresql://reader:${SOURCE_PASSWORD}@db.example.edu/sis`.
    """
    query: str = Field(min_length=1)
    """File of the query, relative to this file. It may bind `:snapshot_date` and `:term`."""


class ApiAuth(Section):
    """Who asks: a bearer token, a user with a password, or a client that fetches its token."""

    bearer: str | None = None
    """A token, sent as `Authorization: Bearer`."""
    user: str | None = None
    """A user name, with `password`."""
    password: str | None = None
    """The password of `user`."""
    token_url: str | None = None
    """Where a client fetches a token by its `client_id` and `client_secret` (OAuth 2.0, client
    credentials).
    """
    client_id: str | None = None
    """The client's id."""
    client_secret: str | None = None
    """The client's secret."""
    scope: str | None = None
    """What the token is for, where the server asks for it."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [bool(way) for way in (self.bearer, self.user, self.token_url)].count(True) != 1:
            raise ValueError("give one of bearer, user and password, or token_url")
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        if not bool(self.token_url) == bool(self.client_id) == bool(self.client_secret):
            raise ValueError("token_url, client_id and client_secret go together")
        if self.token_url:
            split = urlsplit(self.token_url)
            if split.scheme == "http" and split.hostname not in _LOOPBACK:
                raise ValueError("token_url: http would send the secret in the clear; use https")
        return self


class ApiPaging(Section):
    """How the next page is found: by a number or an offset, a cursor in the answer, the Link header."""

    style: Literal["page", "offset", "cursor", "link"]
    """How the next page is found: by its number, by how many rows came before it, by a cursor in the
    answer, or by the `Link` header. The size of a page, such as `limit`, goes under `params`.
    """
    parameter: str | None = None
    """Query parameter that holds the page number, the offset or the cursor."""
    first: int = 1
    """Number of the first page."""
    next: str | None = None
    """Where the answer holds the next cursor, such as `meta.next`."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.style != "link" and not self.parameter:
            raise ValueError(f"style {self.style} needs parameter: the query parameter to set")
        if self.style == "cursor" and not self.next:
            raise ValueError("style cursor needs next: where the answer holds the cursor")
        return self


class ApiKeys(_Patient):
    """JSON or CSV over HTTP; url and params may contain `{date:%Y-%m-%d}` and `{term}`."""

    kind: Literal["api"]
    """JSON or CSV over HTTP."""
    url: Address
    """Address to ask. `{date:%Y-%m-%d}` becomes the day, `{term}` the code of each open
    term.
    """
    params: dict[str, str | int] = Field(default_factory=dict)
    """Query parameters; they may contain `{date:…}` and `{term}`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers to send with each request."""
    auth: ApiAuth | None = None
    """Who asks: a bearer token, or a user with a password."""
    format: Literal["json", "csv"] = "json"
    """Format of the answer."""
    rows: str | None = None
    """Where a JSON answer holds the list of rows, such as `data.items`. Left out, the answer is
    the list.
    """
    paging: ApiPaging | None = None
    """How the next page is found. Left out, there is only one."""
    total: str | None = None
    """Where the answer says how many rows there are in all, so that lost rows are noticed."""
    total_header: str | None = None
    """Header that says how many rows there are in all."""
    max_megabytes: int = Field(default=2_000, ge=1)
    """Largest size of one day's answers, in MB. More is a fault."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.format == "csv":
            for name in ("rows", "total"):
                if getattr(self, name):
                    raise ValueError(f"{name}: a CSV answer has no such place")
            if self.paging and self.paging.style == "cursor":
                raise ValueError("paging: a CSV answer has no place for a cursor; use link or page")
        split = urlsplit(self.url)
        if split.scheme == "http" and self.auth and split.hostname not in _LOOPBACK:
            raise ValueError("url: http would send the secret in the clear; use https")
        return self

    def asks_for(self, field: Literal["date", "term"]) -> bool:
        """Whether the date or the term is part of the request."""
        texts = [self.url, *map(str, self.params.values())]
        return any(match[1] == field for text in texts for match in _IN_BRACES.finditer(text))


def fill(text: str, *, date: dt.date, term: str | None, quote: Any = str) -> str:
    """Put a day and a term in the place of `{date:…}` and `{term}`, each through `quote`."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "term":
            return str(quote(term or ""))
        return str(quote(format(date, match[2] or "%Y-%m-%d")))

    return _IN_BRACES.sub(value, text)


def _default_kind(value: Any) -> Any:
    return {"kind": "files", **value} if isinstance(value, dict) else value


Source = Annotated[
    FilesKeys | DatabaseKeys | ApiKeys,
    Field(discriminator="kind"),
    BeforeValidator(_default_kind),
]
