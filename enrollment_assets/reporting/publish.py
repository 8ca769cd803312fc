"""Writes charts and pages into the reports folder: aside first, then renamed."""

import datetime as dt
import os
from pathlib import Path

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import PRIVATE_FILE, make_private_folder


def publish(settings: Settings, day: dt.date, name: str, content: bytes) -> Path:
    """Put a file into the day's folder; a reader sees the old one or the new one, never half."""
    return replace(make_private_folder(settings.report_path(day)) / name, content)


def replace(path: Path, content: bytes, *, keeps_time: bool = False) -> Path:
    """Put a file in the place of another one, which may be read meanwhile.

    `keeps_time`: the file keeps its time of change, since nothing of what it says has changed.
    """
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(content)
    aside.chmod(PRIVATE_FILE)
    if keeps_time:
        times = path.stat()
        os.utime(aside, ns=(times.st_atime_ns, times.st_mtime_ns))
    return aside.replace(path)
