"""One day's report as a self-contained HTML page."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from enrollment_assets.config import Grain, Settings
from enrollment_assets.config.sections import Anchor
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.publishing.reports.charts import Chart
from enrollment_assets.publishing.reports.colors import readable, text_on
from enrollment_assets.publishing.reports.summary import DaySummary
from enrollment_assets.publishing.reports.words import count, label_of, plain
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import jinja2
    import pandas as pd
else:
    pd = lazy("pandas")
    jinja2 = lazy("jinja2")

# What a page says of restated figures; rates follow from these.
_RESTATED = {
    "total_enrollment": "Headcount",
    "new_students": "New",
    "returning_students": "Returning",
    "dropped_students": "Dropped",
    "moved_students": "Moved",
    "net_change": "Net change",
    "gross_enrollment": "Gross",
}
_RESTATED_MARKS = ("<!-- restated -->", "<!-- /restated -->")
# What cards are made of, in a light room and in a dark one.
_CARDS = {"light": "#ffffff", "dark": "#1c242d"}
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_LOGO_KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
# A page of 600 KB is to hold it beside four charts.
_LARGEST_LOGO = 150_000
_ANCHORS = {
    Anchor.starts: "its start",
    Anchor.census: "its census",
    Anchor.registration_opens: "the opening of its registration",
}


@dataclass(frozen=True)
class Restated:
    """What changed since the report of a day was first written."""

    since: str
    rows: tuple[dict[str, str], ...]
    others: int


def restated_figures(found: pd.DataFrame, settings: Settings) -> Restated | None:
    """The rows of `report_restatements.sql` in words, or None where nothing changed."""
    if found.empty:
        return None
    is_shown = found["dimension"].isna() & found["metric"].isin(list(_RESTATED))
    since = dt.datetime.fromtimestamp(found["restated_at"].max(), settings.zone)
    columns = ["term", "metric", "reported", "restated"]
    rows = [
        {
            "term": label_of(term, settings),
            "figure": _RESTATED[metric],
            "reported": _shown(reported),
            "restated": _shown(restated),
        }
        for term, metric, reported, restated in found.loc[is_shown, columns].to_numpy().tolist()
    ]
    return Restated(f"{since:%Y-%m-%d %H:%M}", tuple(rows), int((~is_shown).sum()))


def _shown(value: float | None) -> str:
    """A figure; a day that was thrown out has none."""
    return "none" if pd.isna(value) else count(value)


def with_restated(page: str, restated: Restated | None) -> str:
    """A page that was written earlier, with what was restated since."""
    block = environment().get_template("restated.html.j2").render(restated=restated)
    return with_block(page, _RESTATED_MARKS, block)


def with_block(page: str, marks: tuple[str, str], block: str) -> str:
    """A page with other text between two marks, which the block brings along."""
    head, _, rest = page.partition(marks[0])
    _, mark, tail = rest.partition(marks[1])
    return head + block.strip() + tail if mark else page


def render_page(
    told: DaySummary,
    charts: Sequence[Chart],
    settings: Settings,
    restated: Restated | None = None,
) -> str:
    """The page of one day; nothing in it comes from outside of it."""
    pictures = {
        chart.name: {"alt": chart.alt, "data": base64.b64encode(chart.png).decode("ascii")}
        for chart in charts
    }
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            told=told,
            pictures=pictures,
            restated=restated,
            logo=logo(settings),
            levels=settings.forecast.intervals,
            anchor=_ANCHORS[settings.point_in_time.anchor],
            counts_programs=settings.grain is Grain.registration,
            small_cell=settings.privacy.small_cell,
            **look(settings),
        )
    )


def look(settings: Settings) -> dict[str, Any]:
    """Colours and words of the institution, for a template; the colours can be read on their cards."""
    primary = settings.reports.primary_color
    return {
        "primary": primary,
        "on_primary": text_on(primary),
        "accent": settings.reports.accent_color,
        "heading": {name: readable(primary, card) for name, card in _CARDS.items()},
        "cards": _CARDS,
        "words": {name: plain(word) for name, word in settings.vocabulary.model_dump().items()},
    }


def logo(settings: Settings) -> str:
    """The institution's logo as an address that holds it; no report waits for one that is wrong."""
    try:
        return read_logo(settings)
    except ConfigurationError:
        return ""


def read_logo(settings: Settings) -> str:
    """The same, or nothing where none is configured.

    Raises:
        ConfigurationError: if it cannot be shown, with what to do.
    """
    if settings.reports.logo is None:
        return ""
    path = settings.base / settings.reports.logo
    kind = _LOGO_KINDS.get(path.suffix.lower())
    if kind is None:
        raise ConfigurationError(
            f"reports.logo is {path}; use a picture that ends in {', '.join(_LOGO_KINDS)}."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"reports.logo is {path}, which cannot be read ({error.strerror}); reports go without."
        ) from None
    if len(content) > _LARGEST_LOGO:
        raise ConfigurationError(
            f"reports.logo is {path} with {len(content):,} bytes; use one of {_LARGEST_LOGO:,} at "
            "most, since every report holds it."
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The templates; every text that goes into one is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("enrollment_assets.publishing.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["dates_whole"] = _dates_whole
    return templates


def _dates_whole(text: str) -> Markup:
    """The text, escaped, in which no line ends at a hyphen of a date."""
    return Markup(_DATE.sub(r'<span class="whole">\g<0></span>', str(escape(text))))  # noqa: S704
