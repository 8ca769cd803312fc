"""How accurate past forecasts of the main term were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import (
    NOT_AVAILABLE,
    count,
    days,
    label,
    percent,
    plain,
    signed,
)
from enrollment_assets.publishing.reports.texts import SKIPPED, ScoreRow
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# Fewer independent forecasts say nothing about a range; points under its level are clearly less.
_LEAST_INDEPENDENT, _CLEARLY_LESS = 5, 10


def scores(figures: DayFigures, settings: Settings) -> tuple[ScoreRow, ...]:
    """One row for each horizon with forecasts whose target date has passed."""
    rows = figures.scorecard[figures.scorecard["term"] == figures.main.code]
    return tuple(_row(row, settings) for _, row in rows.iterrows())


def _row(row: pd.Series, settings: Settings) -> ScoreRow:
    def known(column: str, show: Any) -> str:
        return NOT_AVAILABLE if pd.isna(row[column]) else str(show(row[column]))

    def whole_percent(value: Any) -> str:
        return percent(value, 0)

    return ScoreRow(
        horizon=days(int(row["horizon_days"])),
        n=count(row["n"]),
        independent=known("independent_n", count),
        mae=known("mae", count),
        mape=known("mape", percent),
        bias=known("bias", signed),
        skill=known("skill_pct", whole_percent),
        coverage=tuple(
            known(f"coverage_{level}", whole_percent) for level in settings.forecast.intervals
        ),
    )


def record(figures: DayFigures, level: int) -> str:
    """In words, how often ranges of this level held, where that is clearly less than they say.

    Horizons count by their independent forecasts.
    """
    rows = figures.scorecard[figures.scorecard["term"] == figures.main.code]
    rows = rows[rows[f"coverage_{level}"].notna() & rows["independent_n"].notna()]
    apart = rows["independent_n"].sum()
    if apart < _LEAST_INDEPENDENT:
        return ""
    held = (rows["independent_n"] * rows[f"coverage_{level}"]).sum() / apart
    return f"has held {percent(held, 0)} so far" if held < level - _CLEARLY_LESS else ""


def note(figures: DayFigures, shown: Sequence[ScoreRow], settings: Settings) -> str:
    """Why there are no scores, which ranges do not hold, and which earlier terms were left out."""
    if not shown and figures.forecast.empty:
        return f"Forecasts were not scored: {SKIPPED}."
    said = []
    if not shown:
        said.append(f"No forecast of {label(figures.main)} has reached its target date yet.")
    said += [
        f"The {level}% range {held}: it is too narrow."
        for level in settings.forecast.intervals
        if (held := record(figures, level))
    ]
    of_term = figures.forecast[figures.forecast["term"] == figures.main.code]
    said += [f"{plain(why)}." for why in of_term["left_out"].dropna().unique()]
    return " ".join(said)
