"""Which days have a file that no run has read: what the landing sensor decides, without Dagster."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from enrollment_assets.config import Settings
from enrollment_assets.sources.files import Arrival

# A file of an earlier day is history: `enrollment backfill` takes it in.
DAYS_BACK = 14
# Clocks of file servers differ from ours by less than this.
_CLOCK_SECONDS = 60


@dataclass(frozen=True)
class Seen:
    """What the last look saw of a day's file: its mark, whether that was decided on, and what ran."""

    mark: str
    is_decided: bool = False
    content: str | None = None


@dataclass
class Landed:
    """The days to run with the content of their files, and what to remember until the next look."""

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
    for day, arrival in sorted(arrivals.items()):
        age = (today - day).days
        if not 0 <= age <= DAYS_BACK or settings.why_no_snapshot(day):
            continue
        if before is None:
            landed.seen[day] = Seen(arrival.mark, is_decided=age > 0)
            continue
        known = before.get(day)
        if known is None or known.mark != arrival.mark:
            # Somebody may be writing it: it is believed when it looks the same at the next look.
            landed.seen[day] = Seen(arrival.mark, content=known.content if known else None)
            continue
        landed.seen[day] = known
        if known.is_decided or not is_whole(arrival):
            continue
        content = content_of(arrival)
        landed.seen[day] = replace(known, is_decided=True, content=content)
        read = last_read(day)
        was_read = read and arrival.modified and read > arrival.modified + _CLOCK_SECONDS
        if content != known.content and not was_read:
            landed.contents[day] = content
    return landed
