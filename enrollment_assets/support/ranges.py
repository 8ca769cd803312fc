"""Days as ranges: to restate them, and to show them."""

import datetime as dt
from collections.abc import Sequence

# Stale days that are further apart are restated in ranges of their own.
_GAP_DAYS = 14
# A longer list of ranges is cut.
_MOST_SHOWN = 12


def as_ranges(days: Sequence[dt.date], gap_days: int = _GAP_DAYS) -> list[tuple[dt.date, dt.date]]:
    """Ranges (first and last day) that cover all these days, in order, further apart than the gap."""
    ranges: list[tuple[dt.date, dt.date]] = []
    for day in sorted(days):
        if ranges and (day - ranges[-1][1]).days <= gap_days:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def ranges(days: list[dt.date]) -> str:
    """Days as ranges: 2026-01-05, 2026-02-01 to 2026-02-07."""
    parts: list[list[dt.date]] = []
    for day in sorted(days):
        if parts and (day - parts[-1][-1]).days == 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    shown = [
        str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}"
        for part in parts[:_MOST_SHOWN]
    ]
    more = f" and {len(parts) - _MOST_SHOWN} more" if len(parts) > _MOST_SHOWN else ""
    return ", ".join(shown) + more
