"""Which days have a file that no run has read yet: the landing sensor's decision, without Dagster."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from enrollment_assets.config import Settings
from enrollment_assets.sources.arrivals import CLOCK_SECONDS, Arrival

# A file of an earlier day is history: `enrollment backfill` loads it.
DAYS_BACK = 14


@dataclass(frozen=True)
class Seen:
    """What the last scan saw of a day's file.

    `mark` is empty while a file that existed is gone; `is_decided` says whether this mark was
    decided on, `content` which content ran. `read_before` is when a run had last read the day, at
    the time this mark replaced another one (seconds since 1970).
    """

    mark: str
    is_decided: bool = False
    content: str | None = None
    read_before: float | None = None


@dataclass
class Landed:
    """The days to run, with a key of what their files hold now, and what to remember.

    Content that comes back after a different one gets a new key.
    """

    contents: dict[dt.date, str] = field(default_factory=dict)
    seen: dict[dt.date, Seen] = field(default_factory=dict)


def find_landed(
    settings: Settings,
    today: dt.date,
    arrivals: Mapping[dt.date, Arrival],
    before: Mapping[dt.date, Seen] | None,
    *,
    is_whole: Callable[[Arrival], bool],
    content_of: Callable[[Arrival], str],
    last_read: Callable[[dt.date], float | None],
) -> Landed:
    """Find the days to run: their file has settled, and holds something that no run has read.

    `before` is what the last scan saw; at the very first scan it is None, and older files are not new.
    `last_read` says when a run last read the day's file (seconds since 1970).
    """
    landed = Landed()
    for day in sorted({*arrivals, *(before or {})}):
        age = (today - day).days
        if not 0 <= age <= DAYS_BACK or settings.why_no_snapshot(day):
            continue
        arrival = arrivals.get(day)
        known = before.get(day) if before else None
        if arrival is None:
            # Some writers remove the old file before they write the new one.
            if known:
                landed.seen[day] = Seen("", content=known.content)
        elif before is None:
            landed.seen[day] = Seen(arrival.mark, is_decided=age > 0)
        elif known is None:
            landed.seen[day] = Seen(arrival.mark)
        elif known.mark != arrival.mark:
            # It may still be being written: it counts once two scans see it unchanged.
            landed.seen[day] = Seen(arrival.mark, False, known.content, last_read(day))
        elif known.is_decided or not is_whole(arrival):
            landed.seen[day] = known
        else:
            content = content_of(arrival)
            landed.seen[day] = replace(known, is_decided=True, content=content)
            if content != known.content and not _was_read(arrival, known, last_read(day)):
                landed.contents[day] = f"{content} {known.read_before or 0:.0f}"
    return landed


def _was_read(arrival: Arrival, known: Seen, read: float | None) -> bool:
    """Whether a run has read just this content."""
    if read is None:
        return False
    if known.read_before is not None:
        # It replaced another file, and a moved file may be older than the one it replaced.
        return read > known.read_before
    return arrival.modified is not None and read > arrival.modified + CLOCK_SECONDS
