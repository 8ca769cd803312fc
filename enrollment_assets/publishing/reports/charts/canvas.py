"""Blank figures to draw on, what their axes have in common, and small PNG files of them.

Figures are made without pyplot, which has global state and takes three times as long to import.
"""

import calendar
import datetime as dt
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from enrollment_assets.publishing.reports.charts.style import GRID, LABEL, MUTED, TICK, TITLE
from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.formatting import count, plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

WIDTH, HEIGHT, DPI = 7.2, 4.0, 132
# Charts have flat colors: more of them would make the file larger and nothing clearer.
_COLORS = 128
# Up to so many days, each has its own tick.
_FEW_DAYS, _MOST_TICKS = 21, 8
_EPOCH = dt.date(1970, 1, 1)
# A longer gap than this interrupts a line.
_LONG_GAP = 10
# Pixels between the panels of the dashboard.
_MARGIN = 14


def drawable(text: object, most: int = 34) -> str:
    """A name that can be drawn: without mathtext, on one line, and not too long."""
    # A dollar sign begins mathtext; matplotlib leaves labels that begin with _ out of legends.
    name = shortened(plain(text), most).replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def blank_figure(width: float = WIDTH, height: float = HEIGHT) -> "Figure":
    """A figure with nothing on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: "Axes", title: str) -> None:
    """Give a chart its title, and the look that all charts share."""
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=MUTED, labelsize=TICK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def date_axis(axes: "Axes", first: dt.date, last: dt.date) -> None:
    """Label a range of days: each day if they are few, Mondays otherwise."""
    span = [first + dt.timedelta(number) for number in range((last - first).days + 1)]
    marked = [day for day in span if day.weekday() == 0] if len(span) > _FEW_DAYS else span
    marked = marked[:: -(-len(marked) // _MOST_TICKS)]
    names = [
        f"{calendar.month_abbr[day.month]} {day.day}" + (f"\n{day.year}" if not place else "")
        for place, day in enumerate(marked)
    ]
    # matplotlib counts days since 1970.
    axes.set_xticks([(day - _EPOCH).days for day in marked], names)
    axes.set_xlim((first - _EPOCH).days - 0.8, (last - _EPOCH).days + 0.8)


def empty_chart(axes: "Axes", title: str, why: str) -> str:
    """Say in the chart why it is empty, and return the same as its alt text."""
    style_axes(axes, title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.text(
        *(0.5, 0.5, why),
        ha="center",
        va="center",
        color=MUTED,
        fontsize=LABEL + 1,
        wrap=True,
        transform=axes.transAxes,
    )
    return f"{title.replace(chr(92), '')}: {why}."


@contextmanager
def _no_glyph_warnings() -> Iterator[None]:
    """Characters that no font has are drawn as boxes; the log need not say so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def rendered(figure: "Figure") -> "Image.Image":
    """The figure as an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # noqa: S101 - `blank_figure` made it
    with _no_glyph_warnings():
        canvas.draw()  # type: ignore[no-untyped-call]
    width, height = canvas.get_width_height()
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    image = Image.frombuffer("RGBA", (width, height), pixels, "raw", "RGBA", 0, 1)
    return image.convert("RGB")


def png(image: "Image.Image") -> bytes:
    """The image as a PNG file; equal images give equal bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    image.quantize(_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        buffer, format="png", compress_level=6
    )
    return buffer.getvalue()


def arranged(header: "Image.Image", panels: "list[Image.Image]", columns: int = 2) -> "Image.Image":
    """Panels in columns under a header."""
    from PIL import Image

    width, height = panels[0].size
    rows = -(-len(panels) // columns)
    size = (
        columns * width + (columns + 1) * _MARGIN,
        header.size[1] + rows * height + (rows + 1) * _MARGIN,
    )
    whole = Image.new("RGB", size, "white")
    whole.paste(header, (_MARGIN, 0))
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        whole.paste(
            panel,
            (
                _MARGIN + column * (width + _MARGIN),
                header.size[1] + row * (height + _MARGIN),
            ),
        )
    return whole


def scaled(image: "Image.Image", width: int) -> "Image.Image":
    """The image at another width."""
    from PIL import Image

    return image.resize(
        (width, round(image.size[1] * width / image.size[0])), Image.Resampling.LANCZOS
    )


def with_gaps(x: Iterable[float], y: Iterable[float]) -> tuple[list[float], list[float]]:
    """The points of a line, with a break wherever days are missing for long."""
    line_x: list[float] = []
    line_y: list[float] = []
    for place, value in zip(map(float, x), map(float, y), strict=True):
        if line_x and place - line_x[-1] > _LONG_GAP:
            line_x.append(place)
            line_y.append(float("nan"))
        line_x.append(place)
        line_y.append(value)
    return line_x, line_y


def whole_numbers(axes: "Axes", show: Callable[[float], str] = count) -> None:
    """Put ticks at whole numbers only, even for small ranges."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: show(value))
