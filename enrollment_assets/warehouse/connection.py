"""Opens the DuckDB file: creates tables, loads terms, narrows rights, hides values in errors.

DuckDB lets one process write or many read, never both: connections are short, and runs that write take
the lock in `lock` first.
"""

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import filelock

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseBusyError, WarehouseError
from enrollment_assets.schema.catalog import tables
from enrollment_assets.support import progress
from enrollment_assets.support.files import PRIVATE_FILE, PRIVATE_FOLDER, make_private_folder
from enrollment_assets.warehouse.backup import damaged_path, is_damage, keep_copy, restore
from enrollment_assets.warehouse.lock import holder_file, holder_of, wait_seconds
from enrollment_assets.warehouse.tables import ensure_tables, ensure_views, has_all_tables
from enrollment_assets.warehouse.upgrades import (
    VERSION,
    forget_copies,
    refuse_newer,
    upgrade,
    version_of,
)

# dagster-duckdb connects with this; two connections of one process must agree on every setting.
_OPTIONS = {
    "custom_user_agent": "dagster",
    # Enough for a batch of a range run, whatever the length of the range; the rest goes to disk.
    "memory_limit": "500MB",
    # Each thread needs its share of that, and more threads would wait for the disk.
    "threads": str(min(os.cpu_count() or 1, 4)),
    "preserve_insertion_order": "false",
}

# How long a writer waits for others to close the file: readers keep it open for moments.
_WRITER_SECONDS = 30.0
# Who would not wait for another process waits this long for a thread of its own.
_MOMENT_SECONDS = 5.0

# What DuckDB says where two threads of a process, such as two sensors, open the file in different ways.
_OPEN_HERE = ("different configuration than existing connections", "Unique file handle conflict")

# Errors about the statement or the file; all others may quote a value.
_WITHOUT_VALUES = (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException)


@contextmanager
def plain_errors(doing: str) -> Iterator[None]:
    """Turn DuckDB's errors into ones that hold no value of a row.

    DuckDB quotes the value it could not convert, and Dagster writes every error into its event log.

    Raises:
        WarehouseError: with what was done and the kind of error.
    """
    try:
        yield
    except _WITHOUT_VALUES as error:
        raise WarehouseError(f"{doing}: {error}") from None
    except duckdb.Error as error:
        raise _without_values(doing, error) from None


def _without_values(doing: str, error: duckdb.Error) -> WarehouseError:
    """The error with only those parts of its text that are known to quote no value."""
    text = str(error)
    if any(sign in text for sign in _OPEN_HERE):
        return WarehouseBusyError(
            f"{doing}: this process has the warehouse open for something else; try again."
        )
    if "Could not set lock" in text or "Conflicting lock" in text:
        holder = re.search(r"PID (\d+)", text)
        which = f"another process ({holder[1]})" if holder else "another process"
        return WarehouseBusyError(
            f"{doing}: {which} has the warehouse open; close it, or wait and try again."
        )
    # A full disk shows in several kinds of errors, by commit or checkpoint.
    if "No space left" in text or "failed to offload data block" in text:
        return WarehouseError(
            f"{doing}: the disk is full; nothing was changed. Free some space and run this again."
        )
    if isinstance(error, duckdb.IOException):
        return WarehouseError(
            f"{doing}: reading or writing the disk failed ({text.splitlines()[0]}); nothing was "
            "changed."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return WarehouseError(
            f"{doing}: not enough memory or temporary disk space; nothing was changed. Free some "
            "and run this again."
        )
    return WarehouseError(
        f"{doing}: {type(error).__name__}; nothing was changed. The message may hold a student's "
        "data and is not shown."
    )


_turns: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)


@contextmanager
def taking_turns(path: Path, patience: float) -> Iterator[None]:
    """One thread at a time opens a file: sensors share the process of the code server.

    Raises:
        WarehouseBusyError: if another thread kept it open for longer than `patience` and a moment.
    """
    turn = _turns[path.absolute()]
    if not turn.acquire(timeout=patience + _MOMENT_SECONDS):
        raise WarehouseBusyError(f"Opening {path}: another thread has it open; try again.")
    try:
        yield
    finally:
        turn.release()


class Warehouse:
    """The warehouse of one configuration."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # A run that removed rows says so: the file is written anew once it is closed.
        self.is_to_be_compacted = False
        self._is_kept_open = False
        self._holder: duckdb.DuckDBPyConnection | None = None

    @property
    def path(self) -> Path:
        """The DuckDB file."""
        return self.settings.warehouse_path

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for writing, with all tables and the temporary table `terms`.

        Raises:
            WarehouseBusyError: if another process has it open.
            WarehouseError: if it cannot be opened.
        """
        make_private_folder(self.path.parent).chmod(PRIVATE_FOLDER)
        # DuckDB creates its files, including the write-ahead log, with the rights the mask allows.
        mask = os.umask(0o077)
        try:
            options = {**_OPTIONS, "temp_directory": str(self.path) + ".tmp"}
            with self._opened(self._patience(), config=options) as connection:
                self._narrow_rights()
                with plain_errors(f"Preparing {self.path}"):
                    if self._holder is None:
                        self._prepare(connection)
                    load_terms(connection, self.settings)
                if self._is_kept_open and self._holder is None:
                    self._holder = connection.cursor()
                yield connection
        finally:
            os.umask(mask)

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make what the file lacks, and bring it to this version."""
        version = version_of(connection)
        refuse_newer(version, self.path)
        ensure_tables(connection, self.settings)
        upgrade(connection, self.settings, self.path, version)
        # Rows that an upgrade stored in another way leave their space behind.
        self.is_to_be_compacted |= version is not None and version < VERSION
        ensure_views(connection, self.settings)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the file open between the connections of a run, from the first one on.

        Opening and closing it takes longer than most statements, and a run has dozens of steps.
        """
        self._is_kept_open = True
        try:
            yield
        finally:
            self._is_kept_open = False
            if self._holder is not None:
                self._holder.close()
                self._holder = None

    @contextmanager
    def read(self, patience: float | None = None) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """Open the file for a short read, or give None if it does not exist yet.

        Raises:
            WarehouseBusyError: if a writer kept it open for longer than `patience` (seconds), by
                default as long as writers wait for each other.
        """
        if patience is None:
            patience = wait_seconds()
        if not self.path.exists():
            yield None
            return
        with self._opened(patience, read_only=True) as connection:
            version = version_of(connection)
            refuse_newer(version, self.path)
            is_complete = version == VERSION and has_all_tables(connection, self.settings)
        if not is_complete:  # from an older version, or a first run that was killed
            with self.connect():
                pass
        with self._opened(patience, read_only=True) as connection:
            with plain_errors(f"Preparing {self.path}"):
                load_terms(connection, self.settings)
            yield connection

    @staticmethod
    def _patience() -> float:
        """How long the holder of the writer's lock waits for readers, in seconds."""
        return min(wait_seconds(_WRITER_SECONDS), _WRITER_SECONDS)

    @contextmanager
    def _opened(self, patience: float, **options: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file; short readers delay a writer but never fail it."""
        give_up = time.monotonic() + patience
        with taking_turns(self.path, patience):
            connection = self._connection(give_up, **options)
            try:
                yield connection
            finally:
                connection.close()

    def _connection(self, give_up: float, **options: Any) -> duckdb.DuckDBPyConnection:
        has_noted = False
        while True:
            try:
                with plain_errors(f"Opening {self.path}"):
                    return self._open_or_restore(**options)
            except WarehouseBusyError:
                if time.monotonic() > give_up:
                    raise
                if not has_noted and holder_file(self.path).exists():
                    progress.note(f"Waiting for {holder_of(self.path)}.")
                    has_noted = True
                time.sleep(0.1)

    def _open_or_restore(self, **options: Any) -> duckdb.DuckDBPyConnection:
        try:
            return duckdb.connect(self.path, **options)
        except duckdb.Error as error:
            if not is_damage(error):
                raise
        # Another process may have restored it already.
        with filelock.FileLock(self.path.with_suffix(".restore.lock"), mode=PRIVATE_FILE):
            try:
                return duckdb.connect(self.path, **options)
            except duckdb.Error as error:
                if not is_damage(error):
                    raise
                restore(self.path)
            return duckdb.connect(self.path, **options)

    def repair_after_crash(self) -> None:
        """Test every table after a run that died, and restore the copy if one is damaged."""
        try:
            with self._opened(self._patience(), read_only=True) as connection:
                for table in tables(self.settings).values():
                    if table.is_daily_view:
                        continue
                    connection.execute(
                        f"SELECT count(*) FROM pragma_storage_info('{table.relation}')"
                    ).fetchall()
        except duckdb.CatalogException:
            return  # a first run that died before the table was created
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            restore(self.path)

    def keep_copy(self) -> None:
        """Copy the file as it is now, while nobody has it open."""
        if Path(f"{self.path}.wal").exists():
            with self.connect() as connection:
                connection.execute("CHECKPOINT")
        keep_copy(self.path)

    def forget_old_files(self) -> None:
        """Remove the damaged file that a copy replaced, and copies from before upgrades.

        They may hold data that was pruned since.
        """
        damaged_path(self.path).unlink(missing_ok=True)
        forget_copies(self.path)

    def _narrow_rights(self) -> None:
        """Narrow the rights of files that were created by others, or under another mask."""
        for path in (self.path, Path(f"{self.path}.wal")):
            with suppress(FileNotFoundError):
                os.chmod(path, PRIVATE_FILE)  # noqa: PTH101 - the same call for both


def load_terms(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Load the configured terms, their open days, the calendar and what was pruned.

    The temporary tables `terms`, `open_days`, `calendar` and `frozen` live as long as the connection.
    Changes and segments of a term up to its day in `frozen` cannot be computed again, and are final.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE terms (code VARCHAR, name VARCHAR, registration_opens DATE, "
        "starts DATE, census DATE, ends DATE, comparison VARCHAR)"
    )
    connection.executemany(
        "INSERT INTO terms VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            [t.code, t.label, t.registration_opens, t.starts, t.census, t.ends, t.comparison]
            for t in settings.terms
        ],
    )
    # A join on the day is twice as fast as comparing every row with its term's bounds.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE open_days AS SELECT code, "
        "unnest(generate_series(registration_opens, ends, INTERVAL 1 DAY))::DATE AS snapshot_date "
        "FROM terms"
    )
    # Closures have no name.
    days = {(day, None) for day in settings.calendar.closures}
    named = {(event.date, event.name) for event in settings.calendar.events}
    connection.execute("CREATE OR REPLACE TEMP TABLE calendar (date DATE, name VARCHAR)")
    if days or named:
        connection.executemany("INSERT INTO calendar VALUES (?, ?)", [*days, *named])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE frozen AS SELECT term, max(kept_from) AS kept_from "
        "FROM operations.pruned_snapshots GROUP BY term"
    )
