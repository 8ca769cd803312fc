"""A sheet to draw on: figures without pyplot, texts that stay texts, small PNG files.

Figures are made without pyplot: no global state, no display, and a third of its import time.
"""

import calendar
import datetime as dt
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from enrollment_assets.publishing.reports.colors import INK
from enrollment_assets.publishing.reports.words import count, plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

MUTED, GRID = "#52606d", "#d9dee5"
WIDTH, HEIGHT, DPI = 7.2, 4.0, 132
TITLE, LABEL, TICK = 12, 9.5, 9.5
# Flat colours and the edges of letters: more of them make the file larger, and nothing clearer.
_COLORS = 128
# So many days each get a tick of their own.
_FEW_DAYS, _MOST_TICKS = 21, 8
_EPOCH = dt.date(1970, 1, 1)
# A gap of more days than this is no weekend: a line stops, and begins again.
_LONG_GAP = 10
# How far panels are apart in the dashboard, in pixels.
_MARGIN = 14


def drawn(text: object, most: int = 34) -> str:
    """A name as it can be drawn: no mathtext in it, on one line, and not too long."""
    # A dollar sign begins mathtext; a label that begins with _ is left out of legends.
    name = shortened(plain(text), most).replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def sheet(width: float = WIDTH, height: float = HEIGHT) -> "Figure":
    """An empty figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: "Axes", title: str) -> None:
    """What all panels have in common."""
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=MUTED, labelsize=TICK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def date_axis(axes: "Axes", first: dt.date, last: dt.date) -> None:
    """From one day to another: single days where they are few, Mondays otherwise."""
    span = [first + dt.timedelta(number) for number in range((last - first).days + 1)]
    marked = [day for day in span if day.weekday() == 0] if len(span) > _FEW_DAYS else span
    marked = marked[:: -(-len(marked) // _MOST_TICKS)]
    names = [
        f"{calendar.month_abbr[day.month]} {day.day}" + (f"\n{day.year}" if not place else "")
        for place, day in enumerate(marked)
    ]
    # As numbers: days since 1970, which is what matplotlib makes of dates.
    axes.set_xticks([(day - _EPOCH).days for day in marked], names)
    axes.set_xlim((first - _EPOCH).days - 0.8, (last - _EPOCH).days + 0.8)


def nothing(axes: "Axes", title: str, why: str) -> str:
    """A panel that has nothing to show says so."""
    dress(axes, title)
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
def _glyphs_may_lack() -> Iterator[None]:
    """A sign that no font here has is drawn as a box; that is no news for the log."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def picture(figure: "Figure") -> "Image.Image":
    """The figure as it is drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # noqa: S101 - `sheet` made it
    with _glyphs_may_lack():
        canvas.draw()  # type: ignore[no-untyped-call]
    width, height = canvas.get_width_height()
    seen = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    whole = Image.frombuffer("RGBA", (width, height), seen, "raw", "RGBA", 0, 1)
    return whole.convert("RGB")


def png(image: "Image.Image") -> bytes:
    """The picture as a file; the same picture gives the same bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    image.quantize(_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        buffer, format="png", compress_level=6
    )
    return buffer.getvalue()


def together(header: "Image.Image", panels: "list[Image.Image]", columns: int = 2) -> "Image.Image":
    """Panels side by side under a header."""
    from PIL import Image

    width, height = panels[0].size
    rows = -(-len(panels) // columns)
    sheet_size = (
        columns * width + (columns + 1) * _MARGIN,
        header.size[1] + rows * height + (rows + 1) * _MARGIN,
    )
    whole = Image.new("RGB", sheet_size, "white")
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
    """The picture, so wide."""
    from PIL import Image

    return image.resize(
        (width, round(image.size[1] * width / image.size[0])), Image.Resampling.LANCZOS
    )


def with_gaps(x: Iterable[float], y: Iterable[float]) -> tuple[list[float], list[float]]:
    """The points of a line that stops where days lack, and begins again after them."""
    places, values = [float(v) for v in x], [float(v) for v in y]
    found_x: list[float] = []
    found_y: list[float] = []
    for place, value in zip(places, values, strict=True):
        if found_x and place - found_x[-1] > _LONG_GAP:
            found_x.append(place)
            found_y.append(float("nan"))
        found_x.append(place)
        found_y.append(value)
    return found_x, found_y


def whole_numbers(axes: "Axes", show: Callable[[float], str] = count) -> None:
    """Ticks at whole numbers only, also where there are few."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: show(value))
