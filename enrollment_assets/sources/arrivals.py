"""A day's file in its folder, before any of it is read."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

# Clocks of file servers differ from ours by less than this.
CLOCK_SECONDS = 60

# Attributes that distinguish versions of a file, as the various file systems name them.
_MARKS = (
    *("size", "mtime", "ino", "ETag", "etag", "md5Hash", "generation"),
    *("LastModified", "last_modified", "updated"),
)

_TIMES = ("mtime", "LastModified", "last_modified", "updated")


@dataclass(frozen=True)
class Arrival:
    """A day's file: `mark` changes whenever it is written again."""

    path: str
    size: int
    mark: str
    modified: float | None  # seconds since 1970

    @classmethod
    def of(cls, path: str, info: dict[str, Any]) -> "Arrival":
        """The arrival, from what a file system says about the file."""
        mark = "|".join(str(info.get(name, "")) for name in _MARKS)
        time = next((info[name] for name in _TIMES if info.get(name)), None)
        if isinstance(time, str):
            time = dt.datetime.fromisoformat(time)
        modified = time.timestamp() if isinstance(time, dt.datetime) else time
        return cls(path, int(info.get("size") or 0), mark, modified)
