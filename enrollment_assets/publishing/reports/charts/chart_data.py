"""What every chart is drawn from: the day's figures, and the institution's colors and names."""

from dataclasses import dataclass
from functools import cached_property

from enrollment_assets.config import Settings, Term
from enrollment_assets.publishing.reports.charts.canvas import drawable
from enrollment_assets.publishing.reports.colors import SHAPE_CONTRAST, readable
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import label


@dataclass(frozen=True)
class ChartData:
    """The figures of a day, with the settings that decide how they look."""

    figures: DayFigures
    settings: Settings

    @property
    def main(self) -> Term:
        """The term that most of the report is about."""
        return self.figures.main

    @cached_property
    def main_color(self) -> str:
        """The institution's color, dark enough for lines and bars on white."""
        return readable(self.settings.reports.primary_color, least=SHAPE_CONTRAST)

    @cached_property
    def added_color(self) -> str:
        """The color of added students, dark enough for bars on white."""
        return readable(self.settings.reports.accent_color, least=SHAPE_CONTRAST)

    @cached_property
    def drawn_name(self) -> str:
        """The main term's name, to be drawn in a chart."""
        return drawable(self.main.label)

    @cached_property
    def name(self) -> str:
        """The main term's name, for a chart's alt text."""
        return label(self.main)
