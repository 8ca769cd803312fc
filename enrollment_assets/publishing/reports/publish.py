"""Writes charts and pages into the reports folder: aside first, then renamed."""

import datetime as dt
from pathlib import Path

from enrollment_assets.config import Settings
from enrollment_assets.support.files import make_private_folder, replace


def publish(settings: Settings, day: dt.date, name: str, content: bytes) -> Path:
    """Put a file into the day's folder; a reader sees the old one or the new one, never half."""
    return replace(make_private_folder(settings.report_path(day)) / name, content)
