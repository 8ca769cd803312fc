"""Draws all charts of a day as PNG files, each with an alt text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.charts.canvas import blank_figure, png, rendered, scaled
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.continuation import continuation
from enrollment_assets.publishing.reports.charts.daily_changes import daily_changes
from enrollment_assets.publishing.reports.charts.dashboard import dashboard
from enrollment_assets.publishing.reports.charts.pace import pace
from enrollment_assets.publishing.reports.charts.segments import segments
from enrollment_assets.publishing.reports.figures import DayFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Readable in Dagster's UI, and small enough for an event.
_PREVIEW_WIDTH = 720


@dataclass(frozen=True)
class Chart:
    """A chart as a PNG file with its title and alt text."""

    name: str
    title: str
    png: bytes
    alt: str
    preview: bytes = b""

    @property
    def file(self) -> str:
        """The name of its file; people link to trend.png, so the pace chart keeps that name."""
        return "trend.png" if self.name == "pace" else f"{self.name}.png"


def draw_charts(figures: DayFigures, settings: Settings) -> list[Chart]:
    """Pace, daily changes, continuation, segments and, last, the dashboard with a preview."""
    data = ChartData(figures, settings)
    drawings: Sequence[tuple[str, str, Callable[[ChartData, Axes], str]]] = (
        ("pace", "Pace", pace),
        ("daily_changes", "Adds and drops", daily_changes),
        ("continuation", "Continuation", continuation),
        ("segments", "Change by segment", segments),
    )
    charts, panels = [], []
    for name, title, draw in drawings:
        figure = blank_figure()
        alt = draw(data, figure.add_subplot())
        panels.append(rendered(figure))
        charts.append(Chart(name, title, png(panels[-1]), alt))
    # Drawing takes time, so the dashboard uses the panels that are drawn already.
    whole = dashboard(data, panels)
    preview = png(scaled(whole, _PREVIEW_WIDTH))
    alt = " ".join(chart.alt for chart in charts)
    return [*charts, Chart("dashboard", "Dashboard", png(whole), alt, preview)]
