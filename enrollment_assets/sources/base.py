"""What every source gives: the rows of one day as a stream of Arrow batches of text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from enrollment_assets.config import Settings
from enrollment_assets.errors import SourceError
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = lazy("pyarrow")


@dataclass(frozen=True)
class Extract:
    """One day's rows.

    `rows` has one text column for each mapped column, under our names, and `term` where the source was
    asked for one term after the other.
    """

    date: dt.date
    origin: str
    rows: Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Look:
    """What a look into the source found, without reading a whole day.

    `columns` are those that it has, `rows` how many were read, `is_all` whether these are all.
    """

    where: str
    columns: list[str] = field(default_factory=list)
    rows: int = 0
    is_all: bool = False


class Source(Protocol):
    """Reads a day.

    One that is live answers for any day, also for those on which nobody makes an extract.
    """

    is_live: bool

    def check(self) -> None:
        """Make sure that the source can be asked at all.

        Raises:
            SourceError: with what is wrong and what to do.
        """

    def read(self, date: dt.date) -> AbstractContextManager[Extract]:
        """Open the rows of one day; they are read while the context is open.

        Raises:
            SnapshotMissingError: if there is nothing for the day.
            SnapshotUnreadableError: if what is there cannot be read; also while rows are read.
            SourceUnavailableError: if the source did not answer; also while rows are read.
        """

    def dates(self) -> list[dt.date] | None:
        """The days that the source has, in order, or None if it cannot tell."""


class ConfiguredSource(Source, Protocol):
    """A source of the configuration, which can be looked into."""

    def look(self, date: dt.date) -> Look:
        """Look into the source: the newest day that it has, or `date` where it cannot tell.

        Raises:
            SourceError: with what is wrong and what to do.
            SourceUnavailableError: if it did not answer.
        """


def refuse_past(settings: Settings, date: dt.date, *, what: str, bind: str) -> None:
    """Refuse any day but today from a source that only shows the present.

    Raises:
        SourceError: with why, and what to do.
    """
    today = settings.today()
    if date != today:
        raise SourceError(
            f"{what} has no {bind}, so it shows who is enrolled now, on {today}, and cannot tell who "
            f"was on {date}: put {bind} into it if the system knows the past, or take that day in "
            "from a file."
        )
