"""Which days have a file that no run has read: what the landing sensor decides, without Dagster."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from enrollment_assets.config import Settings
from enrollment_assets.sources.arrivals import CLOCK_SECONDS, Arrival

# A file of an earlier day is history: `enrollment backfill` takes it in.
DAYS_BACK = 14


@dataclass(frozen=True)
class Seen:
    """What the last look saw of a day's file.

    `mark` is empty while a file that was there is away; `is_decided` says whether the mark was decided
    on, `content` what ran. `read_before` is when a run had last read the day as this mark replaced
    another one (seconds since 1970).
    """

    mark: str
    is_decided: bool = False
    content: str | None = None
    read_before: float | None = None


@dataclass
class Landed:
    """The days to run with a key of what their files hold now, and what to remember.

    The key is another one for a content that comes back after a different one.
    """

    contents: dict[dt.date, str] = field(default_factory=dict)
    seen: dict[dt.date, Seen] = field(default_factory=dict)


def look(
    settings: Settings,
    today: dt.date,
    arrivals: Mapping[dt.date, Arrival],
    before: Mapping[dt.date, Seen] | None,
    *,
    is_whole: Callable[[Arrival], bool],
    content_of: Callable[[Arrival], str],
    last_read: Callable[[dt.date], float | None],
) -> Landed:
    """Find the days to run: their file rests, and holds something that no run has read.

    `before` is what the last look saw; on the very first one, None, older files are no news.
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
            # Some writers take the old file away before they put the new one there.
            if known:
                landed.seen[day] = Seen("", content=known.content)
        elif before is None:
            landed.seen[day] = Seen(arrival.mark, is_decided=age > 0)
        elif known is None:
            landed.seen[day] = Seen(arrival.mark)
        elif known.mark != arrival.mark:
            # Somebody may be writing it: it is believed when it looks the same at the next look.
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
        # It replaced another file: one that was moved there may be older than what it replaced.
        return read > known.read_before
    return arrival.modified is not None and read > arrival.modified + CLOCK_SECONDS
