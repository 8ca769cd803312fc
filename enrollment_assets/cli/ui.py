"""The command that opens Dagster's own interface: ui."""

import os
import signal
import sys

import click

from enrollment_assets.cli.printing import console
from enrollment_assets.config import load_settings
from enrollment_assets.config.environment import CONFIG_VARIABLE
from enrollment_assets.config.instance_home import file_for
from enrollment_assets.orchestration.instance import prepare_home

WORKSPACE = "workspace.yaml"
# It advises another program for the same, which comes with some thirty packages.
_NO_ADVICE = "ignore:Function `dev_command` is superseded"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    help="Port to listen on.",
)
def ui(host: str, port: int) -> None:
    """Open Dagster's interface, with the daemon that runs the schedule.

    It shows the runs of the commands, too. Press Ctrl-C to stop.
    """
    settings = load_settings()
    home = prepare_home(settings)
    workspace = file_for(settings.base, WORKSPACE)
    if host not in _LOOPBACK:
        console.print(f"Dagster has no login: anybody who reaches {host} can start runs.")
    console.print(f"Dagster: http://{host}:{port}/  History: {home}  Press Ctrl-C to stop.")
    os.environ[CONFIG_VARIABLE] = str(settings.path)
    # Where a dagster.yaml lies that is not the instance's, Dagster warns of it.
    os.chdir(home)
    # A shell script's background processes ignore Ctrl-C, and so would all of Dagster's.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = ["--host", host, "--port", str(port), "--workspace", str(workspace)]
    command = [sys.executable, "-W", _NO_ADVICE, "-m", "dagster", "dev", *options]
    os.execv(sys.executable, command)  # noqa: S606 - this very Python, and no shell
