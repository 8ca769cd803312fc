"""A day's file or files in their folder, before any of it is read."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from enrollment_assets.sources.naming import Named

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
    """A day's file, or its files: `mark` changes whenever one is written again.

    `absent` are the parts of the day that are not there, `others` the files besides the first. A
    special file, such as a pipe, must not be opened.
    """

    path: str
    size: int
    mark: str
    modified: float | None  # seconds since 1970
    name: Named | None = None
    others: tuple["Arrival", ...] = ()
    absent: tuple[str, ...] = ()
    is_special: bool = False

    @property
    def files(self) -> list["Arrival"]:
        """Each file of the day, in order."""
        return [self, *self.others]

    @classmethod
    def of_day(cls, files: Sequence["Arrival"], absent: Sequence[str] = ()) -> "Arrival":
        """The arrival of a day with several files."""
        times = [file.modified for file in files if file.modified is not None]
        return replace(
            files[0],
            size=sum(file.size for file in files),
            mark="; ".join([*(file.mark for file in files), *absent]),
            modified=max(times, default=None),
            others=tuple(files[1:]),
            absent=tuple(absent),
        )

    @classmethod
    def of(cls, path: str, info: dict[str, Any]) -> "Arrival":
        """The arrival, from what a file system says about the file."""
        mark = "|".join(str(info.get(name, "")) for name in _MARKS)
        time = next((info[name] for name in _TIMES if info.get(name)), None)
        if isinstance(time, str):
            time = dt.datetime.fromisoformat(time)
        modified = time.timestamp() if isinstance(time, dt.datetime) else time
        is_special = info.get("type") == "other"
        return cls(path, int(info.get("size") or 0), mark, modified, is_special=is_special)
