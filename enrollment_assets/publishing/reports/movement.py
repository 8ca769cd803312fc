"""Who came and went in the last weeks, and who of the census cohort is still there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Term
from enrollment_assets.publishing.reports import canvas
from enrollment_assets.publishing.reports.canvas import (
    LABEL,
    MUTED,
    TICK,
    drawn,
    whole_numbers,
    with_gaps,
)
from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.scene import (
    DOWN,
    EARLIER_DASHES,
    GREYS,
    OTHER_DASHES,
    RECENT_DAYS,
    Scene,
)
from enrollment_assets.publishing.reports.words import count, days, label_of, percent, signed
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
else:
    np = lazy("numpy")
    pd = lazy("pandas")


# So many days without a snapshot get a large cross each.
_FEW_GAPS = 5
_NOTHING = "no two snapshots to compare yet"


def daily_changes(scene: Scene, axes: Axes) -> str:
    """Added students upwards, dropped ones downwards, the net change, and days that lack."""
    title = f"Added and dropped, {scene.name}"
    since = pd.Timestamp(scene.figures.day) - pd.Timedelta(days=RECENT_DAYS)
    rows = scene.figures.of(scene.main)
    rows = rows[(rows["date"] > since) & rows["baseline_date"].notna()]
    if rows.empty:
        canvas.nothing(axes, title, _NOTHING)
        return f"Added and dropped, {scene.said}: {_NOTHING}."
    dates = rows["date"].to_numpy()
    added, dropped = rows["new_students"].to_numpy(), rows["dropped_students"].to_numpy()
    axes.bar(dates, added, color=scene.up, width=0.8, label="added")
    axes.bar(
        *(dates, -dropped),
        color=DOWN,
        width=0.8,
        label="dropped",
        hatch="///",
        edgecolor="white",
        linewidth=0,
    )
    net = rows["net_change"].to_numpy()
    axes.plot(dates, net, color=INK, linewidth=1.1, marker=".", markersize=4, label="net")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    lacking = _lacking(scene, rows, since)
    _mark_gaps(axes, rows, lacking)
    canvas.dress(axes, title)
    _changes_axes(axes, rows, pd.Timestamp(scene.figures.day))
    return _changes_words(scene, rows, lacking)


def _lacking(scene: Scene, rows: pd.DataFrame, since: pd.Timestamp) -> list[pd.Timestamp]:
    """Days that are shown, and on which a snapshot was expected and is not there."""
    first = max(rows["baseline_date"].iloc[0], since)
    there = {*rows["date"], rows["baseline_date"].iloc[0]}
    return [
        date
        for date in pd.date_range(first, scene.figures.day)
        if date not in there and scene.settings.why_no_snapshot(date.date()) is None
    ]


def _mark_gaps(axes: Axes, rows: pd.DataFrame, lacking: list[pd.Timestamp]) -> None:
    """A cross where a snapshot lacks, and over a bar that covers more days how many."""
    if lacking:
        axes.plot(
            *(pd.DatetimeIndex(lacking).to_numpy(), np.zeros(len(lacking))),
            linestyle="none",
            marker="x",
            color=DOWN,
            markersize=7 if len(lacking) <= _FEW_GAPS else 3,
            markeredgewidth=2 if len(lacking) <= _FEW_GAPS else 1,
            label="no snapshot",
            zorder=5,
        )
    for _, row in rows.iterrows():
        inside = [date for date in lacking if row["baseline_date"] < date < row["date"]]
        if inside:
            axes.annotate(
                days(int(row["days_since_baseline"])),
                (row["date"], max(row["new_students"], 0)),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                color=MUTED,
                fontsize=TICK - 1.5,
            )


def _changes_axes(axes: Axes, rows: pd.DataFrame, last: pd.Timestamp) -> None:
    whole_numbers(axes, lambda value: f"{abs(value):,.0f}")
    # Bars stick to zero; a line of zeros must not lie on the frame.
    high, low = rows["new_students"].max(), -rows["dropped_students"].max()
    room = max(0.08 * (high - low), 0.5)
    axes.set_ylim(low - room, high + room)
    first = max(rows["baseline_date"].iloc[0], last - pd.Timedelta(days=RECENT_DAYS))
    # A bar of a day is a day wide, however few there are.
    shown = max((last - first).days, 8)
    canvas.date_axis(axes, last.date() - dt.timedelta(shown), last.date())
    axes.legend(
        frameon=False,
        fontsize=TICK,
        ncols=4,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderpad=0,
        handlelength=1.4,
        columnspacing=1.2,
    )


def _changes_words(scene: Scene, rows: pd.DataFrame, lacking: Sequence[pd.Timestamp]) -> str:
    first, last = rows["date"].iloc[0].date(), rows["date"].iloc[-1].date()
    span = f"on {first}" if first == last else f"from {first} to {last}"
    text = (
        f"Bar chart of {scene.said} {span}: {count(rows['new_students'].sum())} added and "
        f"{count(rows['dropped_students'].sum())} dropped, {signed(rows['net_change'].sum())} in all"
    )
    if rows["dropped_students"].max() > 0:
        worst = rows.iloc[int(rows["dropped_students"].argmax())]
        text += f"; most dropped on {worst['date'].date()} ({count(worst['dropped_students'])})"
    if lacking:
        text += f"; {days(len(lacking))} without a snapshot"
    return text + "."


def continuation(scene: Scene, axes: Axes) -> str:
    """Share of the census cohort that is still there, beside its target; day over day before."""
    followed = [
        term for term in scene.figures.terms if len(scene.figures.continuation_of(term.code)) > 0
    ]
    if followed:
        return _since_census(scene, axes, followed)
    return _day_over_day(scene, axes)


def _since_census(scene: Scene, axes: Axes, followed: Sequence[Term]) -> str:
    from matplotlib.ticker import MaxNLocator

    words = []
    open_terms = [term.code for term in followed]
    low, longest = float(scene.settings.reports.continuation_target), 1
    cohorts = list(_cohorts(scene, followed))
    reached = int(scene.figures.continuation_of(cohorts[0][0])["days_since_census"].iloc[-1])
    for code, style in cohorts:
        rows = scene.figures.continuation_of(code)
        if rows.empty:
            continue
        name = label_of(code, scene.settings)
        shares, since = rows["continuation_pct"], rows["days_since_census"]
        marker = "o" if len(rows) == 1 else None
        axes.plot(*with_gaps(since, shares), label=drawn(name), marker=marker, **style)
        low, longest = min(low, float(shares.min())), max(longest, int(since.max()))
        if code in open_terms:
            words.append(
                f"{name} stands at {percent(shares.iloc[-1])} after {days(int(since.iloc[-1]))}."
            )
        elif len(then := shares[since <= reached]):
            words.append(f"{name} had {percent(then.iloc[-1])} after {days(reached)}.")
    canvas.dress(axes, "Continuation since census")
    axes.set_xlabel("days since the census", color=MUTED, fontsize=LABEL)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlim(0, max(longest * 1.03, 7))
    _target(scene, axes, low)
    return (
        f"Line chart of the share of the census cohort that is still there: {' '.join(words)} "
        f"{_target_words(scene)}"
    )


def _cohorts(scene: Scene, followed: Sequence[Term]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The codes of the terms to draw, and how: the leading one, other open ones, the one before."""
    leading = scene.main if scene.main in followed else max(followed, key=lambda t: t.starts)
    yield leading.code, {"color": scene.primary, "linewidth": 2.8, "zorder": 5}
    others = [term.code for term in followed if term is not leading]
    for code, dash in zip(others, OTHER_DASHES, strict=False):
        yield code, {"color": scene.primary, "linewidth": 1.5, "linestyle": dash}
    if leading.comparison and leading.comparison not in others:
        grey = {"color": GREYS[0], "linewidth": 1.7, "linestyle": EARLIER_DASHES[0]}
        yield leading.comparison, grey


def _day_over_day(scene: Scene, axes: Axes) -> str:
    is_before = scene.main.census > scene.figures.day
    title = (
        f"Continuation, day over day ({'before the' if is_before else 'no snapshot of the'} census)"
    )
    since = pd.Timestamp(scene.figures.day) - pd.Timedelta(days=RECENT_DAYS)
    rows = scene.figures.of(scene.main)
    rows = rows[rows["baseline_date"].notna() & (rows["date"] > since)]
    if rows.empty:
        return canvas.nothing(axes, "Continuation", _NOTHING)
    dates, rates = rows["date"], rows["retention_rate"]
    axes.plot(
        *(dates.to_numpy(), rates.to_numpy()),
        color=scene.primary,
        linewidth=2,
        marker=".",
        markersize=9 if len(rows) == 1 else 5,
        label=scene.name,
    )
    canvas.dress(axes, title)
    last = dates.iloc[-1].date()
    shown = max((last - dates.iloc[0].date()).days, 8)
    canvas.date_axis(axes, last - dt.timedelta(shown), last)
    _target(scene, axes, min(float(rates.min()), scene.settings.reports.continuation_target))
    lowest = rows.iloc[int(rates.argmin())]
    why = "whose census is still to come" if is_before else "of whose census there is no snapshot"
    return (
        f"Line chart of the day-over-day continuation of {scene.said}, {why}: "
        f"{percent(rates.iloc[-1], 2)} on {dates.iloc[-1].date()}, at the lowest "
        f"{percent(lowest['retention_rate'], 2)} on {lowest['date'].date()}. {_target_words(scene)}"
    )


def _target_words(scene: Scene) -> str:
    return f"The target is {scene.settings.reports.continuation_target:g} %."


def _target(scene: Scene, axes: Axes, low: float) -> None:
    target = scene.settings.reports.continuation_target
    axes.axhline(target, color=DOWN, linewidth=1.5, linestyle=(0, (5, 3)), zorder=4)
    axes.annotate(
        f"target {target:g} %",
        (0.01, target),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=DOWN,
        fontsize=LABEL,
    )
    axes.set_ylim(low - max(0.6, (100 - low) * 0.15), 100 + max(0.3, (100 - low) * 0.08))
    axes.yaxis.set_major_formatter("{x:.4g} %")
    axes.legend(frameon=False, fontsize=TICK, loc="best", labelcolor=INK, handlelength=2.8)
