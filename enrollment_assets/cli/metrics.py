"""The command for people who write metrics: metric."""

import datetime as dt
import traceback

import click

from enrollment_assets.cli.options import Day, check_days
from enrollment_assets.cli.printing import console, plain
from enrollment_assets.config import load_settings
from enrollment_assets.errors import EnrollmentError
from enrollment_assets.pipeline.custom.compute import preview

_MOST_ROWS = 50


@click.command()
@click.argument("name")
@click.option("--date", "day", type=Day(), required=True, help="Day to compute it for.")
def metric(name: str, day: dt.date) -> None:
    """Compute a custom metric for one day and show its rows.

    Nothing is stored. Errors are shown in full, with their place in your file, and may quote a
    student's data.
    """
    settings = load_settings()
    check_days(settings, day)
    try:
        rows = preview(settings, name, day)
    except EnrollmentError:
        raise
    except Exception as error:  # noqa: BLE001 - custom code may raise anything
        console.print(plain("".join(traceback.format_exception(error)).rstrip()))
        raise SystemExit(1) from None
    console.print(plain(rows.to_string(max_rows=_MOST_ROWS, index=False)))
    console.print(f"{len(rows):,} rows; nothing was stored.")
