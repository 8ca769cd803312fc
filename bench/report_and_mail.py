"""What people get each morning, once the figures stand: charts, page, list of reports, mail, exports.

The example's university is built and taken in; then each step is timed in a process of its own that has
loaded nothing before. The mail goes to a server on loopback that takes everything. Aim: report, charts
and mail of a day in 4 s, a page under 600 KB.

Usage: python bench/report_and_mail.py [--keep folder]
"""

import argparse
import datetime as dt
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml
from common import make_home, measure

from enrollment_assets.cli import example
from enrollment_assets.config import Settings, load_settings

CHECKOUT = Path(__file__).resolve().parents[1]
LARGEST_PAGE = 600_000


def build(folder: Path) -> Path:
    """The example's configuration and snapshots in a folder of their own."""
    content = yaml.safe_load((CHECKOUT / "enrollment.yaml").read_text(encoding="utf-8"))
    content["data_dir"] = "data"
    content["source"]["url"] = "snapshots"
    config = folder / "enrollment.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    if not (folder / "snapshots").exists():
        example.generate(load_settings(config), folder / "snapshots", until=example.UNTIL)
    return config


def time_steps(settings: Settings, days: list[dt.date]) -> dict[str, float]:
    """Seconds of each step on each day; the first day loads the packages."""
    from enrollment_assets.publishing.exports.files import publish
    from enrollment_assets.publishing.mail.delivery import mail_report
    from enrollment_assets.publishing.reports.daily import publish_day
    from enrollment_assets.publishing.reports.site import refresh_site
    from enrollment_assets.warehouse.connection import Warehouse

    found: dict[str, float] = {}

    def timed(name: str, step: Callable[[], object]) -> None:
        start = time.perf_counter()
        step()
        found[name] = time.perf_counter() - start

    warehouse = Warehouse(settings)
    with warehouse.kept_open(), warehouse.connect() as connection:
        for day in days:
            timed(f"{day}: charts and page", partial(publish_day, connection, settings, day))
            timed(f"{day}: list of reports", partial(refresh_site, connection, settings))
            send = partial(mail_report, run_id="bench", job="bench")
            timed(f"{day}: mail", partial(send, connection, settings, day))
        timed("all exports", lambda: publish(connection, settings, taken_by="bench"))
    return found


@contextmanager
def mail_server() -> Iterator[str]:
    """A server on loopback that takes every mail; its address."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


def mailing(address: str) -> dict[str, str]:
    """The environment in which one person is mailed who has not been mailed before."""
    recipient = f"dean-{time.time_ns()}@example.edu"
    email = {"enabled": True, "from": "registrar@example.edu", "recipients": [recipient]}
    return {"SMTP_URL": address, "ENROLLMENT__EMAIL": json.dumps(email)}


def main() -> None:
    """Build, take in, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keep", type=Path, default=None, help="Folder to build in, and use again")
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    until = example.UNTIL
    days = [until - dt.timedelta(1), until]
    if options.measure:
        print(json.dumps(time_steps(load_settings(options.measure), days)))
        return
    with tempfile.TemporaryDirectory() as text:
        folder = options.keep or Path(text)
        folder.mkdir(parents=True, exist_ok=True)
        config = build(folder)
        settings = load_settings(config)
        if not settings.warehouse_path.exists():
            environment = {"ENROLLMENT_CONFIG": str(config), "DAGSTER_HOME": str(make_home(folder))}
            command = [sys.executable, "-m", "enrollment_assets.cli.main", "backfill"]
            span = ["--from", str(settings.start_date), "--to", str(until)]
            measure([*command, *span], **environment)
        with mail_server() as address:
            runs = [
                measure([sys.executable, __file__, "--measure", str(config)], **mailing(address))
                for _ in range(3)
            ]
        page = (settings.report_path(until) / "report.html").stat().st_size
    print("| step | " + " | ".join(f"seconds, run {n}" for n in (1, 2, 3)) + " |")
    print("|---|---|---|---|")
    for name in runs[0].result:
        print(f"| {name} | " + " | ".join(f"{run.result[name]:.2f}" for run in runs) + " |")
    print("| process, all in | " + " | ".join(f"{run.seconds:.2f}" for run in runs) + " |")
    print(f"\nPage: {page:,} bytes ({LARGEST_PAGE:,} at most). Peak: {runs[0].megabytes:.0f} MB.")


if __name__ == "__main__":
    main()
