"""A day's file as it lies in a folder, before anything of it is read."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

# Clocks of file servers differ from ours by less than this.
CLOCK_SECONDS = 60

# What tells one content of a path from another, in the words of the several file systems.
_MARKS = (
    *("size", "mtime", "ino", "ETag", "etag", "md5Hash", "generation"),
    *("LastModified", "last_modified", "updated"),
)

_TIMES = ("mtime", "LastModified", "last_modified", "updated")


@dataclass(frozen=True)
class Arrival:
    """A day's file as it lies there: `mark` changes when somebody writes it anew."""

    path: str
    size: int
    mark: str
    modified: float | None  # seconds since 1970

    @classmethod
    def of(cls, path: str, info: dict[str, Any]) -> "Arrival":
        """What a file system says of a file."""
        mark = "|".join(str(info.get(name, "")) for name in _MARKS)
        found = next((info[name] for name in _TIMES if info.get(name)), None)
        if isinstance(found, str):
            found = dt.datetime.fromisoformat(found)
        modified = found.timestamp() if isinstance(found, dt.datetime) else found
        return cls(path, int(info.get("size") or 0), mark, modified)
