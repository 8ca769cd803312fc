"""What the change is made of: the main term's segments as bars that go both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.publishing.reports import canvas
from enrollment_assets.publishing.reports.canvas import MUTED, TICK, drawn
from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.scene import DOWN, Scene
from enrollment_assets.publishing.reports.summary import by_contribution
from enrollment_assets.publishing.reports.words import (
    count,
    label_of,
    plain,
    signed,
    signed_percent,
)
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
else:
    pd = lazy("pandas")


_MOST_SEGMENTS = 12
_LONG_NAME = 30
# More bars than this have smaller names.
_MANY_BARS = 9


def segments(scene: Scene, axes: Axes) -> str:
    """The main term's segments by what they contribute to the change."""
    dimension, rows = _telling_dimension(scene)
    if dimension is None:
        why = (
            "no dimension is configured"
            if not scene.settings.dimensions
            else "segments were not compared on this day"
        )
        return canvas.nothing(axes, "Segments", why)
    withheld = int(rows["suppression"].notna().sum())
    changed = rows[rows["change"].notna()]
    if len(changed):
        hidden = int(rows["change"].isna().sum())
        return _contributions(scene, axes, dimension, by_contribution(changed), hidden)
    sized = rows[rows["suppression"].isna() & (rows["total_enrollment"] > 0)]
    if sized.empty:
        return canvas.nothing(axes, f"Segments by {dimension}", "all of them are withheld")
    sized = sized.sort_values(["total_enrollment", "segment"], ascending=[False, True])
    return _sizes(scene, axes, dimension, sized, withheld)


def _telling_dimension(scene: Scene) -> tuple[str | None, pd.DataFrame]:
    """The dimension with the most segments that can be drawn; programs where they can."""
    segments = scene.figures.segments
    segments = segments[segments["term"] == scene.main.code]
    best: tuple[str | None, pd.DataFrame] = (None, segments.head(0))
    most = -1
    for dimension in scene.settings.dimensions:
        rows = segments[segments["dimension"] == dimension]
        drawable = int(rows["total_enrollment"].notna().sum())
        if len(rows) and (drawable > most or (dimension == "program" and drawable > 0)):
            best, most = (dimension, rows), drawable
            if dimension == "program" and drawable:
                break
    return best


def _contributions(
    scene: Scene, axes: Axes, dimension: str, rows: pd.DataFrame, withheld: int
) -> str:
    past = label_of(rows["comparison_term"].iloc[0], scene.settings)
    shown = rows.head(_MOST_SEGMENTS)
    values = shown["change"].astype(float).to_numpy()[::-1]
    texts = [
        signed(change) + (f" ({signed_percent(pct)})" if pd.notna(pct) else "")
        for change, pct in shown[["change", "change_pct"]].to_numpy()[::-1]
    ]
    _bars(scene, axes, shown["segment"].tolist()[::-1], values, texts)
    canvas.dress(axes, f"Change against {drawn(past)}, by {drawn(dimension)}")
    _bar_axes(axes, len(shown), _note(len(rows) - len(shown), withheld))
    first = shown.iloc[0]
    return (
        f"Bar chart of what each {dimension} of {scene.said} adds to the change against {past} at the "
        f"same point, led by {plain(first['segment'])} with {signed(first['change'])}. "
        f"{_note(len(rows) - len(shown), withheld)}"
    ).strip()


def _sizes(scene: Scene, axes: Axes, dimension: str, rows: pd.DataFrame, withheld: int) -> str:
    shown = rows.head(_MOST_SEGMENTS)
    values = shown["total_enrollment"].astype(float).to_numpy()[::-1]
    _bars(scene, axes, shown["segment"].tolist()[::-1], values, [count(v) for v in values])
    canvas.dress(axes, f"{scene.name} by {drawn(dimension)} (no same point yet)")
    _bar_axes(axes, len(shown), _note(len(rows) - len(shown), withheld))
    first = shown.iloc[0]
    return (
        f"Bar chart of the headcount of {scene.said} by {dimension}, led by {plain(first['segment'])} "
        f"with {count(first['total_enrollment'])}; there is no same point to compare with. "
        f"{_note(len(rows) - len(shown), withheld)}"
    ).strip()


def _bars(
    scene: Scene, axes: Axes, names: Sequence[str], values: Any, texts: Sequence[str]
) -> None:
    places = range(len(names))
    bars = axes.barh(
        places,
        values,
        color=[scene.primary if value >= 0 else DOWN for value in values],
        height=0.72,
    )
    for bar, value in zip(bars, values, strict=True):
        if value < 0:  # told apart without colour too
            bar.set(hatch="///", edgecolor="white", linewidth=0)
    axes.bar_label(bars, labels=texts, padding=4, fontsize=TICK - 1, color=INK)
    axes.set_yticks(places, [drawn(_middle_out(plain(name))) or "(blank)" for name in names])
    reach = max(abs(values).max(), 1)
    has_down = bool((values < 0).any())
    has_up = bool((values >= 0).any())
    axes.set_xlim(-reach * 1.45 if has_down else 0, reach * 1.45 if has_up else 0)


def _bar_axes(axes: Axes, bars: int, note: str) -> None:
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
    """What is not drawn, in words."""
    parts = []
    if more > 0:
        parts.append(f"{more} more with smaller parts are not drawn")
    if withheld:
        parts.append(f"{withheld} withheld, to protect small numbers")
    text = "; ".join(parts)
    return f"{text}." if text else ""


def _middle_out(name: str) -> str:
    """A long name without its middle: many differ at the end only."""
    half = _LONG_NAME // 2
    return (
        name if len(name) <= _LONG_NAME else f"{name[:half].rstrip()}…{name[1 - half :].lstrip()}"
    )
