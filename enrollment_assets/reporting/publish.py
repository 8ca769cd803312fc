"""Writes one day's charts and page into the reports folder: aside first, then renamed."""

import datetime as dt
from pathlib import Path

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import PRIVATE_FILE, make_private_folder


def publish(settings: Settings, day: dt.date, name: str, content: bytes) -> Path:
    """Put a file into the day's folder; a reader sees the old one or the new one, never half."""
    path = make_private_folder(settings.report_path(day)) / name
    aside = path.with_name(f".{name}.part")
    aside.write_bytes(content)
    aside.chmod(PRIVATE_FILE)
    return aside.replace(path)
