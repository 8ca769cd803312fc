"""The segments chart: what each segment of the main term contributes to the change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.publishing.reports.charts.canvas import drawable, empty_chart, style_axes
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.style import MUTED, TICK, VERMILION
from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.formatting import (
    change_text,
    count,
    label_of,
    plain,
    signed,
)
from enrollment_assets.publishing.reports.sections.segments import by_contribution

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


_MOST_SEGMENTS = 12
_LONG_NAME = 30
# With more bars than this, names are smaller.
_MANY_BARS = 9


def segments(data: ChartData, axes: Axes) -> str:
    """Draw the segments of one dimension as bars; return the alt text."""
    dimension, rows = _best_dimension(data)
    if dimension is None:
        why = (
            "segments were not compared on this day"
            if data.settings.dimensions
            else "no dimension is configured"
        )
        return empty_chart(axes, "Segments", why)
    withheld = int(rows["suppression"].notna().sum())
    changed = rows[rows["change"].notna()]
    if len(changed):
        withheld = int(rows["change"].isna().sum())
        return _draw_changes(data, axes, dimension, by_contribution(changed), withheld)
    sized = rows[rows["suppression"].isna() & (rows["total_enrollment"] > 0)]
    if sized.empty:
        return empty_chart(axes, f"Segments by {dimension}", "all segments are withheld")
    sized = sized.sort_values(["total_enrollment", "segment"], ascending=[False, True])
    return _draw_sizes(data, axes, dimension, sized, withheld)


def _best_dimension(data: ChartData) -> tuple[str | None, pd.DataFrame]:
    """Programs if they can be drawn, otherwise the dimension with the most segments that can."""
    segments = data.figures.segments
    segments = segments[segments["term"] == data.main.code]
    best: tuple[str | None, pd.DataFrame] = (None, segments.head(0))
    most = -1
    for dimension in data.settings.dimensions:
        rows = segments[segments["dimension"] == dimension]
        shown = int(rows["total_enrollment"].notna().sum())
        if len(rows) and (shown > most or (dimension == "program" and shown > 0)):
            best, most = (dimension, rows), shown
            if dimension == "program" and shown:
                break
    return best


def _draw_changes(
    data: ChartData, axes: Axes, dimension: str, rows: pd.DataFrame, withheld: int
) -> str:
    prior = label_of(rows["comparison_term"].iloc[0], data.settings)
    shown = rows.head(_MOST_SEGMENTS)
    values = shown["change"].astype(float).to_numpy()[::-1]
    texts = [
        change_text(change, change_pct)
        for change, change_pct in shown[["change", "change_pct"]].to_numpy()[::-1]
    ]
    _draw_bars(data, axes, shown["segment"].tolist()[::-1], values, texts)
    style_axes(axes, f"Change vs. {drawable(prior)}, by {drawable(dimension)}")
    note = _note(len(rows) - len(shown), withheld)
    _format_axes(axes, len(shown), note)
    first = shown.iloc[0]
    return (
        f"Bar chart of the change of each {dimension} of {data.name} vs. {prior} at the same point, "
        f"led by {plain(first['segment'])} with {signed(first['change'])}. {note}"
    ).strip()


def _draw_sizes(
    data: ChartData, axes: Axes, dimension: str, rows: pd.DataFrame, withheld: int
) -> str:
    shown = rows.head(_MOST_SEGMENTS)
    values = shown["total_enrollment"].astype(float).to_numpy()[::-1]
    _draw_bars(data, axes, shown["segment"].tolist()[::-1], values, [count(v) for v in values])
    style_axes(axes, f"{data.drawn_name} by {drawable(dimension)} (no comparison yet)")
    note = _note(len(rows) - len(shown), withheld)
    _format_axes(axes, len(shown), note)
    first = shown.iloc[0]
    return (
        f"Bar chart of the headcount of {data.name} by {dimension}, led by {plain(first['segment'])} "
        f"with {count(first['total_enrollment'])}; there is no prior term to compare with yet. {note}"
    ).strip()


def _draw_bars(
    data: ChartData, axes: Axes, names: Sequence[str], values: Any, texts: Sequence[str]
) -> None:
    places = range(len(names))
    bars = axes.barh(
        places,
        values,
        color=[data.main_color if value >= 0 else VERMILION for value in values],
        height=0.72,
    )
    for bar, value in zip(bars, values, strict=True):
        if value < 0:  # hatched, so that the difference does not depend on color
            bar.set(hatch="///", edgecolor="white", linewidth=0)
    axes.bar_label(bars, labels=texts, padding=4, fontsize=TICK - 1, color=INK)
    axes.set_yticks(places, [drawable(_without_middle(plain(n))) or "(blank)" for n in names])
    reach = max(abs(values).max(), 1)
    has_down = bool((values < 0).any())
    has_up = bool((values >= 0).any())
    axes.set_xlim(-reach * 1.45 if has_down else 0, reach * 1.45 if has_up else 0)


def _format_axes(axes: Axes, bars: int, note: str) -> None:
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.tick_params(axis="y", length=0, labelsize=TICK - (1 if bars > _MANY_BARS else 0))
    for name in axes.get_yticklabels():
        name.set_color(INK)
    axes.set_ylim(bars - max(bars, 5) - 0.7, bars - 0.3)
    if note:
        axes.set_xlabel(note, color=MUTED, fontsize=TICK - 1, loc="left")


def _note(more: int, withheld: int) -> str:
    """How many segments are not drawn."""
    parts = []
    if more > 0:
        parts.append(f"{more} more with smaller changes not shown")
    if withheld:
        parts.append(f"{withheld} withheld to protect small numbers")
    text = "; ".join(parts)
    return f"{text}." if text else ""


def _without_middle(name: str) -> str:
    """A long name without its middle, since many names differ only at the end."""
    half = _LONG_NAME // 2
    return (
        name if len(name) <= _LONG_NAME else f"{name[:half].rstrip()}…{name[1 - half :].lstrip()}"
    )
