"""Whether a day's figures are current and its snapshot on time: pure functions."""

import datetime as dt
from collections.abc import Mapping, Sequence

from enrollment_assets.pipeline.findings import Finding


def baseline_is_current(
    day: dt.date, stale: Mapping[dt.date, Sequence[str]], *, is_restated_next: bool = False
) -> Finding:
    """The day's figures are current: they follow from the accepted snapshots.

    A day that another one has just made stale `is_restated_next`: that is worth only a warning.
    """
    terms = stale.get(day, [])
    figures = {"stale_terms": ", ".join(terms)} if terms else {}
    return Finding("baseline_is_current", not terms, is_error=not is_restated_next, figures=figures)


def snapshot_on_time(status: str | None, *, is_awaited: bool) -> Finding:
    """The day's snapshot was loaded, if it is still awaited: a backfilled day is never late.

    `status` is that of the day's newest run, None if there was no run.
    """
    is_loaded = status in ("accepted", "nothing expected")
    figures = {"status": status or "no run has loaded it"}
    return Finding("snapshot_on_time", is_loaded or not is_awaited, is_error=True, figures=figures)
