"""Which runs of Dagster died with their process, and why runs failed."""

import socket
import time
from collections.abc import Iterable
from typing import Any

import dagster as dg
import psutil

from enrollment_assets.pipeline.names import BACKFILL, CLOSED_TAG, DAILY, REPORTS

_CLOCK_SECONDS = 60
# A run tags itself with its process within moments; one that never did, for so long, is dead.
_UNMARKED_SECONDS = 900
# Dagster's own name for the job of a backfill or of a click on Materialize.
_ASSET_JOB = "__ASSET_JOB"
_JOBS = (DAILY, BACKFILL, REPORTS, _ASSET_JOB)

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_PROCESS_TAG = "enrollment/process"


def process_tags() -> dict[str, str]:
    """Tags that record which process a run lives in."""
    process = psutil.Process()
    mark = f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}"
    return {_PROCESS_TAG: mark}


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process on this machine is gone; returns their ids.

    A killed run stays "started" in Dagster, and keeps its place in the queue, for ever.
    """
    waiting = dg.DagsterRunStatus.QUEUED
    unfinished = instance.get_run_records(
        dg.RunsFilter(statuses=[status for status in UNFINISHED if status is not waiting])
    )
    closed = []
    for record in unfinished:
        run = record.dagster_run
        mark = _own_mark(instance, run)
        if _is_dead(mark) if mark else _is_unmarked(record):
            instance.add_run_tags(run.run_id, {CLOSED_TAG: "true"})
            instance.report_run_failed(
                run, "The process of this run died; no day was left half-written."
            )
            closed.append(run.run_id)
    return closed


def _own_mark(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The process of a run; one that was begun again has the tags of the run before it at first."""
    mark = run.tags.get(_PROCESS_TAG)
    before = instance.get_run_by_id(run.parent_run_id) if mark and run.parent_run_id else None
    return None if before and before.tags.get(_PROCESS_TAG) == mark else mark


def _is_unmarked(record: dg.RunRecord) -> bool:
    """Whether a run of this project's jobs began long ago and never recorded its process."""
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


def failures(events: Iterable[dg.DagsterEvent]) -> list[str]:
    """Why a run failed: the messages of its errors."""
    messages: list[str] = []
    for event in events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                messages.append(data.user_failure_data.description)
            else:
                messages.append(_message(data.error, event.step_key))
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE and not messages:
            # Empty for a run that was closed from outside, such as one whose process was killed.
            ended = event.job_failure_data
            error = ended.error if ended else None
            messages.append(_message(error, None) if error else str(event.message))
    return messages


def _message(error: Any, step: str | None) -> str:
    """The innermost error's own message; the stack is in the UI."""
    while error is not None and error.cause is not None:
        error = error.cause
    where = f" in step {step}" if step else ""
    if error is None:
        return f"The run failed{where} without a message."
    kind, _, message = error.message.strip().partition(": ")
    if kind.startswith("enrollment_assets.errors."):
        return str(message)
    return f"Unexpected error{where}: {error.message.strip()}"
