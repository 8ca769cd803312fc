"""The pace chart: the main term beside earlier ones at the same distance, and where it is going."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment_assets.config import Term
from enrollment_assets.config.sections import Anchor
from enrollment_assets.publishing.reports import canvas
from enrollment_assets.publishing.reports.canvas import (
    LABEL,
    MUTED,
    TICK,
    drawn,
    whole_numbers,
    with_gaps,
)
from enrollment_assets.publishing.reports.colors import INK, readable
from enrollment_assets.publishing.reports.scene import EARLIER_DASHES, GREYS, OTHER_DASHES, Scene
from enrollment_assets.publishing.reports.words import count, label
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
else:
    pd = lazy("pandas")


# Fewer days than a week would look like more than they are.
_FEWEST_DAYS = 6


def trend(scene: Scene, axes: Axes) -> str:
    """The main term's curve beside those of earlier terms, and where it is expected to go."""
    rows = scene.figures.of(scene.main)
    words = [
        _main_curve(scene, axes, rows),
        *_earlier_curves(scene, axes),
        *_other_curves(scene, axes),
        _fan(scene, axes, rows),
    ]
    _marks(scene, axes)
    canvas.dress(axes, f"Pace of {scene.name}")
    _pace_axes(scene, axes)
    _headcount(scene, axes, rows)
    axes.legend(frameon=False, fontsize=TICK, loc="best", labelcolor=INK, handlelength=2.8)
    return f"Line chart of the headcount of {scene.said} by {_axis_words(scene)}. " + " ".join(
        words
    )


def _x(scene: Scene, term: Term, dates: pd.Series[pd.Timestamp]) -> pd.Series[int]:
    """Days from the anchor: negative before it."""
    anchor = pd.Timestamp(getattr(term, scene.settings.point_in_time.anchor.value))
    found: pd.Series[int] = (dates - anchor).dt.days
    return found


def _main_curve(scene: Scene, axes: Axes, rows: pd.DataFrame) -> str:
    x, totals = with_gaps(_x(scene, scene.main, rows["date"]), rows["total_enrollment"])
    single = len(rows) == 1
    axes.plot(
        *(x, totals, "-"),
        color=scene.primary,
        linewidth=2.8,
        marker="o" if single else None,
        label=scene.name,
        zorder=5,
    )
    last = rows.iloc[-1]
    axes.plot([x[-1]], [last["total_enrollment"]], "o", color=scene.primary, markersize=6, zorder=6)
    first = rows.iloc[0]
    if single:
        return f"It has {count(last['total_enrollment'])} on {last['date'].date()}, its first snapshot."
    return (
        f"It went from {count(first['total_enrollment'])} on {first['date'].date()} to "
        f"{count(last['total_enrollment'])} on {last['date'].date()}."
    )


def _headcount(scene: Scene, axes: Axes, rows: pd.DataFrame) -> None:
    """Today's figure beside its point, on the side where there is room."""
    last = rows.iloc[-1]
    x = _x(scene, scene.main, pd.Series([last["date"]])).iloc[0]
    low, high = axes.get_xlim()
    is_left = x - low < (high - low) / 6
    axes.annotate(
        count(last["total_enrollment"]),
        (x, last["total_enrollment"]),
        xytext=(8, -14) if is_left else (-7, 6),
        textcoords="offset points",
        ha="left" if is_left else "right",
        color=readable(scene.primary),
        fontsize=LABEL + 1,
        fontweight="bold",
        zorder=7,
    )


def _earlier_curves(scene: Scene, axes: Axes) -> list[str]:
    words = []
    styles = zip(scene.figures.earlier, EARLIER_DASHES, GREYS, strict=False)
    for term, dash, grey in styles:
        rows = scene.figures.of(term)
        if rows.empty:
            continue
        x, totals = with_gaps(_x(scene, term, rows["date"]), rows["total_enrollment"])
        axes.plot(
            *(x, totals),
            linestyle=dash,
            color=grey,
            linewidth=1.7,
            marker="o" if len(rows) == 1 else None,
            markersize=4,
            label=drawn(term.label),
            zorder=3,
        )
        words.append(_earlier_words(scene, term, rows))
    return words


def _other_curves(scene: Scene, axes: Axes) -> list[str]:
    """Other terms that are open, thinner: each at its own distance to its own start."""
    others = [
        term
        for term in scene.figures.terms
        if term is not scene.main and term not in scene.figures.earlier
    ]
    words = []
    for term, dash in zip(reversed(others), OTHER_DASHES, strict=False):
        rows = scene.figures.of(term)
        x, totals = with_gaps(_x(scene, term, rows["date"]), rows["total_enrollment"])
        axes.plot(
            *(x, totals),
            linestyle=dash,
            color=scene.primary,
            linewidth=1.3,
            marker="o" if len(rows) == 1 else None,
            markersize=4,
            label=drawn(term.label),
            zorder=3,
        )
        last = rows.iloc[-1]
        words.append(f"{label(term)}, open too, has {count(last['total_enrollment'])}.")
    return words


def _earlier_words(scene: Scene, term: Term, rows: pd.DataFrame) -> str:
    now = _x(scene, scene.main, pd.Series([pd.Timestamp(scene.figures.day)])).iloc[0]
    before = rows[_x(scene, term, rows["date"]) <= now]
    if before.empty:
        return f"{label(term)} had no snapshot so early."
    last = before.iloc[-1]
    return f"{label(term)} had {count(last['total_enrollment'])} on {last['date'].date()}."


def _fan(scene: Scene, axes: Axes, rows: pd.DataFrame) -> str:
    """The forecast, from today's point on, with its intervals."""
    found = scene.figures.forecast_of(scene.main).sort_values("target_date")
    if found.empty:
        return "There is no forecast."
    last = rows.iloc[-1]
    today = _x(scene, scene.main, pd.Series([last["date"]])).iloc[0]
    x = [today, *_x(scene, scene.main, found["target_date"])]

    def from_today(column: str) -> list[float]:
        return [float(last["total_enrollment"]), *found[column].astype(float)]

    # The widest one and the 80 % that is told of; more of them would only be a blur.
    widest = max(scene.settings.forecast.intervals)
    for level, shade in {widest: 0.16, 80: 0.26}.items():
        axes.fill_between(
            x,
            from_today(f"lower_{level}"),
            from_today(f"upper_{level}"),
            color=scene.primary,
            alpha=shade,
            linewidth=0,
            label=f"{level} % range",
            zorder=2,
        )
    axes.plot(
        *(x, from_today("forecast")),
        linestyle=(0, (1, 1.2)),
        color=scene.primary,
        linewidth=2,
        label="expected",
        zorder=4,
    )
    return _fan_words(scene, found)


def _fan_words(scene: Scene, found: pd.DataFrame) -> str:
    at_census = found[found["target_date"] == pd.Timestamp(scene.main.census)]
    row = found.iloc[-1] if at_census.empty else at_census.iloc[0]
    what = "" if at_census.empty else ", its census"
    return (
        f"On {row['target_date'].date()}{what}, {count(row['forecast'])} are expected, with an 80 % "
        f"range from {count(row['lower_80'])} to {count(row['upper_80'])}."
    )


def _marks(scene: Scene, axes: Axes) -> None:
    """The census and the start as upright lines."""
    marks = [("census", scene.main.census, "--"), ("start", scene.main.starts, "-")]
    low, high = axes.get_xlim()
    for words, date, dash in marks:
        place = _x(scene, scene.main, pd.Series([pd.Timestamp(date)])).iloc[0]
        # A mark that is far away would press the curve into a corner.
        if not low - (high - low) * 0.5 <= place <= high + (high - low) * 0.5:
            continue
        axes.axvline(place, color=MUTED, linewidth=1, linestyle=dash, zorder=1)
        axes.annotate(
            words,
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3 if words == "census" else -3, -2),
            textcoords="offset points",
            ha="left" if words == "census" else "right",
            va="top",
            color=MUTED,
            fontsize=TICK - 0.5,
        )


def _axis_words(scene: Scene) -> str:
    return {
        Anchor.starts: "days to the start",
        Anchor.census: "days to the census",
        Anchor.registration_opens: "days since registration opened",
    }[scene.settings.point_in_time.anchor]


def _pace_axes(scene: Scene, axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    counts_down = scene.settings.point_in_time.anchor is not Anchor.registration_opens

    def tick(value: float, _: object) -> str:
        if value == 0:
            return "0"
        if counts_down:
            return f"{-value:,.0f}" if value < 0 else f"+{value:,.0f}"
        return count(value)

    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 3, 5, 6, 10])
    )
    axes.xaxis.set_major_formatter(tick)
    after = " (+ after it)" if counts_down else ""
    axes.set_xlabel(_axis_words(scene) + after, color=MUTED, fontsize=LABEL)
    whole_numbers(axes)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1) * 1.04)
    axes.margins(x=0.02)
    low, high = axes.get_xlim()
    if high - low < _FEWEST_DAYS:
        axes.set_xlim(low - 3, high + 3)
