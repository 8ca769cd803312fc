"""The keys under `source`: files, a database or an API, and how patiently each is asked."""

import datetime as dt
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
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


def secrets_in(source: Any) -> list[str]:
    """The keys under `source` whose value, as the file has it, is a secret in the open."""
    if not isinstance(source, dict):
        return []
    found = []
    if re.search(r"://[^/@$]*:[^/@$]+@", str(source.get("url"))):
        found.append("source.url")
    for section in ("auth", "options", "headers"):
        values = source.get(section)
        for name, value in values.items() if isinstance(values, dict) else ():
            if _SECRET_KEY.search(str(name)) and isinstance(value, str) and "${" not in value:
                found.append(f"source.{section}.{name}")
    return found


class _Patient(Section):
    """How long an answer may take, and how often a source that did not answer is asked again."""

    # The longest nightly extracts take minutes; what takes longer hangs.
    timeout_seconds: float = Field(default=600, gt=0)
    retries: int = Field(default=4, ge=0, le=20)
    # The first pause; each following one is twice as long, up to a minute.
    retry_seconds: float = Field(default=2, gt=0)


class FilesKeys(_Patient):
    """One file a day."""

    kind: Literal["files"] = "files"
    url: Address
    pattern: str = "enrollment_snapshot_{date:%Y%m%d}.csv"
    # What the file system of the address wants: endpoint_url, key_filename, …
    options: dict[str, Any] = Field(default_factory=dict)
    # One day unpacked: some ten million rows. More is a packed file that was made to fill a disk.
    max_megabytes: int = Field(default=2_000, ge=1)
    # A file that changed less long ago is looked at again before it is read: somebody may be writing.
    settle_seconds: float = Field(default=5, ge=0)

    @field_validator("pattern")
    @classmethod
    def _one_name_a_day(cls, value: str) -> str:
        try:
            names = {value.format(date=day) for day in _SAMPLE_DAYS}
        except (KeyError, IndexError, ValueError):
            raise ValueError("the only field is the date, as in {date:%Y%m%d}") from None
        if len(names) != len(_SAMPLE_DAYS):
            raise ValueError("needs {date:%Y%m%d} or its like, so that each day has its own name")
        return value

    def name_for(self, date: dt.date) -> str:
        """The file name of one day."""
        return self.pattern.format(date=date)


class DatabaseKeys(_Patient):
    """One query on the student system's database."""

    kind: Literal["database"]
    url: Address
    query: str = Field(min_length=1)


class ApiAuth(Section):
    """Who asks: a bearer token, or a user with a password."""

    bearer: str | None = None
    user: str | None = None
    password: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.bearer) == bool(self.user):
            raise ValueError("give either bearer, or user and password")
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        return self


class ApiPaging(Section):
    """How the next page is found: by a page number, by a cursor in the answer, by the Link header."""

    style: Literal["page", "cursor", "link"]
    # The query parameter that holds the page's number or cursor.
    parameter: str | None = None
    first: int = 1
    # Where the answer holds the next cursor, such as meta.next.
    next: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.style != "link" and not self.parameter:
            raise ValueError(f"style {self.style} needs parameter: the query parameter to set")
        if self.style == "cursor" and not self.next:
            raise ValueError("style cursor needs next: where the answer holds the cursor")
        return self


class ApiKeys(_Patient):
    """JSON or CSV over HTTP; `{date:%Y-%m-%d}` and `{term}` may stand in url and params."""

    kind: Literal["api"]
    url: Address
    params: dict[str, str | int] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    auth: ApiAuth | None = None
    format: Literal["json", "csv"] = "json"
    # Where the answer holds the list of rows, such as data.items; by default it is the list.
    rows: str | None = None
    paging: ApiPaging | None = None
    # Where the answer, or a header of it, declares how many rows there are in all.
    total: str | None = None
    total_header: str | None = None
    max_megabytes: int = Field(default=2_000, ge=1)

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
