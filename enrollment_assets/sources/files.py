"""One file a day: CSV, Parquet or Excel, packed or not, by its ending, from any fsspec address."""

import datetime as dt
import hashlib
import re
import tempfile
import time
import unicodedata
import weakref
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

import fsspec

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand
from enrollment_assets.config.source import FilesKeys
from enrollment_assets.errors import (
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources import formats
from enrollment_assets.sources.arrivals import CLOCK_SECONDS, Arrival
from enrollment_assets.sources.base import Extract, Probe
from enrollment_assets.sources.header import Wanted
from enrollment_assets.sources.packed import unpacked
from enrollment_assets.sources.remote_errors import (
    is_a_login,
    is_of_a_driver,
    is_refused,
    what_is_wrong,
)
from enrollment_assets.sources.retry import retrying
from enrollment_assets.support import progress

# An object store shows an object only when it is complete.
_APPEAR_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory"})
_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "azure"),
    **dict.fromkeys(("sftp", "ssh"), "sftp"),
}
_SFTP = ("sftp", "ssh")
_CONNECT_SECONDS = 30
# A Parquet file has at least its magic bytes and the length of its footer.
_LEAST_PARQUET_BYTES = 12
# A file that ends too early is waited for this many times as long as one that looks whole.
_PATIENCE = 12
_DATE = re.compile(r"\{date:([^}]*)\}")
_SAMPLE_BATCHES = 20


def _expanded(value: Any, key: str) -> Any:
    """An option with the environment's values filled in, also in lists and nested options."""
    if isinstance(value, str):
        return expand(value, key)
    if isinstance(value, list):
        return [_expanded(item, key) for item in value]
    if isinstance(value, dict):
        return {name: _expanded(item, f"{key}.{name}") for name, item in value.items()}
    return value


def _connect(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The file system of an address, and its path there."""
    try:
        # A cached file system keeps a connection that broke.
        filesystem, folder = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
    except FileNotFoundError:
        raise SourceError(
            "source.options names a file, such as a key or known_hosts, that does not exist; "
            "correct the path."
        ) from None
    return filesystem, folder


class FilesSource:
    """Files in one folder, named after their day."""

    is_live = False

    def __init__(self, settings: Settings, keys: FilesKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._disconnect: Callable[[], object] | None = None
        self._noted: list[str] = []

    @cached_property
    def _url(self) -> str:
        url = expand(self._keys.url, "source.url")
        return url if "://" in url else str((self._settings.base / url).resolve())

    @cached_property
    def _protocol(self) -> str:
        return self._url.partition("://")[0] if "://" in self._url else "file"

    @cached_property
    def _folder(self) -> str:
        """The folder as messages and the log may name it: without a user or a password."""
        head, mark, rest = self._url.partition("://")
        return f"{head}{mark}{rest.rpartition('@')[2]}" if mark else head

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the folder's path on it; some connect as soon as they are made."""
        options = _expanded(self._keys.options, "source.options")
        if self._protocol in _SFTP:
            options = {
                "connect_timeout": _CONNECT_SECONDS,
                # A silent server is given up after about four of these.
                "keepalive_interval": min(_CONNECT_SECONDS, self._keys.timeout_seconds / 4),
                # Those of ~/.ssh; without this key, sshfs trusts any server.
                "known_hosts": (),
                **options,
            }
        try:
            with self._plain_errors(), self._as_configured():
                filesystem, folder = _connect(self._url, options)
        except ImportError:
            extra = _EXTRAS.get(self._protocol)
            install = f": .venv/bin/pip install -e '.[{extra}]'" if extra else ""
            raise SourceError(
                f"source.url: {self._protocol}:// needs a package that is not installed{install}."
            ) from None
        if self._protocol in _SFTP:
            # It refers to itself: its connection would stay open until the next garbage collection.
            self._disconnect = weakref.finalize(
                self, filesystem.loop.call_soon_threadsafe, filesystem.client.close
            )
        return filesystem, folder

    @contextmanager
    def _as_configured(self) -> Iterator[None]:
        """Report a wrong address or wrong options; some file systems notice late.

        The errors' own texts are left out: they quote pieces of the address, and of keys.
        """
        try:
            yield
        except (ValueError, TypeError, KeyError) as error:
            if is_a_login(error):
                raise
            name = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            which = f": {name[1]} is not one" if name else ""
            raise SourceError(
                f"source.url: {self._protocol}:// addresses are not supported, or not with these "
                f"source.options{which}; correct one of the two."
            ) from None

    @property
    def _filesystem(self) -> Any:
        return self._opened[0]

    def check(self) -> None:
        """Make sure that the folder exists; a server that does not answer is tried again."""
        retrying(self._settings)(self._check)

    def _check(self) -> None:
        with self._plain_errors():
            filesystem, folder = self._opened
            filesystem.invalidate_cache()
            if not self._is_folder(filesystem, folder):
                raise SourceError(
                    f"source.url: the folder {self._folder} does not exist; correct the path, or "
                    "create the folder and put the first snapshot in it."
                )

    def _is_folder(self, filesystem: Any, folder: str) -> bool:
        try:
            with self._as_configured():
                if filesystem.isdir(folder):
                    return True
            # Most file systems call any error "no folder"; this call distinguishes them.
            filesystem.info(folder)
        except FileNotFoundError:
            pass
        return False

    def path(self, date: dt.date) -> str:
        """Where the file of this day should be, on its file system."""
        return f"{self._opened[1].rstrip('/')}/{self._keys.name_for(date)}"

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Open one day's file once nobody writes it any more."""
        self._check()
        with self._open(date, self._wanted()) as extract:
            yield extract

    def _wanted(self) -> Wanted:
        return Wanted(self._settings.source_columns, self._keys.csv, self._keys.sheet)

    @contextmanager
    def _open(self, date: dt.date, wanted: Wanted) -> Iterator[Extract]:
        name = self._keys.name_for(date)
        before = self._when_whole(self.path(date))
        with self._plain_errors(), self._local(before) as file:
            most, folder = self._keys.max_megabytes, self._settings.data_path
            try:
                with unpacked(file, name, folder=folder, max_megabytes=most) as (content, inner):
                    rows = formats.read(content, inner, wanted, max_megabytes=most)
                    yield Extract(date, f"{self._folder.rstrip('/')}/{name}", rows)
            except SnapshotUnreadableError:
                self._refuse_changed(before)
                raise
            self._note(wanted)
        self._refuse_changed(before)

    def _note(self, wanted: Wanted) -> None:
        """Say how files are written where it was guessed; once, and again when it changes."""
        if wanted.notes != self._noted:
            self._noted = list(wanted.notes)
            if wanted.notes:
                progress.note(f"Read with {'; '.join(wanted.notes)}.")

    @contextmanager
    def _local(self, arrival: Arrival) -> Iterator[IO[bytes]]:
        """The file, opened; a remote one is first copied into a temporary file."""
        name = Path(arrival.path).name
        try:
            file = self._filesystem.open(arrival.path, "rb")
        except FileNotFoundError:
            raise self._missing(name) from None
        except IsADirectoryError:
            raise SnapshotUnreadableError(f"{name} is a folder; replace it by a file.") from None
        except Exception as error:
            if not is_refused(error):
                raise
            raise SnapshotUnreadableError(
                f"This user may not read {name}; grant the right to."
            ) from None
        with file:
            if self._protocol == "file":
                yield file
                return
            if arrival.size > self._keys.max_megabytes << 20:
                raise formats.too_large(name, self._keys.max_megabytes << 20)
            folder = self._settings.data_path
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as fetched:
                copyfileobj(file, fetched, 1 << 20)
                if fetched.tell() != arrival.size:
                    raise SourceUnavailableError(
                        f"{name}: only {fetched.tell():,} of {arrival.size:,} bytes arrived; try again."
                    )
                fetched.seek(0)
                yield fetched

    def _missing(self, name: str) -> SnapshotMissingError:
        alike = self._named_alike(name)
        if alike:
            return SnapshotMissingError(
                f"{name} is not in {self._folder}, but {alike} is, whose name differs in capitals or "
                "in how an accented letter is written; rename it, or correct source.pattern."
            )
        return SnapshotMissingError(
            f"{name} is not in {self._folder}; put it there and run the day again."
        )

    def _named_alike(self, name: str) -> str | None:
        """A file that a person would read as having this name."""
        try:
            names = [
                Path(entry["name"]).name
                for entry in self._filesystem.ls(self._opened[1], detail=True)
            ]
        except OSError:  # the folder itself is not there, which others say
            return None

        def plain(text: str) -> str:
            return unicodedata.normalize("NFC", text).casefold()

        return next((there for there in names if plain(there) == plain(name)), None)

    def _arrival(self, path: str) -> Arrival:
        with self._plain_errors():
            self._filesystem.invalidate_cache()
            try:
                return Arrival.of(path, self._filesystem.info(path))
            except FileNotFoundError:
                raise self._missing(Path(path).name) from None

    def _when_whole(self, path: str) -> Arrival:
        """The file as it is once it has not changed for a while.

        Raises:
            SourceUnavailableError: if it keeps changing.
        """
        before = self._arrival(path)
        settle = self._keys.settle_seconds
        if not settle or self._protocol in _APPEAR_WHOLE or before.modified is None:
            return before
        started = since = time.monotonic()
        while True:
            is_whole = self._is_settled(before, time.monotonic() - since)
            # The mark is read before and after the test: if it is the same, so is the content.
            after = self._arrival(path)
            if after.mark != before.mark:
                before, since = after, time.monotonic()
            elif is_whole:
                return after
            name = Path(path).name
            if time.monotonic() - started > self._keys.timeout_seconds:
                raise SourceUnavailableError(
                    f"{name} is still being written; run the day again when it is complete."
                )
            progress.note(f"{name} is new: waiting {settle:g} s to see whether it still changes.")
            time.sleep(settle)

    def _is_settled(self, arrival: Arrival, watched: float) -> bool:
        """Whether a file is older than a writer would pause, or did not change while watched.

        `watched` is in seconds by our own clock: the server's may be hours ahead.
        """
        settle = self._keys.settle_seconds
        age = time.time() - (arrival.modified or 0)
        if age > settle * _PATIENCE + CLOCK_SECONDS or watched > settle * _PATIENCE:
            return True
        if self._ends_early(arrival):
            return age > settle * _PATIENCE
        return watched >= settle or age > (settle if self._protocol == "file" else CLOCK_SECONDS)

    def _ends_early(self, arrival: Arrival) -> bool:
        """Whether a file lacks the end that its format requires, if it requires one."""
        ending = Path(arrival.path).suffix.lower()
        if not arrival.size or (ending == ".parquet" and arrival.size < _LEAST_PARQUET_BYTES):
            return True
        if ending not in (".parquet", ".xlsx"):
            return False
        try:
            with self._plain_errors(), self._filesystem.open(arrival.path, "rb") as file:
                if ending == ".xlsx":
                    return not zipfile.is_zipfile(file)
                file.seek(-4, 2)
                return bool(file.read(4) != b"PAR1")
        except (SourceError, ValueError):
            return False  # reading it says what is wrong

    def _refuse_changed(self, before: Arrival) -> None:
        """Refuse a file that changed while it was read.

        Raises:
            SourceUnavailableError: if it is not the same as before.
        """
        try:
            after = self._arrival(before.path).mark
        except SnapshotMissingError:
            after = None
        if after != before.mark:
            raise SourceUnavailableError(
                f"{Path(before.path).name} changed while it was read; run the day again when it is "
                "complete."
            )

    def arrivals(self) -> dict[dt.date, Arrival]:
        """The existing files, by day."""
        self._check()
        # A pattern may lead into subfolders, such as one for each year.
        depth = self._keys.pattern.count("/") + 1
        with self._plain_errors():
            if depth > 1:
                names = f"{self._opened[1].rstrip('/')}/{_DATE.sub('*', self._keys.pattern)}"
                entries = list(self._filesystem.glob(names, detail=True).values())
            else:
                entries = self._filesystem.ls(self._opened[1], detail=True)
        arrivals = {}
        for entry in entries:
            date = self._date_of("/".join(entry["name"].split("/")[-depth:]))
            if date and entry.get("type") != "directory":
                arrivals[date] = Arrival.of(self.path(date), entry)
        return arrivals

    def content_of(self, arrival: Arrival) -> str:
        """A fingerprint of a file's content."""
        digest = hashlib.sha256()
        with self._plain_errors(), self._filesystem.open(arrival.path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()

    def is_whole(self, arrival: Arrival) -> bool:
        """Whether a file that has not changed since the last scan is complete."""
        return not self._ends_early(arrival)

    def dates(self) -> list[dt.date]:
        """The days that have a file, in order; a server that does not answer is tried again."""
        return sorted(retrying(self._settings)(self.arrivals))

    def probe(self, date: dt.date) -> Probe:
        """Read the beginning of the newest file."""
        days = sorted(self.arrivals())
        if not days:
            raise SourceError(
                f"source.url: {self._folder} has no file that matches {self._keys.pattern}; put "
                "the first one there, or correct source.pattern."
            )
        wanted = self._wanted()
        with self._open(days[-1], wanted) as extract:
            batches = list(islice((b.num_rows for b in extract.rows), _SAMPLE_BATCHES + 1))
        where = f"{self._folder}: {len(days)} days from {days[0]} to {days[-1]}"
        if wanted.notes:
            where += f" ({'; '.join(wanted.notes)})"
        rows = sum(batches[:_SAMPLE_BATCHES])
        return Probe(where, wanted.header, rows, is_all=len(batches) <= _SAMPLE_BATCHES)

    def _date_of(self, name: str) -> dt.date | None:
        # Text and forms of dates by turns; one of the forms may be a year alone.
        parts = _DATE.split(self._keys.pattern)
        texts, forms = parts[::2], parts[1::2]
        match = re.fullmatch("(.+?)".join(map(re.escape, texts)), name)
        for form, text in zip(forms, match.groups() if match else (), strict=False):
            try:
                date = dt.datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, not an instant
            except ValueError:
                continue
            if self._keys.name_for(date) == name:
                return date
        return None

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn failures of disks, servers and rights into plain errors, apart from bad snapshots."""
        try:
            yield
        except OSError as error:
            problem = what_is_wrong(error, self._folder)
        except Exception as error:
            # The packages behind fsspec raise errors of their own; all others are raised unchanged.
            if not is_of_a_driver(error):
                raise
            problem = what_is_wrong(error, self._folder)
        else:
            return
        if isinstance(problem, SourceUnavailableError):
            self._forget_connection()
        raise problem from None

    def _forget_connection(self) -> None:
        """Make the next try open a new connection."""
        self.__dict__.pop("_opened", None)
        if self._disconnect:
            self._disconnect()
