"""A folder of any file system: files in it, whether they are still being written, plain errors."""

import os
import re
import stat
import tempfile
import time
import unicodedata
import weakref
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

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
from enrollment_assets.sources.filesystems import connect, expanded
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
_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_CONNECT_SECONDS = 30
# A Parquet file has at least its magic bytes and the length of its footer.
_LEAST_PARQUET_BYTES = 12
# A file that ends too early is waited for this many times as long as one that looks whole.
_PATIENCE = 12


def refuse_special(path: Path, folder: Path) -> None:
    """Refuse what is no file of this folder: opening a pipe would wait for ever.

    Raises:
        FileNotFoundError: if it is not there.
        SnapshotUnreadableError: if it is a pipe, a device, a socket or a link that leads elsewhere.
    """
    mode = path.stat().st_mode
    what = next((words for test, words in _SPECIAL if test(mode)), None)
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        what = "a link that leads out of the folder"
    if what:
        raise SnapshotUnreadableError(f"{path.name} is {what}; replace it by a file.")


class Folder:
    """The folder of `source.url`."""

    def __init__(self, settings: Settings, keys: FilesKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._disconnect: Callable[[], object] | None = None

    @cached_property
    def _url(self) -> str:
        url = expand(self._keys.url, "source.url")
        return url if "://" in url else str((self._settings.base / url).resolve())

    @cached_property
    def protocol(self) -> str:
        """The protocol of the address; `file` for a path."""
        return self._url.partition("://")[0] if "://" in self._url else "file"

    @cached_property
    def shown(self) -> str:
        """The folder as messages and the log may name it: without a user or a password."""
        head, mark, rest = self._url.partition("://")
        return f"{head}{mark}{rest.rpartition('@')[2]}" if mark else head

    @cached_property
    def opened(self) -> tuple[Any, str]:
        """The file system, and the folder's path on it; some connect as soon as they are made."""
        options = expanded(self._keys.options, "source.options")
        if self.protocol in _SFTP:
            options = {
                "connect_timeout": _CONNECT_SECONDS,
                # A silent server is given up after about four of these.
                "keepalive_interval": min(_CONNECT_SECONDS, self._keys.timeout_seconds / 4),
                # Those of ~/.ssh; without this key, sshfs trusts any server.
                "known_hosts": (),
                **options,
            }
        try:
            with self.plain_errors(), self._as_configured():
                filesystem, folder = connect(self._url, options)
        except ImportError:
            extra = _EXTRAS.get(self.protocol)
            install = f": .venv/bin/pip install -e '.[{extra}]'" if extra else ""
            raise SourceError(
                f"source.url: {self.protocol}:// needs a package that is not installed{install}."
            ) from None
        if self.protocol in _SFTP:
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
                f"source.url: {self.protocol}:// addresses are not supported, or not with these "
                f"source.options{which}; correct one of the two."
            ) from None

    @property
    def filesystem(self) -> Any:
        """The file system that the folder is on."""
        return self.opened[0]

    def check(self) -> None:
        """Make sure that the folder exists; a server that does not answer is tried again."""
        retrying(self._settings)(self.check_once)

    def check_once(self) -> None:
        """Make sure that the folder exists, in one try."""
        with self.plain_errors():
            filesystem, folder = self.opened
            filesystem.invalidate_cache()
            if not self._is_folder(filesystem, folder):
                raise SourceError(
                    f"source.url: the folder {self.shown} does not exist; correct the path, or "
                    "create the folder and put the first snapshot in it."
                )

    def entries(self, glob: str | None, is_wanted: Callable[[str], bool]) -> list[dict[str, Any]]:
        """What is in the folder, or fits a glob below it, and is wanted by its path."""
        with self.plain_errors():
            filesystem, folder = self.opened
            filesystem.invalidate_cache()
            if glob:
                found = filesystem.glob(f"{folder.rstrip('/')}/{glob}", detail=True)
                return [entry for path, entry in found.items() if is_wanted(path)]
            if self.protocol == "file":
                # A folder may hold very many other files: only those that are wanted are looked at.
                paths = [f"{folder.rstrip('/')}/{name}" for name in os.listdir(folder)]  # noqa: PTH208 - names alone
                return [filesystem.info(path) for path in paths if is_wanted(path)]
            return [one for one in filesystem.ls(folder, detail=True) if is_wanted(one["name"])]

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

    @contextmanager
    def local(self, arrival: Arrival) -> Iterator[IO[bytes]]:
        """The file, opened; a remote one is first copied into a temporary file."""
        name = Path(arrival.path).name
        try:
            file = self.filesystem.open(arrival.path, "rb")
        except FileNotFoundError:
            raise self.missing(name) from None
        except IsADirectoryError:
            raise SnapshotUnreadableError(f"{name} is a folder; replace it by a file.") from None
        except Exception as error:
            if not is_refused(error):
                raise
            raise SnapshotUnreadableError(
                f"This user may not read {name}; grant the right to."
            ) from None
        with file:
            if self.protocol == "file":
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

    def missing(self, name: str) -> SnapshotMissingError:
        """The error of a file that is not there; it names one that a person may have meant."""
        alike = self._named_alike(name)
        if alike:
            return SnapshotMissingError(
                f"{name} is not in {self.shown}, but {alike} is, whose name differs in capitals or "
                "in how an accented letter is written; rename it, or correct source.pattern."
            )
        return SnapshotMissingError(
            f"{name} is not in {self.shown}; put it there and run the day again."
        )

    def _named_alike(self, name: str) -> str | None:
        """A file that a person would read as having this name."""
        try:
            names = [
                Path(entry["name"]).name
                for entry in self.filesystem.ls(self.opened[1], detail=True)
            ]
        except OSError:  # the folder itself is not there, which others say
            return None

        def plain(text: str) -> str:
            return unicodedata.normalize("NFC", text).casefold()

        return next((there for there in names if plain(there) == plain(name)), None)

    def arrival(self, path: str) -> Arrival:
        """The file as it is now."""
        with self.plain_errors():
            self.filesystem.invalidate_cache()
            try:
                if self.protocol == "file":
                    refuse_special(Path(path), Path(self.opened[1]))
                return Arrival.of(path, self.filesystem.info(path))
            except FileNotFoundError:
                raise self.missing(Path(path).name) from None

    def when_whole(self, path: str) -> Arrival:
        """The file as it is once it has not changed for a while.

        Raises:
            SourceUnavailableError: if it keeps changing.
        """
        before = self.arrival(path)
        settle = self._keys.settle_seconds
        if not settle or self.protocol in _APPEAR_WHOLE or before.modified is None:
            return before
        started = since = time.monotonic()
        while True:
            is_whole = self._is_settled(before, time.monotonic() - since)
            # The mark is read before and after the test: if it is the same, so is the content.
            after = self.arrival(path)
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
        if self.ends_early(arrival):
            return age > settle * _PATIENCE
        return watched >= settle or age > (settle if self.protocol == "file" else CLOCK_SECONDS)

    def ends_early(self, arrival: Arrival) -> bool:
        """Whether a file lacks the end that its format requires, if it requires one."""
        if arrival.is_special:
            return False  # reading it says what it is
        ending = Path(arrival.path).suffix.lower()
        if not arrival.size or (ending == ".parquet" and arrival.size < _LEAST_PARQUET_BYTES):
            return True
        if ending not in (".parquet", ".xlsx"):
            return False
        try:
            with self.plain_errors(), self.filesystem.open(arrival.path, "rb") as file:
                if ending == ".xlsx":
                    return not zipfile.is_zipfile(file)
                file.seek(-4, 2)
                return bool(file.read(4) != b"PAR1")
        except (SourceError, ValueError):
            return False  # reading it says what is wrong

    def refuse_changed(self, before: Arrival) -> None:
        """Refuse a file that changed while it was read.

        Raises:
            SourceUnavailableError: if it is not the same as before.
        """
        try:
            after = self.arrival(before.path).mark
        except SnapshotMissingError:
            after = None
        if after != before.mark:
            raise SourceUnavailableError(
                f"{Path(before.path).name} changed while it was read; run the day again when it is "
                "complete."
            )

    @contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Turn failures of disks, servers and rights into plain errors, apart from bad snapshots."""
        try:
            yield
        except OSError as error:
            problem = what_is_wrong(error, self.shown)
        except Exception as error:
            # The packages behind fsspec raise errors of their own; all others are raised unchanged.
            if not is_of_a_driver(error):
                raise
            problem = what_is_wrong(error, self.shown)
        else:
            return
        if isinstance(problem, SourceUnavailableError):
            self._forget_connection()
        raise problem from None

    def _forget_connection(self) -> None:
        """Make the next try open a new connection."""
        self.__dict__.pop("opened", None)
        if self._disconnect:
            self._disconnect()
