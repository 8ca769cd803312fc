"""One writer at a time: a file lock beside the warehouse.

The operating system releases the lock of a process that is killed. A file beside it names the
holder, so that waiting processes can say what they wait for.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from enrollment_assets.errors import ConfigurationError, WarehouseBusyError
from enrollment_assets.support import progress
from enrollment_assets.support.files import make_private_folder

# How long to wait for a writer: a range run over several years takes minutes, and a longer wait needs a
# person. The variable overrides it.
WAIT_SECONDS = 900.0
WAIT_VARIABLE = "ENROLLMENT_LOCK_WAIT_SECONDS"


def wait_seconds(default: float = WAIT_SECONDS) -> float:
    """How long to wait for others that hold the file, in seconds.

    Raises:
        ConfigurationError: if the variable is not a number.
    """
    text = os.environ.get(WAIT_VARIABLE, str(default))
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(
            f"{WAIT_VARIABLE} is {text!r}; set it to a number of seconds."
        ) from None


def holder_file(warehouse: Path) -> Path:
    """The file in which the holder of the lock says who it is."""
    return warehouse.with_suffix(".lock.json")


def holder_of(warehouse: Path) -> str:
    """A description of who is writing."""
    try:
        holder = json.loads(holder_file(warehouse).read_text())
        return f"{holder['doing']} (process {holder['pid']})"
    except (OSError, ValueError, KeyError):
        return "another process"


@contextmanager
def writer_lock(
    warehouse: Path,
    doing: str,
    *,
    notify: Callable[[str], None] = progress.note,
    wait: float | None = None,
) -> Iterator[bool]:
    """Hold the lock for writing into the warehouse; wait a bounded time for it (seconds).

    Gives whether the previous holder died with it. `notify` gets a message if there is a wait.

    Raises:
        WarehouseBusyError: if another writer kept it; the message says which.
    """
    wait = wait_seconds() if wait is None else wait
    make_private_folder(warehouse.parent)
    path = warehouse.with_suffix(".lock")
    holder = holder_file(warehouse)
    lock = filelock.FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        notify(f"Waiting for {holder_of(warehouse)}.")
        try:
            lock.acquire(timeout=wait, poll_interval=0.2)
        except filelock.Timeout:
            raise WarehouseBusyError(
                f"{warehouse} is still being written by {holder_of(warehouse)} after {wait:.0f} s; "
                f"wait for it or stop it, and run this again ({WAIT_VARIABLE} sets the wait)."
            ) from None
    has_died = holder.exists()
    try:
        with suppress(
            OSError
        ):  # the holder file is only informative; a full disk must not end the run
            holder.write_text(json.dumps({"pid": os.getpid(), "doing": doing}))
            holder.chmod(0o600)
        yield has_died
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()
