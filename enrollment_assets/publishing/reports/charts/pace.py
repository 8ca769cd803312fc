"""The pace chart: the main term beside earlier ones at the same distance, with its forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment_assets.config import Term
from enrollment_assets.config.sections import Anchor
from enrollment_assets.publishing.reports.charts.canvas import (
    drawable,
    style_axes,
    whole_numbers,
    with_gaps,
)
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.style import (
    EARLIER_DASHES,
    GRAYS,
    LABEL,
    MUTED,
    OTHER_DASHES,
    TICK,
)
from enrollment_assets.publishing.reports.colors import INK, readable
from enrollment_assets.publishing.reports.formatting import count, label
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
else:
    pd = lazy("pandas")


# An axis shorter than a week would make a few days look like many.
_FEWEST_DAYS = 6


def pace(data: ChartData, axes: Axes) -> str:
    """Draw the main term's curve, those of other terms and the forecast; return the alt text."""
    rows = data.figures.history_of(data.main)
    texts = [
        _main_curve(data, axes, rows),
        *_earlier_curves(data, axes),
        *_other_curves(data, axes),
        _forecast(data, axes, rows),
    ]
    _mark_dates(data, axes)
    style_axes(axes, f"Pace of {data.drawn_name}")
    _format_axes(data, axes)
    _write_headcount(data, axes, rows)
    axes.legend(frameon=False, fontsize=TICK, loc="best", labelcolor=INK, handlelength=2.8)
    start = f"Line chart of the headcount of {data.name} by {_axis_text(data)}."
    return " ".join([start, *texts])


def _x(data: ChartData, term: Term, dates: pd.Series[pd.Timestamp]) -> pd.Series[int]:
    """Days from the anchor date; negative before it."""
    anchor = pd.Timestamp(getattr(term, data.settings.point_in_time.anchor.value))
    numbers: pd.Series[int] = (dates - anchor).dt.days
    return numbers


def _x_of(data: ChartData, date: object) -> int:
    """The same for one date of the main term."""
    return int(_x(data, data.main, pd.Series([pd.Timestamp(str(date))])).iloc[0])


def _main_curve(data: ChartData, axes: Axes, rows: pd.DataFrame) -> str:
    x, totals = with_gaps(_x(data, data.main, rows["date"]), rows["total_enrollment"])
    is_single = len(rows) == 1
    axes.plot(
        *(x, totals, "-"),
        color=data.main_color,
        linewidth=2.8,
        marker="o" if is_single else None,
        label=data.drawn_name,
        zorder=5,
    )
    first, last = rows.iloc[0], rows.iloc[-1]
    axes.plot(
        [x[-1]], [last["total_enrollment"]], "o", color=data.main_color, markersize=6, zorder=6
    )
    if is_single:
        return f"It has {count(last['total_enrollment'])} on {last['date'].date()}, its first snapshot."
    return (
        f"It went from {count(first['total_enrollment'])} on {first['date'].date()} to "
        f"{count(last['total_enrollment'])} on {last['date'].date()}."
    )


def _write_headcount(data: ChartData, axes: Axes, rows: pd.DataFrame) -> None:
    """Write the day's figure beside its point, where the curve is not in the way."""
    from matplotlib.patheffects import withStroke

    last = rows.iloc[-1]
    x = _x_of(data, last["date"])
    low, high = axes.get_xlim()
    near = rows[_x(data, data.main, rows["date"]) >= x - (high - low) / 8]
    offset, side = (-7, 6), "right"
    if x - low < (high - low) / 6:
        offset, side = (8, -14), "left"
    elif near["total_enrollment"].max() > last["total_enrollment"]:
        offset, side = (6, 8), "left"
    axes.annotate(
        count(last["total_enrollment"]),
        (x, last["total_enrollment"]),
        xytext=offset,
        textcoords="offset points",
        ha=side,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        color=readable(data.main_color),
        fontsize=LABEL + 1,
        fontweight="bold",
        zorder=7,
    )


def _earlier_curves(data: ChartData, axes: Axes) -> list[str]:
    texts = []
    styles = zip(data.figures.earlier, EARLIER_DASHES, GRAYS, strict=False)
    for term, dash, gray in styles:
        rows = data.figures.history_of(term)
        if rows.empty:
            continue
        axes.plot(
            *with_gaps(_x(data, term, rows["date"]), rows["total_enrollment"]),
            linestyle=dash,
            color=gray,
            linewidth=1.7,
            marker="o" if len(rows) == 1 else None,
            markersize=4,
            label=drawable(term.label),
            zorder=3,
        )
        texts.append(_earlier_text(data, term, rows))
    return texts


def _other_curves(data: ChartData, axes: Axes) -> list[str]:
    """Draw the other open terms, each at the distance to its own anchor date."""
    others = [
        term
        for term in data.figures.terms
        if term is not data.main and term not in data.figures.earlier
    ]
    texts = []
    for term, dash in zip(reversed(others), OTHER_DASHES, strict=False):
        rows = data.figures.history_of(term)
        axes.plot(
            *with_gaps(_x(data, term, rows["date"]), rows["total_enrollment"]),
            linestyle=dash,
            color=data.main_color,
            linewidth=1.3,
            marker="o" if len(rows) == 1 else None,
            markersize=4,
            label=drawable(term.label),
            zorder=3,
        )
        last = rows.iloc[-1]
        texts.append(f"{label(term)}, also open, has {count(last['total_enrollment'])}.")
    return texts


def _earlier_text(data: ChartData, term: Term, rows: pd.DataFrame) -> str:
    before = rows[_x(data, term, rows["date"]) <= _x_of(data, data.figures.day)]
    if before.empty:
        return f"{label(term)} had no snapshot this early."
    last = before.iloc[-1]
    return f"{label(term)} had {count(last['total_enrollment'])} on {last['date'].date()}."


def _forecast(data: ChartData, axes: Axes, rows: pd.DataFrame) -> str:
    """Draw the forecast with its ranges, from the day's figure on."""
    forecast = data.figures.forecast_of(data.main).sort_values("target_date")
    if forecast.empty:
        return "There is no forecast."
    last = rows.iloc[-1]
    x = [_x_of(data, last["date"]), *_x(data, data.main, forecast["target_date"])]

    def from_today(column: str) -> list[float]:
        return [float(last["total_enrollment"]), *forecast[column].astype(float)]

    # Only the widest range and the 80% of the texts: more of them would blur.
    widest = max(data.settings.forecast.intervals)
    for level, shade in {widest: 0.16, 80: 0.26}.items():
        axes.fill_between(
            x,
            from_today(f"lower_{level}"),
            from_today(f"upper_{level}"),
            color=data.main_color,
            alpha=shade,
            linewidth=0,
            label=f"{level}% range",
            zorder=2,
        )
    axes.plot(
        *(x, from_today("forecast")),
        linestyle=(0, (1, 1.2)),
        color=data.main_color,
        linewidth=2,
        label="forecast",
        zorder=4,
    )
    return _forecast_text(data, forecast)


def _forecast_text(data: ChartData, forecast: pd.DataFrame) -> str:
    at_census = data.figures.census_forecast(data.main)
    row = forecast.iloc[-1] if at_census is None else at_census
    census = "" if at_census is None else ", its census,"
    return (
        f"The forecast for {row['target_date'].date()}{census} is {count(row['forecast'])}, with an "
        f"80% range of {count(row['lower_80'])} to {count(row['upper_80'])}."
    )


def _mark_dates(data: ChartData, axes: Axes) -> None:
    """Draw census and start as vertical lines."""
    low, high = axes.get_xlim()
    for name, date, dash in (
        ("census", data.main.census, "--"),
        ("start", data.main.starts, "-"),
    ):
        place = _x_of(data, date)
        # A line far away would squeeze the curve into a corner.
        if not low - (high - low) * 0.5 <= place <= high + (high - low) * 0.5:
            continue
        axes.axvline(place, color=MUTED, linewidth=1, linestyle=dash, zorder=1)
        axes.annotate(
            name,
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3 if name == "census" else -3, -2),
            textcoords="offset points",
            ha="left" if name == "census" else "right",
            va="top",
            color=MUTED,
            fontsize=TICK - 0.5,
        )


def _axis_text(data: ChartData) -> str:
    return {
        Anchor.starts: "days before start",
        Anchor.census: "days before census",
        Anchor.registration_opens: "days since registration opened",
    }[data.settings.point_in_time.anchor]


def _format_axes(data: ChartData, axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    counts_down = data.settings.point_in_time.anchor is not Anchor.registration_opens

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
    after = " (+ after)" if counts_down else ""
    axes.set_xlabel(_axis_text(data) + after, color=MUTED, fontsize=LABEL)
    whole_numbers(axes)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1) * 1.04)
    axes.margins(x=0.02)
    low, high = axes.get_xlim()
    if high - low < _FEWEST_DAYS:
        axes.set_xlim(low - 3, high + 3)
