"""The command that serves reports and API: serve."""

import click

from enrollment_assets.cli.printing import console
from enrollment_assets.config import load_settings
from enrollment_assets.publishing.serving.server import serve as serve_on


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8350,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
def serve(host: str, port: int) -> None:
    """Serve the reports and a read-only JSON API.

    The API reads the exports. Press Ctrl-C to stop.
    """

    def show(address: str) -> None:
        console.print(f"Reports: {address}/  API: {address}/docs  Press Ctrl-C to stop.")

    serve_on(load_settings(), host, port, show)
