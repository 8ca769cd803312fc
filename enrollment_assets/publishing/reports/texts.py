"""The texts of a report, as page and mail show them: every figure is formatted already."""

import datetime as dt
from dataclasses import dataclass

OK, PROVISIONAL = "OK", "Provisional"
# Why a report of the core has no segments, anomalies and forecasts.
SKIPPED = "the insight step was skipped in this run"


@dataclass(frozen=True)
class Tile:
    """One figure, with a note on what it is compared with."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TermRow:
    """One term with a snapshot of the day."""

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
    """One segment, and the same segment at the same point of the prior term."""

    segment: str
    now: str
    same_point: str
    change: str
    change_pct: str
    contribution: str
    final: str


@dataclass(frozen=True)
class SegmentTable:
    """The segments of one dimension, the largest contributions to the change first."""

    dimension: str
    rows: tuple[SegmentRow, ...]
    is_compared: bool
    note: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """How accurate past forecasts of one horizon were."""

    horizon: str
    n: str
    independent: str
    mae: str
    mape: str
    bias: str
    skill: str
    coverage: tuple[str, ...]


@dataclass(frozen=True)
class TermSection:
    """What the report says of an open term that it does not lead with."""

    label: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class DaySummary:
    """The texts of one day's report; none of them uses anything from after that day."""

    institution: str
    day: dt.date
    status: str
    status_text: str
    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]
    anomalies: tuple[str, ...]
    quality: tuple[str, ...]
    terms: tuple[TermRow, ...]
    anomalies_note: str = ""
    others: tuple[TermSection, ...] = ()
    main: str = ""
    main_note: str = ""
    facts: tuple[Tile, ...] = ()
    segments: tuple[SegmentTable, ...] = ()
    segments_note: str = ""
    forecasts: tuple[ScoreRow, ...] = ()
    forecasts_note: str = ""
