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
    signed,
)
from enrollment_assets.publishing.reports.texts import SKIPPED, ScoreRow
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


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
        mae=known("mae", count),
        mape=known("mape", percent),
        bias=known("bias", signed),
        skill=known("skill_pct", whole_percent),
        coverage=tuple(
            known(f"coverage_{level}", whole_percent) for level in settings.forecast.intervals
        ),
    )


def note(figures: DayFigures, shown: Sequence[ScoreRow]) -> str:
    """Why there are no scores."""
    if shown:
        return ""
    if figures.forecast.empty:
        return f"Forecasts were not scored: {SKIPPED}."
    return f"No forecast of {label(figures.main)} has reached its target date yet."
