"""What every source gives: the rows of one day as a stream of Arrow batches of text."""

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from enrollment_assets.config import Settings


@dataclass(frozen=True)
class Extract:
    """One day's rows. `rows` has one text column for each mapped column, under our names."""

    date: dt.date
    origin: str
    rows: Iterator[pa.RecordBatch]


class Source(Protocol):
    """Reads a day."""

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
            SourceUnavailableError: if the source did not answer.
        """

    def dates(self) -> list[dt.date] | None:
        """The days that the source has, in order, or None if it cannot tell."""


def source_for(settings: Settings) -> Source:
    """The configured source."""
    from enrollment_assets.sources.files import FilesSource

    return FilesSource(settings)
