"""The interface of every source: the rows of one day as a stream of Arrow batches of text."""

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

    `rows` has one text column for each mapped column, under our names, and `term` where the source is
    queried term by term. `absent` are the parts of the day that did not come.
    """

    date: dt.date
    origin: str
    rows: Iterator[pa.RecordBatch]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """What a source has, without reading a whole day.

    `columns` are all of its columns, `rows` how many rows were read, `is_all` whether these are all.
    """

    where: str
    columns: list[str] = field(default_factory=list)
    rows: int = 0
    is_all: bool = False


class Source(Protocol):
    """Reads a day.

    A live source answers for any day, including days without an extract.
    """

    is_live: bool

    def check(self) -> None:
        """Make sure that the source can be read at all.

        Raises:
            SourceError: with what is wrong and what to do.
        """

    def read(self, date: dt.date) -> AbstractContextManager[Extract]:
        """Open the rows of one day; they are read while the context is open.

        Raises:
            SnapshotMissingError: if there is nothing for the day.
            SnapshotUnreadableError: if the snapshot cannot be read; also while rows are read.
            SourceUnavailableError: if the source did not answer; also while rows are read.
        """

    def dates(self) -> list[dt.date] | None:
        """The days that the source has, in order, or None if it cannot tell."""


class ConfiguredSource(Source, Protocol):
    """A source of the configuration, which `enrollment doctor` can probe."""

    def probe(self, date: dt.date) -> Probe:
        """Probe the newest day that the source has, or `date` where it cannot tell.

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
            f"{what} has no {bind}, so it gives today's enrollment ({today}) and cannot give that of "
            f"{date}; add {bind} if the system keeps history, or load that day from a file."
        )
