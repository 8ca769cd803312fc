"""The main term's segments in each dimension, with small numbers withheld."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import (
    NOT_AVAILABLE,
    WITHHELD,
    joined,
    plain,
    segment_count,
    signed,
    signed_percent,
)
from enrollment_assets.publishing.reports.texts import SKIPPED, SegmentRow, SegmentTable
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# A table lists at most this many segments.
MOST_SEGMENTS = 15


def tables(figures: DayFigures, settings: Settings) -> tuple[SegmentTable, ...]:
    """One table for each dimension that has segments."""
    of_main = figures.segments[figures.segments["term"] == figures.main.code]
    return tuple(
        _table(dimension, by_contribution(rows), settings)
        for dimension in settings.dimensions
        if len(rows := of_main[of_main["dimension"] == dimension])
    )


def _table(dimension: str, rows: pd.DataFrame, settings: Settings) -> SegmentTable:
    listed = rows.head(MOST_SEGMENTS)
    more = len(rows) - len(listed)
    compared = listed[["comparison_total", "comparison_suppression"]].notna()
    return SegmentTable(
        dimension=dimension,
        rows=tuple(_row(row, settings) for _, row in listed.iterrows()),
        is_compared=bool(compared.to_numpy().any()),
        note=f"{more} more {'is' if more == 1 else 'are'} not listed." if more else "",
    )


def by_contribution(rows: pd.DataFrame) -> pd.DataFrame:
    """The segments of a dimension: the largest contributions first, withheld ones last.

    Withheld segments are sorted by name, since an order by size would reveal their sizes.
    """
    return rows.assign(
        _contribution=rows["contribution_pct"].abs().fillna(-1),
        _size=rows["total_enrollment"].where(rows["suppression"].isna()).fillna(-1),
    ).sort_values(
        ["_contribution", "_size", "segment"], ascending=[False, False, True], kind="stable"
    )


def _row(row: pd.Series, settings: Settings) -> SegmentRow:
    def change(column: str, show: Any) -> str:
        if pd.notna(row[column]):
            return str(show(row[column]))
        is_withheld = pd.notna(row["suppression"]) or pd.notna(row["comparison_suppression"])
        return WITHHELD if is_withheld else NOT_AVAILABLE

    def headcount(column: str, suppression: str) -> str:
        return segment_count(row[column], row[suppression], settings)

    return SegmentRow(
        segment=plain(row["segment"]) or "(blank)",
        now=headcount("total_enrollment", "suppression"),
        same_point=headcount("comparison_total", "comparison_suppression"),
        change=change("change", signed),
        change_pct=change("change_pct", signed_percent),
        contribution=change("contribution_pct", lambda value: signed_percent(value, 2)),
        final=headcount("comparison_final", "comparison_final_suppression"),
    )


def note(figures: DayFigures, shown: Sequence[SegmentTable], settings: Settings) -> str:
    """Why some dimensions have no table, and since when others are known."""
    if not settings.dimensions:
        return "No dimensions are configured."
    if figures.segments.empty and figures.anomalies.empty:
        return f"Segments were not compared: {SKIPPED}."
    names = {table.dimension for table in shown}
    read = figures.dimensions
    unread = list(read.loc[~read["is_read"], "dimension"])
    absent = [name for name in settings.dimensions if name not in names and name not in unread]
    sentences = [
        f"Not shown by {joined(unread)}: this day was read without." if unread else "",
        f"Not shown by {joined(absent)}: the numbers are too small." if absent else "",
        *(
            f"Read with {name} since {since:%Y-%m-%d}; nobody counts as moved by it before."
            for name, since in read.loc[
                read["is_read"] & read["since"].notna(), ["dimension", "since"]
            ].itertuples(index=False)
        ),
    ]
    return " ".join(filter(None, sentences))
