"""The command that opens Dagster's own interface: ui."""

import os
import sys

import click

from enrollment_assets.cli.printing import console
from enrollment_assets.config import load_settings
from enrollment_assets.config.environment import CONFIG_VARIABLE
from enrollment_assets.config.instance_home import file_for
from enrollment_assets.orchestration.instance import prepare_home

WORKSPACE = "workspace.yaml"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True)
def ui(host: str, port: int) -> None:
    """Open Dagster's interface, with the daemon that runs the schedule.

    Until Ctrl-C. It shows what the commands did, and runs in the same folder.
    """
    settings = load_settings()
    home = prepare_home(settings)
    workspace = file_for(settings.base, WORKSPACE)
    if host not in _LOOPBACK:
        console.print(f"Dagster has no login: whoever reaches {host} can start runs.")
    console.print(f"Dagster: http://{host}:{port}/  History: {home}  Press Ctrl-C to stop.")
    os.environ[CONFIG_VARIABLE] = str(settings.path)
    os.chdir(settings.base)
    options = ["--host", host, "--port", str(port), "--workspace", str(workspace)]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", "dev", *options])  # noqa: S606
