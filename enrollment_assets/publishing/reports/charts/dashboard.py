"""The dashboard: all charts of a day in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment_assets.publishing.reports.charts.canvas import (
    WIDTH,
    arranged,
    blank_figure,
    drawable,
    rendered,
)
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.colors import INK, TEXT_CONTRAST, readable

if TYPE_CHECKING:
    from PIL import Image


def dashboard(data: ChartData, panels: list[Image.Image]) -> Image.Image:
    """Arrange charts that are drawn already under a header."""
    return arranged(_header(data), panels)


def _header(data: ChartData) -> Image.Image:
    """The institution and the day."""
    figure = blank_figure(2 * WIDTH, 0.62)
    color = readable(data.settings.reports.primary_color, least=TEXT_CONTRAST)
    name = drawable(data.settings.institution.name, 70)
    figure.text(0.008, 0.4, name, fontsize=17, fontweight="bold", color=color, va="center")
    topic = drawable(data.settings.vocabulary.enrollment.capitalize())
    day = f"{topic} as of {data.figures.day}"
    figure.text(0.992, 0.4, day, fontsize=13, color=INK, va="center", ha="right")
    return rendered(figure)
