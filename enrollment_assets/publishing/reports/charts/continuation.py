"""The continuation chart: the share of the census cohort that is still in the term."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Term
from enrollment_assets.publishing.reports.charts.canvas import (
    date_axis,
    drawable,
    empty_chart,
    style_axes,
    with_gaps,
)
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.style import (
    EARLIER_DASHES,
    GRAYS,
    LABEL,
    MUTED,
    OTHER_DASHES,
    RECENT_DAYS,
    TICK,
    VERMILION,
)
from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.formatting import days, label_of, percent
from enrollment_assets.publishing.reports.target import target_path
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
else:
    pd = lazy("pandas")


def continuation(data: ChartData, axes: Axes) -> str:
    """Draw continuation since census, or from day to day before any census; return the alt text."""
    followed = [
        term for term in data.figures.terms if len(data.figures.continuation_of(term.code)) > 0
    ]
    if followed:
        return _since_census(data, axes, followed)
    return _day_over_day(data, axes)


def _since_census(data: ChartData, axes: Axes, followed: Sequence[Term]) -> str:
    from matplotlib.ticker import MaxNLocator

    texts = []
    open_terms = [term.code for term in followed]
    leading = _leading(data, followed)
    target = target_path(data.figures, data.settings, leading)
    low, longest = float(target.min()), len(target) - 1
    cohorts = list(_cohorts(data, followed))
    reached = int(data.figures.continuation_of(cohorts[0][0])["days_since_census"].iloc[-1])
    for code, style in cohorts:
        rows = data.figures.continuation_of(code)
        if rows.empty:
            continue
        name = label_of(code, data.settings)
        shares, since = rows["continuation_pct"], rows["days_since_census"]
        marker = "o" if len(rows) == 1 else None
        axes.plot(*with_gaps(since, shares), label=drawable(name), marker=marker, **style)
        low, longest = min(low, float(shares.min())), max(longest, int(since.max()))
        if code in open_terms:
            texts.append(
                f"{name} is at {percent(shares.iloc[-1])} after {days(int(since.iloc[-1]))}."
            )
        elif len(until_then := shares[since <= reached]):
            texts.append(f"{name} had {percent(until_then.iloc[-1])} after {days(reached)}.")
    style_axes(axes, "Continuation since census")
    axes.set_xlabel("days since census", color=MUTED, fontsize=LABEL)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlim(0, max(longest * 1.03, 7))
    axes.plot(range(len(target)), target, label=f"target {_goal(data)}", **_TARGET_LINE)
    _scale(axes, low)
    return (
        f"Line chart of the share of the census cohort that is still in the term: {' '.join(texts)} "
        f"The target of {data.settings.reports.continuation_target:g}% at the end of "
        f"{label_of(leading.code, data.settings)} asks for "
        f"{percent(target[min(reached, len(target) - 1)])} by then."
    )


def _leading(data: ChartData, followed: Sequence[Term]) -> Term:
    return data.main if data.main in followed else max(followed, key=lambda t: t.starts)


def _cohorts(data: ChartData, followed: Sequence[Term]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The codes and line styles of the terms: the leading one, other open ones, the prior one."""
    leading = _leading(data, followed)
    yield leading.code, {"color": data.main_color, "linewidth": 2.8, "zorder": 5}
    others = [term.code for term in followed if term is not leading]
    for code, dash in zip(others, OTHER_DASHES, strict=False):
        yield code, {"color": data.main_color, "linewidth": 1.5, "linestyle": dash}
    if leading.comparison and leading.comparison not in others:
        gray = {"color": GRAYS[0], "linewidth": 1.7, "linestyle": EARLIER_DASHES[0]}
        yield leading.comparison, gray


def _day_over_day(data: ChartData, axes: Axes) -> str:
    is_before = data.main.census > data.figures.day
    since = pd.Timestamp(data.figures.day) - pd.Timedelta(days=RECENT_DAYS)
    rows = data.figures.history_of(data.main)
    rows = rows[rows["baseline_date"].notna() & (rows["date"] > since)]
    if rows.empty:
        return empty_chart(axes, "Continuation", "there are no two snapshots to compare yet")
    dates, rates = rows["date"], rows["retention_rate"]
    axes.plot(
        *(dates.to_numpy(), rates.to_numpy()),
        color=data.main_color,
        linewidth=2,
        marker=".",
        markersize=9 if len(rows) == 1 else 5,
        label=data.drawn_name,
    )
    why = "before census" if is_before else "no census snapshot"
    style_axes(axes, f"Continuation, day over day ({why})")
    last = dates.iloc[-1].date()
    span = max((last - dates.iloc[0].date()).days, 8)
    date_axis(axes, last - dt.timedelta(span), last)
    _draw_target(data, axes, min(float(rates.min()), data.settings.reports.continuation_target))
    lowest = rows.iloc[int(rates.argmin())]
    why = "which is before its census" if is_before else "which has no census snapshot"
    return (
        f"Line chart of the day-over-day continuation of {data.name}, {why}: "
        f"{percent(rates.iloc[-1], 2)} on {dates.iloc[-1].date()}; the lowest was "
        f"{percent(lowest['retention_rate'], 2)} on {lowest['date'].date()}. "
        f"The target is {_goal(data)}."
    )


_TARGET_LINE: dict[str, Any] = {
    "color": VERMILION,
    "linewidth": 1.5,
    "linestyle": (0, (5, 3)),
    "zorder": 4,
}


def _goal(data: ChartData) -> str:
    return f"{data.settings.reports.continuation_target:g}%"


def _draw_target(data: ChartData, axes: Axes, low: float) -> None:
    """The target of a term without a cohort yet: a level."""
    target = data.settings.reports.continuation_target
    axes.axhline(target, **_TARGET_LINE)
    axes.annotate(
        f"target {_goal(data)}",
        (0.01, target),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=VERMILION,
        fontsize=LABEL,
    )
    _scale(axes, low)


def _scale(axes: Axes, low: float) -> None:
    axes.set_ylim(low - max(0.6, (100 - low) * 0.15), 100 + max(0.3, (100 - low) * 0.08))
    axes.yaxis.set_major_formatter("{x:.4g}%")
    axes.legend(frameon=False, fontsize=TICK, loc="best", labelcolor=INK, handlelength=2.8)
