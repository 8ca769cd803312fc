"""Made-up figures of a day, without a warehouse: histories of any length and shape, any names."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from enrollment_assets.config import Settings, Term
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.summary import summary

POINT_IN_TIME = (
    *(
        "date",
        "term",
        "comparison_term",
        "comparison_day",
        "comparison_date",
        "comparison_gap_days",
    ),
    *("days_to_start", "total_enrollment", "comparison_total", "change", "change_pct"),
    *("comparison_census", "comparison_final", "note"),
)
SEGMENTS = (
    *("date", "term", "dimension", "segment", "total_enrollment", "suppression", "net_change"),
    *("comparison_term", "comparison_date", "comparison_total", "comparison_suppression", "change"),
    *("change_pct", "contribution_pct", "comparison_census", "comparison_census_suppression"),
    *("comparison_final", "comparison_final_suppression"),
)
SEGMENT_NUMBERS = (
    *("total_enrollment", "net_change", "comparison_total", "change", "change_pct"),
    *("contribution_pct", "comparison_census", "comparison_final"),
)
FORECAST = (
    *("as_of", "term", "target_date", "horizon_days", "method", "forecast", "lower_80", "upper_80"),
    *("lower_95", "upper_95", "note", "left_out"),
)
ANOMALIES = (
    *("date", "term", "series", "dimension", "segment", "observed", "expected", "lower", "upper"),
    *("score", "is_anomaly", "kind", "explanation", "is_confirmed"),
)
SCORES = (
    *("as_of", "term", "method", "horizon_days", "n", "mae", "mape", "mase", "bias", "skill_pct"),
    *("coverage_80", "coverage_95", "chosen", "independent_n"),
)
QUALITY = (
    *(
        "snapshot_date",
        "term",
        "status",
        "reasons",
        "row_count",
        "duplicate_count",
        "missing_count",
    ),
    *("blank_count", "invalid_count", "outside_count", "unknown_status_count", "is_unchanged"),
    "usually_differs",
)


def history_of(term: Term, totals: Sequence[int], dates: Sequence[Any]) -> pd.DataFrame:
    """The rows of `enrollment_metrics` of a term with these headcounts."""
    counts, days = np.asarray(totals), pd.DatetimeIndex(dates)
    steps = np.diff(counts, prepend=counts[0])
    return pd.DataFrame(
        {
            "date": days,
            "term": term.code,
            "baseline_date": [pd.NaT, *days[:-1]],
            "days_since_baseline": [np.nan, *np.diff(days).astype("timedelta64[D]").astype(int)],
            "total_enrollment": counts,
            "new_students": np.maximum(steps, 0),
            "returning_students": 0,
            "dropped_students": np.maximum(-steps, 0),
            "moved_students": 0,
            "retained_students": counts,
            "net_change": steps,
            "retention_rate": 100.0 - 100 * np.maximum(-steps, 0) / np.maximum(counts, 1),
            "growth_rate": 0.0,
            "gross_enrollment": np.maximum.accumulate(counts),
            "days_to_start": [(term.starts - day.date()).days for day in days],
            "days_to_census": [(term.census - day.date()).days for day in days],
        }
    )


def continuation_of(history: pd.DataFrame, term: Term) -> pd.DataFrame:
    """Continuation as if everybody who ever drops had been in the census cohort."""
    later = history[history["date"] >= pd.Timestamp(term.census)]
    return pd.DataFrame(
        {
            "term": term.code,
            "date": later["date"],
            "days_since_census": (later["date"] - pd.Timestamp(term.census)).dt.days,
            "continuation_pct": 100.0 - later["dropped_students"].cumsum() / 10,
        }
    )


def segment_row(
    term: Term,
    segment: str,
    now: int,
    then: int | None = None,
    dimension: str = "program",
    *,
    small_cell: int = 10,
    whole: int = 1000,
) -> dict[str, Any]:
    """One row as `published_segments.sql` gives it."""

    def cell(value: int | None) -> tuple[int | None, str | None]:
        is_small = value is not None and 0 < value < small_cell
        return (None if is_small else value), ("small" if is_small else None)

    total, suppression = cell(now)
    past, past_suppression = cell(then)
    both = total is not None and past is not None
    change = total - past if both else None
    row: dict[str, Any] = dict.fromkeys(SEGMENTS)
    return row | {
        "term": term.code,
        "dimension": dimension,
        "segment": segment,
        "total_enrollment": total,
        "suppression": suppression,
        "net_change": 0 if total is not None else None,
        "comparison_term": term.comparison,
        "comparison_total": past,
        "comparison_suppression": past_suppression,
        "change": change,
        "change_pct": 100 * change / past if both and past else None,
        "contribution_pct": 100 * change / whole if both else None,
        "comparison_final": past,
        "comparison_final_suppression": past_suppression,
    }


def forecast_of(term: Term, as_of: dt.date, start: float, *, days: int = 60) -> pd.DataFrame:
    """A forecast that grows, with ranges that widen."""
    ahead = np.arange(1, days + 1)
    expected = start * (1 + 0.003 * ahead)
    near, far = 0.004 * start * np.sqrt(ahead), 0.008 * start * np.sqrt(ahead)
    return pd.DataFrame(
        {
            "as_of": pd.Timestamp(as_of),
            "term": term.code,
            "target_date": pd.Timestamp(as_of) + pd.to_timedelta(ahead, unit="D"),
            "horizon_days": ahead,
            "method": "pick_up",
            "forecast": expected,
            "lower_80": expected - near,
            "upper_80": expected + near,
            "lower_95": expected - far,
            "upper_95": expected + far,
            "note": None,
            "left_out": None,
        }
    )


def figures(
    settings: Settings,
    totals: Sequence[int],
    *,
    first: str = "2024-04-02",
    dates: Sequence[Any] | None = None,
    term: Term | None = None,
    past: Sequence[int] | None = None,
    segments: Sequence[dict[str, Any]] = (),
    with_forecast: bool = False,
    census_past: bool = False,
) -> DayFigures:
    """Figures of one term with these headcounts, one a day; `past` are those of its comparison."""
    main = term or settings.terms[0]
    days = (
        pd.DatetimeIndex(dates) if dates is not None else pd.date_range(first, periods=len(totals))
    )
    day = days[-1].date()
    parts = [history_of(main, totals, days)]
    same_point = pd.DataFrame(columns=list(POINT_IN_TIME))
    earlier = ()
    if past is not None:
        assert main.comparison
        before = settings.terms_by_code[main.comparison]
        earlier = (before,)
        shift = pd.Timestamp(main.starts) - pd.Timestamp(before.starts)
        then = pd.date_range(days[0] - shift, periods=len(past))
        parts.append(history_of(before, past, then))
        place = min(len(totals), len(past)) - 1
        same_point = pd.DataFrame(
            [
                dict.fromkeys(POINT_IN_TIME)
                | {
                    "date": pd.Timestamp(day),
                    "term": main.code,
                    "comparison_term": before.code,
                    "comparison_date": then[place],
                    "total_enrollment": totals[-1],
                    "comparison_total": past[place],
                    "change": totals[-1] - past[place],
                    "change_pct": 100 * (totals[-1] / past[place] - 1) if past[place] else None,
                    "comparison_census": past[-1],
                }
            ]
        )
    history = pd.concat(parts)
    continuation = continuation_of(parts[0], main)
    forecast = pd.DataFrame(columns=list(FORECAST))
    if with_forecast:
        forecast = forecast_of(main, day, float(totals[-1]))
    return DayFigures(
        day=day,
        terms=(main,),
        main=main,
        others=(),
        unduplicated=totals[-1],
        earlier=earlier,
        history=history,
        same_point=same_point,
        continuation=continuation if census_past else continuation.head(0),
        segments=pd.DataFrame(list(segments), columns=list(SEGMENTS)).astype(
            dict.fromkeys(SEGMENT_NUMBERS, float)
        ),
        dimensions=pd.DataFrame({"dimension": [], "since": [], "is_read": []}).astype(
            {"since": "datetime64[ns]", "is_read": bool}
        ),
        forecast=forecast,
        anomalies=pd.DataFrame(columns=list(ANOMALIES)),
        scorecard=pd.DataFrame(columns=list(SCORES)),
        quality=pd.DataFrame(columns=list(QUALITY)),
        log=pd.DataFrame(columns=["date", "term", "problem"]),
        censuses={},
    )


def told(made, university):
    return summary(made, university.settings)


def with_rows(made, **frames):
    columns = {"anomalies": ANOMALIES, "scorecard": SCORES, "quality": QUALITY}
    return replace(
        made,
        **{
            name: pd.DataFrame(
                [dict.fromkeys(columns[name]) | row for row in rows], columns=list(columns[name])
            )
            for name, rows in frames.items()
        },
    )
