"""One writer at a time: a file lock beside the warehouse, and the end of runs that died with it.

The operating system releases the lock of a process that is killed. Who holds it is written beside
it, so that those who wait can say for whom.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import filelock
import psutil

from enrollment_assets import progress
from enrollment_assets.errors import WarehouseBusyError
from enrollment_assets.jobs import CORE, DAILY, REPORTS, RESTATE
from enrollment_assets.warehouse.connection import (
    WAIT_VARIABLE,
    holder_file,
    holder_of,
    make_private_folder,
    wait_seconds,
)

_CLOCK_SECONDS = 60
# A run tags itself with its process within moments; one that never did, for so long, is dead.
_UNMARKED_SECONDS = 900
# Dagster's own name for the job of a backfill or of a click on Materialize.
_ASSET_JOB = "__ASSET_JOB"
_JOBS = (DAILY, CORE, REPORTS, RESTATE, _ASSET_JOB)

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_PROCESS_TAG = "enrollment/process"


@contextmanager
def writer_lock(
    warehouse: Path,
    doing: str,
    *,
    tell: Callable[[str], None] = progress.note,
    wait: float | None = None,
) -> Iterator[bool]:
    """Hold the right to write into the warehouse; wait a bounded time for it (seconds).

    Gives whether the one who held it before died with it.

    `tell` hears for whom, if there is anybody to wait for.

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
        tell(f"Waiting for {holder_of(warehouse)}.")
        try:
            lock.acquire(timeout=wait, poll_interval=0.2)
        except filelock.Timeout:
            raise WarehouseBusyError(
                f"{warehouse} is being written by {holder_of(warehouse)}; waited {wait:.0f} s. Wait "
                f"for it, or stop it, and run this again ({WAIT_VARIABLE} sets the wait)."
            ) from None
    has_died = holder.exists()
    try:
        with suppress(OSError):  # who holds it is only told; a full disk must not end the run here
            holder.write_text(json.dumps({"pid": os.getpid(), "doing": doing}))
            holder.chmod(0o600)
        yield has_died
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def process_tags() -> dict[str, str]:
    """Tags that tell later which process a run lived in."""
    process = psutil.Process()
    mark = f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}"
    return {_PROCESS_TAG: mark}


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process on this machine is gone; their ids come back.

    A killed run stays "started" in Dagster, and keeps its place in the queue, for ever.
    """
    waiting = dg.DagsterRunStatus.QUEUED
    unfinished = instance.get_run_records(
        dg.RunsFilter(statuses=[status for status in UNFINISHED if status is not waiting])
    )
    closed = []
    for record in unfinished:
        run = record.dagster_run
        mark = run.tags.get(_PROCESS_TAG)
        if _is_dead(mark) if mark else _is_unmarked(record):
            instance.report_run_failed(
                run, "The process of this run ended without a word; nothing is half written."
            )
            closed.append(run.run_id)
    return closed


def _is_unmarked(record: dg.RunRecord) -> bool:
    """Whether a run of a job of this project began long ago and never said in which process."""
    return (
        record.dagster_run.job_name in _JOBS
        and record.start_time is not None
        and time.time() - record.start_time > _UNMARKED_SECONDS
    )


def _is_dead(mark: str) -> bool:
    host, pid, created = mark.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    try:
        # A clock that is set moves all times of creation a little.
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return True
