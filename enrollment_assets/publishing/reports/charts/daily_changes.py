"""The chart of daily changes: students added and dropped in the last six weeks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from enrollment_assets.publishing.reports.charts.canvas import (
    date_axis,
    empty_chart,
    style_axes,
    whole_numbers,
)
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.style import (
    MUTED,
    RECENT_DAYS,
    TICK,
    VERMILION,
)
from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.formatting import count, days, signed
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
else:
    np = lazy("numpy")
    pd = lazy("pandas")


# Up to so many days without a snapshot, each has a large cross.
_FEW_GAPS = 5


def daily_changes(data: ChartData, axes: Axes) -> str:
    """Draw adds upward, drops downward, the net change and missing days; return the alt text."""
    title = "Adds and drops"
    since = pd.Timestamp(data.figures.day) - pd.Timedelta(days=RECENT_DAYS)
    rows = data.figures.history_of(data.main)
    rows = rows[(rows["date"] > since) & rows["baseline_date"].notna()]
    if rows.empty:
        return empty_chart(
            axes, f"{title}, {data.drawn_name}", "there are no two snapshots to compare yet"
        )
    dates = rows["date"].to_numpy()
    added, dropped = rows["new_students"].to_numpy(), rows["dropped_students"].to_numpy()
    axes.bar(dates, added, color=data.added_color, width=0.8, label="added")
    axes.bar(
        *(dates, -dropped),
        color=VERMILION,
        width=0.8,
        label="dropped",
        hatch="///",
        edgecolor="white",
        linewidth=0,
    )
    net = rows["net_change"].to_numpy()
    axes.plot(dates, net, color=INK, linewidth=1.1, marker=".", markersize=4, label="net")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    missing = _missing_days(data, rows, since)
    _mark_missing(axes, rows, missing)
    style_axes(axes, f"{title}, {data.drawn_name}")
    _format_axes(axes, rows, pd.Timestamp(data.figures.day))
    return _alt_text(data, rows, missing)


def _missing_days(data: ChartData, rows: pd.DataFrame, since: pd.Timestamp) -> list[pd.Timestamp]:
    """The days on which a snapshot was expected and is missing."""
    first = max(rows["baseline_date"].iloc[0], since)
    present = {*rows["date"], rows["baseline_date"].iloc[0]}
    return [
        date
        for date in pd.date_range(first, data.figures.day)
        if date not in present and data.settings.why_no_snapshot(date.date()) is None
    ]


def _mark_missing(axes: Axes, rows: pd.DataFrame, missing: list[pd.Timestamp]) -> None:
    """Mark missing days with a cross, and bars that cover several days with their number."""
    if missing:
        axes.plot(
            *(pd.DatetimeIndex(missing).to_numpy(), np.zeros(len(missing))),
            linestyle="none",
            marker="x",
            color=VERMILION,
            markersize=7 if len(missing) <= _FEW_GAPS else 3,
            markeredgewidth=2 if len(missing) <= _FEW_GAPS else 1,
            label="no snapshot",
            zorder=5,
        )
    for _, row in rows.iterrows():
        if any(row["baseline_date"] < date < row["date"] for date in missing):
            axes.annotate(
                days(int(row["days_since_baseline"])),
                (row["date"], max(row["new_students"], 0)),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                color=MUTED,
                fontsize=TICK - 1.5,
            )


def _format_axes(axes: Axes, rows: pd.DataFrame, last: pd.Timestamp) -> None:
    whole_numbers(axes, lambda value: f"{abs(value):,.0f}")
    # A line of zeros must not lie on the frame.
    high, low = rows["new_students"].max(), -rows["dropped_students"].max()
    room = max(0.08 * (high - low), 0.5)
    axes.set_ylim(low - room, high + room)
    first = max(rows["baseline_date"].iloc[0], last - pd.Timedelta(days=RECENT_DAYS))
    # A few bars must not fill the whole chart.
    span = max((last - first).days, 8)
    date_axis(axes, last.date() - dt.timedelta(span), last.date())
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


def _alt_text(data: ChartData, rows: pd.DataFrame, missing: Sequence[pd.Timestamp]) -> str:
    first, last = rows["date"].iloc[0].date(), rows["date"].iloc[-1].date()
    span = f"on {first}" if first == last else f"from {first} to {last}"
    text = (
        f"Bar chart of daily adds and drops of {data.name} {span}: "
        f"{count(rows['new_students'].sum())} added, {count(rows['dropped_students'].sum())} dropped, "
        f"net {signed(rows['net_change'].sum())}"
    )
    if rows["dropped_students"].max() > 0:
        worst = rows.iloc[int(rows["dropped_students"].argmax())]
        text += f"; most drops on {worst['date'].date()} ({count(worst['dropped_students'])})"
    if missing:
        text += f"; {days(len(missing))} without a snapshot"
    return text + "."
