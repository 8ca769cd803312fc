"""Renders one day's report as a self-contained HTML page."""

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
from enrollment_assets.publishing.reports.charts.drawing import Chart
from enrollment_assets.publishing.reports.colors import readable, text_on
from enrollment_assets.publishing.reports.formatting import count, label_of, plain
from enrollment_assets.publishing.reports.texts import DaySummary
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import jinja2
    import pandas as pd
else:
    pd = lazy("pandas")
    jinja2 = lazy("jinja2")

# The restated figures that a page lists; it only counts the others.
_LISTED = {
    "total_enrollment": "Headcount",
    "new_students": "New",
    "returning_students": "Returning",
    "dropped_students": "Dropped",
    "moved_students": "Moved",
    "net_change": "Net change",
    "gross_enrollment": "Gross",
}
_RESTATED_MARKS = ("<!-- restated -->", "<!-- /restated -->")
# The background of cards in the light and in the dark color scheme.
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
# A page must stay under 600 KB with its logo and four charts.
_LARGEST_LOGO = 150_000
_ANCHORS = {
    Anchor.starts: "its start",
    Anchor.census: "its census",
    Anchor.registration_opens: "the opening of registration",
}


@dataclass(frozen=True)
class RestatedNote:
    """The figures of a day that changed after they were first reported."""

    since: str
    rows: tuple[dict[str, str], ...]
    others: int


def restated_note(changes: pd.DataFrame, settings: Settings) -> RestatedNote | None:
    """The rows of `report_restatements.sql` as texts, or None if nothing changed."""
    if changes.empty:
        return None
    is_listed = changes["dimension"].isna() & changes["metric"].isin(list(_LISTED))
    since = dt.datetime.fromtimestamp(changes["restated_at"].max(), settings.zone)
    columns = ["term", "metric", "reported", "restated"]
    rows = [
        {
            "term": label_of(term, settings),
            "figure": _LISTED[metric],
            "reported": _figure(reported),
            "restated": _figure(restated),
        }
        for term, metric, reported, restated in changes.loc[is_listed, columns].to_numpy().tolist()
    ]
    return RestatedNote(f"{since:%Y-%m-%d %H:%M}", tuple(rows), int((~is_listed).sum()))


def _figure(value: float | None) -> str:
    """A figure; a day without an accepted snapshot has none."""
    return "none" if pd.isna(value) else count(value)


def mark_page_restated(page: str, restated: RestatedNote | None) -> str:
    """A page that was written earlier, with a note of what was restated since."""
    block = environment().get_template("restated.html.j2").render(restated=restated)
    return replace_block(page, _RESTATED_MARKS, block)


def replace_block(page: str, marks: tuple[str, str], block: str) -> str:
    """A page with another block between two marks; the block itself holds the marks."""
    head, _, rest = page.partition(marks[0])
    _, mark, tail = rest.partition(marks[1])
    return head + block.strip() + tail if mark else page


def render_page(
    summary: DaySummary,
    charts: Sequence[Chart],
    settings: Settings,
    restated: RestatedNote | None = None,
) -> str:
    """The page of one day; it loads nothing from anywhere else."""
    pictures = {
        chart.name: {"alt": chart.alt, "data": base64.b64encode(chart.png).decode("ascii")}
        for chart in charts
    }
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            pictures=pictures,
            restated=restated,
            logo=logo(settings),
            levels=settings.forecast.intervals,
            anchor=_ANCHORS[settings.point_in_time.anchor],
            counts_programs=settings.grain is Grain.registration,
            small_cell=settings.privacy.small_cell,
            **page_style(settings),
        )
    )


def page_style(settings: Settings) -> dict[str, Any]:
    """The institution's colors and vocabulary for a template; the colors are readable on cards."""
    primary = settings.reports.primary_color
    return {
        "primary": primary,
        "on_primary": text_on(primary),
        "accent": settings.reports.accent_color,
        "heading": {name: readable(primary, card) for name, card in _CARDS.items()},
        "cards": _CARDS,
        "vocabulary": {
            name: plain(word) for name, word in settings.vocabulary.model_dump().items()
        },
    }


def logo(settings: Settings) -> str:
    """The logo as a data: address; a report is made without a logo that cannot be shown."""
    try:
        return read_logo(settings)
    except ConfigurationError:
        return ""


def read_logo(settings: Settings) -> str:
    """The same; empty if none is configured.

    Raises:
        ConfigurationError: if the logo cannot be shown, with what to do.
    """
    if settings.reports.logo is None:
        return ""
    path = settings.base / settings.reports.logo
    kind = _LOGO_KINDS.get(path.suffix.lower())
    if kind is None:
        raise ConfigurationError(
            f"reports.logo is {path}, which is not a picture; use a picture that ends "
            f"in {', '.join(_LOGO_KINDS)}."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"reports.logo is {path}, which cannot be read ({error.strerror}); correct or remove it."
        ) from None
    if len(content) > _LARGEST_LOGO:
        raise ConfigurationError(
            f"reports.logo is {path}, which has {len(content):,} bytes; use one of at most "
            f"{_LARGEST_LOGO:,}, since every report holds it."
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The templates, which escape every text."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("enrollment_assets.publishing.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["unbroken_dates"] = _unbroken_dates
    return templates


def _unbroken_dates(text: str) -> Markup:
    """The escaped text, in which no line breaks at a hyphen of a date."""
    return Markup(_DATE.sub(r'<span class="whole">\g<0></span>', str(escape(text))))  # noqa: S704
