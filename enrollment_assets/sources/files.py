"""One file a day: CSV, gzipped CSV, Parquet or Excel, by its ending, from any fsspec address."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from enrollment_assets.config import Settings, expand
from enrollment_assets.config_source import FilesKeys
from enrollment_assets.errors import (
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources import formats
from enrollment_assets.sources.base import Extract


class FilesSource:
    """Files in one folder, named after their day."""

    def __init__(self, settings: Settings, keys: FilesKeys) -> None:
        self._source = keys
        self._columns = dict(settings.columns)
        url = expand(self._source.url, "source.url")
        if "://" not in url:
            url = str((settings.base / url).resolve())
        try:
            self._filesystem, self._folder = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            kind = url.partition("://")[0]
            raise SourceError(
                f"source.url: addresses of kind {kind}:// are not known ({error})."
            ) from None

    def check(self) -> None:
        """Make sure that the folder is there."""
        with _in_words(self._folder):
            if not self._filesystem.isdir(self._folder):
                raise SourceError(
                    f"source.url: the folder {self._folder} is not there; correct the path, or make "
                    "it and put the first snapshot in."
                )

    def path(self, date: dt.date) -> str:
        """Where the file of this day should be."""
        return f"{self._folder.rstrip('/')}/{self._source.name_for(date)}"

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Open one day's file."""
        self.check()
        path = self.path(date)
        name = Path(path).name
        with _in_words(path):
            try:
                file = self._filesystem.open(path, "rb")
            except FileNotFoundError:
                raise SnapshotMissingError(
                    f"{name} is not in {self._folder}; put it there and run the day again."
                ) from None
            except PermissionError:
                raise SnapshotUnreadableError(
                    f"{name} may not be read by this user; give it the right to."
                ) from None
            except IsADirectoryError:
                raise SnapshotUnreadableError(f"{name} is a folder; put a file there.") from None
            with file:
                rows = formats.read(
                    file, name, self._columns, max_megabytes=self._source.max_megabytes
                )
                yield Extract(date, path, rows)

    def dates(self) -> list[dt.date]:
        """The days that have a file, in order."""
        self.check()
        with _in_words(self._folder):
            names = {Path(path).name for path in self._filesystem.ls(self._folder, detail=False)}
        return sorted(date for date in map(self._date_of, names) if date)

    def _date_of(self, name: str) -> dt.date | None:
        head, _, rest = self._source.pattern.partition("{date:")
        form, _, tail = rest.partition("}")
        if not (form and name.startswith(head) and name.endswith(tail)):
            return None
        text = name[len(head) : len(name) - len(tail)]
        try:
            date = dt.datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, not an instant
        except ValueError:
            return None
        return date if self._source.name_for(date) == name else None


@contextmanager
def _in_words(path: str) -> Iterator[None]:
    """Tell a file that may not be read, and a disk or network that failed, from a bad snapshot."""
    try:
        yield
    except PermissionError:
        raise SourceError(f"{path} may not be read by this user; give it the right to.") from None
    except NotADirectoryError:
        raise SourceError(
            f"{path} is a file where a folder should be; correct source.url."
        ) from None
    except OSError as error:
        raise SourceUnavailableError(
            f"{path} could not be read ({error.strerror or type(error).__name__}); try again."
        ) from None
