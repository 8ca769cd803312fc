"""What was unusual on the day; `report_anomalies.sql` decides which segments may be named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import (
    MINUS,
    at_most,
    count,
    label_of,
    plain,
    sentence,
)
from enrollment_assets.publishing.reports.texts import SKIPPED
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

NOT_CHECKED = f"The day was not checked for anomalies: {SKIPPED}."
# What `report_anomalies.sql` has in place of the series of segments that may not be named.
_WITHHELD_SERIES = "withheld"


def remarks(figures: DayFigures, settings: Settings) -> tuple[str, ...]:
    """The day's anomalies, those of whole terms first."""
    return at_most(_anomalies(figures, settings))


def note(figures: DayFigures) -> str:
    """What the section says if it lists no anomaly."""
    return NOT_CHECKED if figures.anomalies.empty else "No anomalies found."


def main_totals(figures: DayFigures) -> pd.DataFrame:
    """The results for the main term as a whole."""
    rows = figures.anomalies[figures.anomalies["term"] == figures.main.code]
    return rows[rows["dimension"].isna() & (rows["series"] != _WITHHELD_SERIES)]


def _anomalies(figures: DayFigures, settings: Settings) -> Iterator[str]:
    for _, row in figures.anomalies[figures.anomalies["is_anomaly"]].iterrows():
        name, explanation = label_of(row["term"], settings), plain(row["explanation"])
        confirmed = " Confirmed." if row["is_confirmed"] else ""
        if row["series"] == _WITHHELD_SERIES:
            yield f"{name}: {explanation}, which is withheld."
        elif pd.isna(row["dimension"]):
            yield (
                sentence(f"{name}: {explanation}")
                + f" {_figure(row['observed'])} per day; {_figure(row['expected'])} expected, normal "
                f"range {_figure(row['lower'])} to {_figure(row['upper'])}.{confirmed}"
            )
        else:
            segment = f"{plain(row['dimension'])} {plain(row['segment'])}"
            yield sentence(f"{name}, {segment}: {explanation}") + confirmed


def _figure(value: float) -> str:
    return count(value) if value == round(value) else f"{value:,.1f}".replace("-", MINUS)
