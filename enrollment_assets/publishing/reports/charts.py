"""The charts of one day as PNG files, with a text for those who cannot see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports import canvas
from enrollment_assets.publishing.reports.canvas import drawn
from enrollment_assets.publishing.reports.colors import INK, TEXT_CONTRAST, readable
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.movement import continuation, daily_changes
from enrollment_assets.publishing.reports.pace import trend
from enrollment_assets.publishing.reports.scene import Scene
from enrollment_assets.publishing.reports.segment_bars import segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

# Readable in Dagster's UI, and small enough for an event.
_PREVIEW_WIDTH = 720


@dataclass(frozen=True)
class Chart:
    """A picture and what it says."""

    name: str
    title: str
    png: bytes
    alt: str
    preview: bytes = b""


def draw_charts(figures: DayFigures, settings: Settings) -> list[Chart]:
    """The trend, daily changes, continuation, segments and, last, the dashboard with a preview."""
    scene = Scene(figures, settings)
    panels: Sequence[tuple[str, str, Callable[[Scene, Axes], str]]] = (
        ("trend", "Pace", trend),
        ("daily_changes", "Added and dropped", daily_changes),
        ("continuation", "Continuation", continuation),
        ("segments", "What the change is made of", segments),
    )
    charts, pictures = [], []
    for name, title, draw in panels:
        sheet = canvas.sheet()
        alt = draw(scene, sheet.add_subplot())
        pictures.append(canvas.picture(sheet))
        charts.append(Chart(name, title, canvas.png(pictures[-1]), alt))
    # Drawing is what takes time: the dashboard is put together of what was drawn.
    whole = canvas.together(_header(scene), pictures)
    preview = canvas.png(canvas.scaled(whole, _PREVIEW_WIDTH))
    alt = " ".join(chart.alt for chart in charts)
    return [*charts, Chart("dashboard", "Dashboard", canvas.png(whole), alt, preview)]


def _header(scene: Scene) -> "Image.Image":
    """The dashboard's title: whose figures, and of which day."""
    sheet = canvas.sheet(2 * canvas.WIDTH, 0.62)
    color = readable(scene.settings.reports.primary_color, least=TEXT_CONTRAST)
    name = drawn(scene.settings.institution.name, 70)
    sheet.text(0.008, 0.4, name, fontsize=17, fontweight="bold", color=color, va="center")
    when = f"{drawn(scene.settings.vocabulary.enrollment.capitalize())} as of {scene.figures.day}"
    sheet.text(0.992, 0.4, when, fontsize=13, color=INK, va="center", ha="right")
    return canvas.picture(sheet)
