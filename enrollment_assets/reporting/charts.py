"""The charts of one day as PNG files, with a text for those who cannot see them.

Figures are made without pyplot: no global state, no display, and a third of its import time.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from enrollment_assets.config import Settings, Term
from enrollment_assets.reporting.figures import DayFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Days of adds and drops to show: six weeks make the rhythm of the week visible.
_RECENT_DAYS = 42
_MOST_SEGMENTS = 10
_DPI = 110
# Readable in Dagster's UI, and small enough for an event.
_PREVIEW_DPI = 55
# Told apart by people with any colour vision, and by their dashes without colour.
_SERIES = (("-", 2.2), ("--", 2.0), ("-.", 2.0), (":", 2.2))
_INK, _MUTED, _GRID = "#1f2933", "#5f6c7b", "#d9dee5"
_DOWN = "#b3541e"


@dataclass(frozen=True)
class Chart:
    """A picture and what it says."""

    name: str
    title: str
    png: bytes
    alt: str
    preview: bytes = b""


def draw_charts(figures: DayFigures, settings: Settings) -> list[Chart]:
    """The trend, daily changes, continuation and, last, the dashboard with a small preview."""
    artist = _Artist(figures, settings)
    panels: Sequence[tuple[str, str, Callable[[Any], str]]] = (
        ("trend", "Enrollment", artist.trend),
        ("daily_changes", "Added and dropped each day", artist.daily_changes),
        ("continuation", "Continuation", artist.continuation),
    )
    charts = []
    for name, title, draw in panels:
        figure = artist.figure(8.4, 4.2)
        alt = draw(figure.add_subplot())
        charts.append(Chart(name, title, artist.png(figure, _DPI), alt))
    figure = artist.figure(13, 8.2)
    axes = figure.subplots(2, 2)
    parts = [
        artist.trend(axes[0][0]),
        artist.daily_changes(axes[0][1]),
        artist.continuation(axes[1][0]),
        artist.segments(axes[1][1]),
    ]
    figure.suptitle(
        f"{settings.institution.name}: {settings.vocabulary.enrollment} on {figures.day}",
        color=settings.reports.primary_color,
        fontsize=15,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    picture = artist.png(figure, _DPI)
    figure.set_layout_engine("none")  # the preview keeps the places that were found
    preview = artist.png(figure, _PREVIEW_DPI)
    charts.append(Chart("dashboard", "Dashboard", picture, " ".join(parts), preview))
    return charts


class _Artist:
    def __init__(self, figures: DayFigures, settings: Settings) -> None:
        self._figures = figures
        self._settings = settings
        self._primary = settings.reports.primary_color
        self._accent = settings.reports.accent_color

    def figure(self, width: float, height: float) -> "Figure":
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        return figure

    def png(self, figure: "Figure", dpi: int) -> bytes:
        buffer = io.BytesIO()
        # No time of making in the file: the same figures give the same bytes.
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        return buffer.getvalue()

    def _dress(self, axes: "Axes", title: str) -> None:
        axes.set_title(title, loc="left", fontsize=11, color=_INK, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_GRID)
        axes.tick_params(colors=_MUTED, labelsize=9)
        axes.grid(axis="y", color=_GRID, linewidth=0.7)
        axes.set_axisbelow(True)

    def _date_axis(self, axes: "Axes") -> None:
        """Ticks that suit three days and ten years alike."""
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(
            ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        )

    def _nothing(self, axes: "Axes", title: str, why: str) -> str:
        self._dress(axes, title)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, why, ha="center", va="center", color=_MUTED, transform=axes.transAxes)
        return f"{title}: {why}."

    def _colors(self) -> list[str]:
        # The newest term in the institution's colour; then ones that stay apart from it and each
        # other for every kind of colour vision (after Okabe and Ito, 2008).
        return [self._primary, "#d55e00", "#0072b2", "#009e73"]

    def _styles(self) -> list[tuple[Term, str, str, float]]:
        newest_first = list(reversed(self._figures.terms))
        return [
            (term, color, dash, width)
            for term, color, (dash, width) in zip(
                newest_first, self._colors(), _SERIES, strict=False
            )
        ]

    def trend(self, axes: "Axes") -> str:
        """Headcount of each open term since its registration opened."""
        words = []
        for term, color, dash, width in self._styles():
            rows = self._figures.of(term)
            axes.plot(
                rows["date"],
                rows["total_enrollment"],
                dash,
                color=color,
                linewidth=width,
                marker="o" if len(rows) == 1 else None,
                label=term.label,
            )
            axes.annotate(
                f"{rows['total_enrollment'].iloc[-1]:,}",
                (rows["date"].iloc[-1], rows["total_enrollment"].iloc[-1]),
                xytext=(4, 4),
                textcoords="offset points",
                color=color,
                fontsize=9,
                fontweight="bold",
                annotation_clip=False,
            )
            words.append(
                f"{term.label} went from {rows['total_enrollment'].iloc[0]:,} on "
                f"{rows['date'].iloc[0].date()} to {rows['total_enrollment'].iloc[-1]:,} on "
                f"{rows['date'].iloc[-1].date()}."
            )
        self._dress(axes, f"{self._settings.vocabulary.enrollment.capitalize()} by day")
        self._date_axis(axes)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.margins(x=0.02)
        axes.legend(frameon=False, fontsize=9, loc="best", labelcolor=_INK)
        return "Line chart of the headcount by day. " + " ".join(words)

    def _recent(self) -> pd.DataFrame:
        """Adds and drops of the last weeks, all open terms together, by day."""
        codes = [term.code for term in self._figures.terms]
        history = self._figures.history
        since = pd.Timestamp(self._figures.day) - pd.Timedelta(days=_RECENT_DAYS)
        rows = history[history["term"].isin(codes) & (history["date"] > since)]
        rows = rows[rows["baseline_date"].notna()]
        return rows.groupby("date")[["new_students", "dropped_students", "net_change"]].sum()

    def daily_changes(self, axes: "Axes") -> str:
        """Added students upwards, dropped ones downwards, and the net change."""
        from matplotlib.ticker import MaxNLocator

        title = "Added and dropped"
        rows = self._recent()
        if rows.empty:
            return self._nothing(axes, title, "no two snapshots to compare yet")
        axes.bar(rows.index, rows["new_students"], color=self._accent, width=0.8, label="added")
        axes.bar(
            rows.index,
            -rows["dropped_students"],
            color=_DOWN,
            width=0.8,
            label="dropped",
            hatch="//",
            edgecolor="white",
            linewidth=0,
        )
        axes.plot(
            rows.index, rows["net_change"], color=_INK, linewidth=1.2, marker=".", label="net"
        )
        axes.axhline(0, color=_MUTED, linewidth=0.8)
        self._dress(axes, title)
        self._date_axis(axes)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
        # Bars stick to zero; a line of zeros must not lie on the frame.
        high, low = rows["new_students"].max(), -rows["dropped_students"].max()
        room = 0.08 * max(high - low, 1)
        axes.set_ylim(low - room, high + room)
        axes.legend(
            frameon=False,
            fontsize=9,
            ncols=3,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderpad=0,
        )
        worst = pd.Timestamp(rows.index[int(rows["dropped_students"].argmax())])
        return (
            f"Bar chart of the last {len(rows)} days with a comparison: {rows['new_students'].sum():,} "
            f"added and {rows['dropped_students'].sum():,} dropped, most of them on {worst.date()} "
            f"({rows['dropped_students'].max():,})."
        )

    def continuation(self, axes: "Axes") -> str:
        """Share of the census cohort still enrolled, beside its target; day over day before."""
        target = self._settings.reports.continuation_target
        since_census = self._figures.continuation
        if len(since_census):
            rows, value = since_census, "continuation_pct"
            title = "Continuation since census"
        else:
            newest = self._figures.of(self._figures.terms[-1])
            rows, value = newest[newest["baseline_date"].notna()], "retention_rate"
            title = "Day-over-day continuation (before census)"
        if rows.empty:
            return self._nothing(axes, "Continuation", "no two snapshots to compare yet")
        words = []
        for term, color, dash, width in self._styles():
            of_term = rows[rows["term"] == term.code]
            if of_term.empty:
                continue
            axes.plot(
                of_term["date"],
                of_term[value],
                dash,
                color=color,
                linewidth=width,
                marker="o" if len(of_term) == 1 else None,
                label=term.label,
            )
            words.append(f"{term.label} stands at {of_term[value].iloc[-1]:.1f} %.")
        axes.axhline(target, color=_DOWN, linewidth=1.3, linestyle=(0, (5, 3)))
        axes.annotate(
            f"target {target:g} %",
            (0.01, target),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            color=_DOWN,
            fontsize=9,
        )
        low = min(float(rows[value].min()), target)
        axes.set_ylim(low - max(0.6, (100 - low) * 0.15), 100 + max(0.3, (100 - low) * 0.08))
        axes.yaxis.set_major_formatter("{x:.4g} %")
        self._dress(axes, title)
        self._date_axis(axes)
        axes.legend(frameon=False, fontsize=9, loc="best", labelcolor=_INK)
        return f"Line chart. {title}: {' '.join(words)} The target is {target:g} %."

    def segments(self, axes: "Axes") -> str:
        """The largest segments of the newest term, in the most telling dimension."""
        dimensions = self._settings.dimensions
        term = self._figures.terms[-1]
        dimension = "program" if "program" in dimensions else next(iter(dimensions), None)
        rows = self._figures.segments
        rows = rows[(rows["term"] == term.code) & (rows["dimension"] == dimension)]
        title = f"Largest segments by {dimension}, {term.label}"
        if rows.empty:
            return self._nothing(axes, title, "no segment is large enough to be shown")
        rows = rows.head(_MOST_SEGMENTS).iloc[::-1]
        names = [text if len(text) <= 28 else text[:27] + "…" for text in rows["segment"]]  # noqa: PLR2004
        bars = axes.barh(names, rows["total_enrollment"], color=self._primary, height=0.7)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=9, color=_INK)
        self._dress(axes, title)
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.margins(x=0.12)
        largest = rows.iloc[-1]
        return (
            f"Bar chart of the {len(rows)} largest segments by {dimension} in {term.label}, led by "
            f"{largest['segment']} with {largest['total_enrollment']:,}."
        )
