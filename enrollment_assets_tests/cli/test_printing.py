"""What long work shows where nobody sees a bar move."""

import io

from rich.console import Console

from enrollment_assets.cli import printing
from enrollment_assets.support import progress


def shown(monkeypatch, seconds):
    text = io.StringIO()
    monkeypatch.setattr(printing, "console", Console(file=text, width=200))
    monkeypatch.setattr(printing, "_LINE_SECONDS", seconds)
    with printing.bars(), progress.task("Reading days", 1_200) as advance:
        advance(1_000)
        advance(200)
        progress.note("s.csv is new.")
    return text.getvalue().splitlines()


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    assert shown(monkeypatch, 0) == [
        "Reading days: 1,000 of 1,200 days after 0 s",
        "s.csv is new.",
        "Reading days: 1,200 of 1,200 days after 0 s",
    ]


def test_short_work_gets_its_end_alone(monkeypatch):
    assert shown(monkeypatch, 10) == [
        "s.csv is new.",
        "Reading days: 1,200 of 1,200 days after 0 s",
    ]
