"""Whether a day's figures are current and there in time: pure functions."""

import datetime as dt
from collections.abc import Mapping, Sequence

from enrollment_assets.pipeline.findings import Finding


def baseline_is_current(
    day: dt.date, stale: Mapping[dt.date, Sequence[str]], *, is_restated_next: bool = False
) -> Finding:
    """The day's figures follow from the snapshots that stand now.

    A day that another one has just made stale `is_restated_next`: that is worth a warning.
    """
    terms = stale.get(day, [])
    figures = {"stale_terms": ", ".join(terms)} if terms else {}
    return Finding("baseline_is_current", not terms, is_error=not is_restated_next, figures=figures)


def snapshot_on_time(status: str | None, *, is_awaited: bool) -> Finding:
    """The day's snapshot was taken in; `status` is what its newest run says, None if there is none."""
    there = status in ("accepted", "nothing expected")
    figures = {"status": status or "no run took it in"}
    return Finding("snapshot_on_time", there, is_error=is_awaited, figures=figures)
