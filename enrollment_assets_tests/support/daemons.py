"""A real daemon in a process group of its own, and what is asked of it."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.utils import make_new_backfill_id

from enrollment_assets_tests.conftest import CHECKOUT

# A run that dies before its process has begun is closed after start_timeout_seconds, 180.
PATIENCE = 480
_SHOWN_LINES = 300


def wait_until(condition, what, patience=PATIENCE, shown=lambda: ""):
    """Wait for a condition; `shown` is what a failure shows of the state."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {patience} s; {shown()}"
        time.sleep(0.5)


@contextmanager
def daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon with its code server, in a process group of its own."""
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("dagster-daemon"),
                "run",
                "-w",
                CHECKOUT / "workspace.yaml",
            ],
            cwd=CHECKOUT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    except AssertionError:  # a failed test shows what the daemon was doing
        shown = (folder / "daemon.log").read_text().splitlines()[-_SHOWN_LINES:]
        sys.stdout.write("\n".join(shown))
        raise
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        kill_all(process)


def kill_all(process):
    """Kill a daemon with its code servers and their runs, as a power cut would."""
    for child in psutil.process_iter(["pid"]):
        with suppress(psutil.Error):
            if os.getsid(child.pid) == process.pid:
                child.kill()


def ask_for_backfill(instance, graph, first, last, assets):
    """What a click on Materialize in the UI asks for."""
    days = [(first + dt.timedelta(n)).isoformat() for n in range((last - first).days + 1)]
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=graph,
        partition_names=days,
        asset_selection=[dg.AssetKey(name) for name in assets],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id
