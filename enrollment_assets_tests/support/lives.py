"""What runs in processes of its own, so that a test can kill it. Keep imports at the top: the fork server
loads this module once, and each process starts from there."""

import datetime as dt
import os
from multiprocessing.connection import Connection
from pathlib import Path

import dagster  # noqa: F401 - loaded once for all processes

from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.names import CORE


def run_days(config: Path, home: Path, pipe: Connection) -> None:
    """Run the day that comes through the pipe, answer with what failed, and wait for the next one."""
    os.environ["DAGSTER_HOME"] = str(home)
    while True:
        day: dt.date = pipe.recv()
        pipe.send("begins")
        outcome = execute_and_restate(load_settings(config), CORE, day, day)
        pipe.send(outcome.failures)
