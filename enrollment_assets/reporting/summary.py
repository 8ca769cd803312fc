"""What a day's report says, as texts: the page and the mail say the same, since both are made of this."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from enrollment_assets.config import Settings, Term
from enrollment_assets.reporting.figures import DayFigures
from enrollment_assets.reporting.words import (
    count,
    days,
    distance,
    label,
    label_of,
    percent,
    plain,
    sentence,
    shown,
    signed,
    signed_percent,
)

OK, PROVISIONAL = "OK", "Provisional"
# How many segments of a dimension, and how many anomalies and remarks, a report holds.
MOST_SEGMENTS, MOST_REMARKS = 15, 5
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Tile:
    """One figure with what it is compared with."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TermRow:
    """One open term, in shown texts."""

    label: str
    headcount: str
    net: str
    same_point: str
    change: str
    gross: str = ""
    starts: str = ""
    census: str = ""


@dataclass(frozen=True)
class SegmentRow:
    """One segment beside itself at the same point, in shown texts."""

    segment: str
    now: str
    same_point: str
    change: str
    change_pct: str
    contribution: str
    final: str


@dataclass(frozen=True)
class SegmentTable:
    """The segments of a dimension: those that change the headcount most come first."""

    dimension: str
    rows: tuple[SegmentRow, ...]
    note: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """How past forecasts of one horizon did, in shown texts."""

    horizon: str
    n: str
    mae: str
    mape: str
    bias: str
    skill: str
    coverage: tuple[str, ...]


@dataclass(frozen=True)
class DaySummary:
    """The texts of one day's report; nothing in them is from after that day."""

    institution: str
    day: dt.date
    status: str
    status_words: str
    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]
    anomalies: tuple[str, ...]
    quality: tuple[str, ...]
    terms: tuple[TermRow, ...]
    main: str = ""
    main_words: str = ""
    facts: tuple[Tile, ...] = ()
    segments: tuple[SegmentTable, ...] = ()
    segments_note: str = ""
    scorecard: tuple[ScoreRow, ...] = ()
    scorecard_note: str = ""
