"""A file or several a day: CSV, Parquet or Excel, packed or not, by their ending, from any folder."""

import datetime as dt
import hashlib
import pkgutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import IO, Any

import pyarrow as pa

from enrollment_assets.config import Settings
from enrollment_assets.config.source import FilesKeys
from enrollment_assets.errors import SnapshotMissingError, SnapshotUnreadableError, SourceError
from enrollment_assets.sources import formats
from enrollment_assets.sources.arrivals import Arrival
from enrollment_assets.sources.as_of import AS_OF, day_of, of_the_day
from enrollment_assets.sources.base import Extract, Probe
from enrollment_assets.sources.folder import Folder
from enrollment_assets.sources.header import Wanted
from enrollment_assets.sources.listing import age, files_by_day
from enrollment_assets.sources.naming import Naming
from enrollment_assets.sources.packed import unpacked
from enrollment_assets.sources.retry import retrying
from enrollment_assets.support import progress

# So long a listing of the folder holds for the days of a range.
_LISTING_SECONDS = 60
_SAMPLE_BATCHES = 20
# Formats whose readers are native code.
NATIVE = (".parquet", ".xlsx")


class FilesSource:
    """Files in one folder, named after their day."""

    is_live = False

    def __init__(self, settings: Settings, keys: FilesKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._place = Folder(settings, keys)
        self._noted: list[str] = []
        self._naming = Naming(keys)
        self._depth = keys.pattern.count("/") + 1
        self._listed: dict[dt.date, Arrival] = {}
        self._listed_at = 0.0

    def check(self) -> None:
        """Make sure that the folder exists; a server that does not answer is tried again."""
        self._place.check()

    def path(self, date: dt.date) -> str:
        """Where the file of this day should be, on its file system."""
        return f"{self._place.opened[1].rstrip('/')}/{self._keys.name_for(date)}"

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Open one day's file once nobody writes it any more."""
        self._place.check_once()
        with self._open(date, self._wanted()) as extract:
            yield extract

    def _wanted(self) -> Wanted:
        columns = dict(self._settings.source_columns)
        if self._keys.as_of:
            columns[AS_OF] = (self._keys.as_of,)
        return Wanted(columns, self._keys.csv, self._keys.sheet)

    @contextmanager
    def _open(self, date: dt.date, wanted: Wanted) -> Iterator[Extract]:
        """The rows of all files of a day."""
        files, absent = self._files(date)
        base = self._place.shown.rstrip("/")
        with ExitStack() as stack:
            first = stack.enter_context(self._open_one(files[0], date, wanted))
            if len(files) == 1:
                yield Extract(date, f"{base}/{self._name(files[0].path)}", first, absent)
                return

            def rows() -> Iterator[pa.RecordBatch]:
                yield from first
                for file in files[1:]:
                    with self._open_one(file, date, self._wanted()) as more:
                        yield from more

            yield Extract(
                date,
                f"{base}/{self._name(files[0].path)} and {len(files) - 1} more",
                rows(),
                absent,
            )

    @contextmanager
    def _open_one(
        self, file: Arrival, date: dt.date, wanted: Wanted
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        name = self._name(file.path)
        before = self._place.when_whole(file.path)
        with self._place.plain_errors(), self._place.local(before) as content:
            try:
                with self._rows(content, name, date, wanted) as rows:
                    column = self._keys.as_of
                    checked = of_the_day(rows, date, name, column) if column else rows
                    yield self._with_term(checked, file)
            except SnapshotUnreadableError:
                self._place.refuse_changed(before)
                raise
            self._note(wanted)
        self._place.refuse_changed(before)

    @contextmanager
    def _rows(
        self, content: IO[bytes], name: str, date: dt.date, wanted: Wanted
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows of an open file, or of the query over the files in it."""
        most, folder = self._keys.max_megabytes, self._settings.data_path
        if self._keys.query:
            # It needs SQLAlchemy, which other files do not.
            join = pkgutil.resolve_name("enrollment_assets.sources.joined:joined_by_file")
            with join(content, name, self._settings, self._keys.query, date, wanted) as rows:
                yield rows
            return
        with unpacked(content, name, folder=folder, max_megabytes=most) as (inner, its_name):
            if its_name.lower().endswith(NATIVE):
                seconds = self._keys.timeout_seconds
                # Its readers are native code, which a damaged file may bring down.
                read = pkgutil.resolve_name("enrollment_assets.sources.isolated:read")
                yield read(inner, its_name, wanted, max_megabytes=most, timeout=seconds)
            else:
                yield formats.read(inner, its_name, wanted, max_megabytes=most)

    def _with_term(self, rows: Iterator[pa.RecordBatch], file: Arrival) -> Iterator[pa.RecordBatch]:
        """The rows with the term that the file is named after, if they name none themselves."""
        term = file.name.term if file.name else None
        for batch in rows:
            if term is None or "term" in batch.schema.names:
                yield batch
            else:
                terms = pa.repeat(pa.scalar(term, pa.string()), batch.num_rows)
                yield batch.append_column("term", terms)

    def _files(self, date: dt.date) -> tuple[list[Arrival], tuple[str, ...]]:
        """The files of a day, and which parts are absent.

        Raises:
            SnapshotMissingError: if there is none, or absent parts may still come.
        """
        if self._naming.is_one:
            return [Arrival(self.path(date), 0, "", None)], ()
        if date not in self._listed or time.monotonic() - self._listed_at > _LISTING_SECONDS:
            self._list()
        day = self._listed.get(date)
        if day is None and not self._naming.has_date and self._listed:
            (there,) = self._listed
            raise SnapshotMissingError(
                f"{self._keys.pattern} in {self._place.shown} is of {there}; there is none of {date}."
            )
        if day is None:
            raise self._place.missing(self._keys.name_for(date))
        if day.absent and self._may_still_come(day):
            raise SnapshotMissingError(
                f"{', '.join(day.absent)} of {date} {'is' if len(day.absent) == 1 else 'are'} not in "
                f"{self._place.shown} yet; the day is complete when all parts are there. After "
                f"{self._keys.parts_wait_minutes:g} minutes (source.parts_wait_minutes) it is held."
            )
        return day.files, day.absent

    def _may_still_come(self, day: Arrival) -> bool:
        wait = self._keys.parts_wait_minutes * 60
        return day.modified is None or time.time() - day.modified < wait

    def _name(self, path: str) -> str:
        """A file's name as the pattern has it, with its subfolders."""
        return "/".join(path.split("/")[-self._depth :])

    def _note(self, wanted: Wanted) -> None:
        """Say how files are written where it was guessed; once, and again when it changes."""
        if wanted.notes != self._noted:
            self._noted = list(wanted.notes)
            if wanted.notes:
                progress.note(f"Read with {'; '.join(wanted.notes)}.")

    def arrivals(self) -> dict[dt.date, Arrival]:
        """The existing files, by day."""
        self._place.check_once()
        self._list()
        return self._listed

    def _list(self) -> None:
        """List the folder, and choose the files of each day."""
        # A pattern may lead into subfolders, such as one for each year.
        glob = self._naming.glob() if self._depth > 1 else None
        entries = self._place.entries(glob, lambda path: self._naming.matches(self._name(path)))
        if self._naming.has_date:
            self._listed = files_by_day(
                entries,
                self._naming,
                self._keys.parts,
                name_of=self._name,
                path_of=self.path if self._naming.is_one else None,
            )
        else:
            self._listed = self._one_file(entries)
        self._listed_at = time.monotonic()

    def _one_file(self, entries: list[dict[str, Any]]) -> dict[dt.date, Arrival]:
        """The file that is written anew each day, under the day that its rows are of."""
        found = [
            Arrival.of(entry["name"], entry)
            for entry in entries
            if self._naming.matches(self._name(entry["name"])) and entry.get("type") != "directory"
        ]
        if not found:
            return {}
        newest = max(found, key=age)
        if self._keys.as_of is None:
            return {self._settings.today(): newest}
        wanted = Wanted(
            {AS_OF: (self._keys.as_of,), "student_id": self._wanted().columns["student_id"]}
        )
        most, folder, name = (
            self._keys.max_megabytes,
            self._settings.data_path,
            self._name(newest.path),
        )
        with (
            self._place.plain_errors(),
            self._place.local(newest) as content,
            unpacked(content, name, folder=folder, max_megabytes=most) as (inner, its_name),
        ):
            day = day_of(formats.read(inner, its_name, wanted, max_megabytes=most))
        return {day: newest} if day else {}

    def content_of(self, arrival: Arrival) -> str:
        """A fingerprint of a file's content."""
        digest = hashlib.sha256(";".join(arrival.absent).encode())
        for one in arrival.files:
            if one.is_special:
                continue
            with self._place.plain_errors(), self._place.filesystem.open(one.path, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        return digest.hexdigest()

    def is_whole(self, arrival: Arrival) -> bool:
        """Whether what has not changed since the last scan is complete."""
        if arrival.absent and self._may_still_come(arrival):
            return False
        return not any(map(self._place.ends_early, arrival.files))

    def dates(self) -> list[dt.date]:
        """The days that have a file, in order; a server that does not answer is tried again."""
        return sorted(retrying(self._settings)(self.arrivals))

    def probe(self, date: dt.date) -> Probe:
        """Read the beginning of the newest file."""
        days = sorted(self.arrivals())
        if not days:
            raise SourceError(
                f"source.url: {self._place.shown} has no file that matches {self._keys.pattern}; put "
                "the first one there, or correct source.pattern."
            )
        wanted = self._wanted()
        with self._open(days[-1], wanted) as extract:
            batches = list(islice((b.num_rows for b in extract.rows), _SAMPLE_BATCHES + 1))
        where = f"{self._place.shown}: {len(days)} days from {days[0]} to {days[-1]}"
        if wanted.notes:
            where += f" ({'; '.join(wanted.notes)})"
        rows = sum(batches[:_SAMPLE_BATCHES])
        return Probe(where, wanted.header, rows, is_all=len(batches) <= _SAMPLE_BATCHES)
