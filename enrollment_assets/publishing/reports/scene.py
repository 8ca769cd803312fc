"""What every panel of the charts needs: the day's figures, and the institution's colours and names."""

from dataclasses import dataclass
from functools import cached_property

from enrollment_assets.config import Settings, Term
from enrollment_assets.publishing.reports.canvas import drawn
from enrollment_assets.publishing.reports.colors import SHAPE_CONTRAST, readable
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.words import label

# Days of adds and drops to show: six weeks make the rhythm of the week visible.
RECENT_DAYS = 42
# Earlier terms in grey, told apart by their dashes.
EARLIER_DASHES = ((0, (6, 2)), (0, (2, 1.5)), (0, (5, 2, 1, 2)))
GREYS = ("#6b7785", "#7b8794", "#8d98a4")
# Other open terms in the institution's colour, thinner.
OTHER_DASHES = ("--", "-.", ":")
# Vermilion of Okabe and Ito (2008), darkened: apart from blues and greens for every colour vision.
DOWN = "#b3541e"


@dataclass(frozen=True)
class Scene:
    """The figures of a day with the settings that they are drawn by."""

    figures: DayFigures
    settings: Settings

    @property
    def main(self) -> Term:
        """The term that most of the report is about."""
        return self.figures.main

    @cached_property
    def primary(self) -> str:
        """The institution's colour, as lines and bars on white can have it."""
        return readable(self.settings.reports.primary_color, least=SHAPE_CONTRAST)

    @cached_property
    def up(self) -> str:
        """The colour of what is added."""
        return readable(self.settings.reports.accent_color, least=SHAPE_CONTRAST)

    @cached_property
    def name(self) -> str:
        """The main term's name, to be drawn."""
        return drawn(self.main.label)

    @cached_property
    def said(self) -> str:
        """The main term's name, to be said in a chart's text."""
        return label(self.main)
