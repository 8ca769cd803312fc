"""One row for each term with a snapshot of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment_assets.config import Term
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import (
    NOT_AVAILABLE,
    change_text,
    count,
    label,
    signed,
)
from enrollment_assets.publishing.reports.texts import TermRow
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def rows(figures: DayFigures) -> tuple[TermRow, ...]:
    """The terms in the order of the configuration."""
    return tuple(_row(figures, term) for term in figures.terms)


def _row(figures: DayFigures, term: Term) -> TermRow:
    now, past = figures.latest(term), figures.comparison(term)
    same_point, change = NOT_AVAILABLE, NOT_AVAILABLE
    if past is not None:
        same_point = f"{count(past['comparison_total'])} on {past['comparison_date'].date()}"
        change = change_text(past["change"], past["change_pct"])
    return TermRow(
        label=label(term),
        headcount=count(now["total_enrollment"]),
        net="first snapshot" if pd.isna(now["baseline_date"]) else signed(now["net_change"]),
        same_point=same_point,
        change=change,
        gross=count(now["gross_enrollment"]),
        starts=str(term.starts),
        census=_census(figures, term),
    )


def _census(figures: DayFigures, term: Term) -> str:
    """The census date, with the frozen headcount, a provisional one, or its forecast."""
    counted, forecast = figures.at_census(term), figures.census_forecast(term)
    official = figures.official(term)
    if official is not None:
        stand_in = "" if official.day == term.census else f" (on {official.day})"
        live = figures.live(term, official.day)
        live_note = "" if live in (None, official.students) else f"; live {count(live)}"
        return f"{term.census}: {count(official.students)}{stand_in}{live_note}"
    if term.census <= figures.day and counted is not None:
        return f"{term.census}: {count(counted['total_enrollment'])} (provisional)"
    if forecast is not None:
        return f"{term.census}: {count(forecast['forecast'])} forecast"
    return f"{term.census}"
