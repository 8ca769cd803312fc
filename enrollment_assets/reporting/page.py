"""One day's report as a self-contained HTML page."""

import base64
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
import pandas as pd

from enrollment_assets.config import Settings, Term
from enrollment_assets.reporting.charts import Chart
from enrollment_assets.reporting.figures import DayFigures


@dataclass(frozen=True)
class Tile:
    """One figure with what it is compared with."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TermSection:
    """What the page says of one open term."""

    term: Term
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]
    row: dict[str, Any]


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
_MARKS = ("<!-- restated -->", "<!-- /restated -->")


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
            "term": settings.terms_by_code[term].label if term in settings.terms_by_code else term,
            "figure": _RESTATED[metric],
            "reported": _shown(reported),
            "restated": _shown(restated),
        }
        for term, metric, reported, restated in found.loc[is_shown, columns].to_numpy().tolist()
    ]
    return Restated(f"{since:%Y-%m-%d %H:%M}", tuple(rows), int((~is_shown).sum()))


def _shown(value: float | None) -> str:
    """A figure with a true minus; a day that was thrown out has none."""
    return "none" if pd.isna(value) else f"{value:,.0f}".replace("-", "\u2212")


def with_restated(page: str, restated: Restated | None) -> str:
    """A page that was written earlier, with what was restated since."""
    block = _environment().get_template("restated.html.j2").render(restated=restated)
    head, _, rest = page.partition(_MARKS[0])
    _, mark, tail = rest.partition(_MARKS[1])
    return head + block.strip() + tail if mark else page


def signed(value: float) -> str:
    """A number with its sign, and a true minus."""
    text = f"{abs(value):,.0f}"
    return f"+{text}" if value > 0 else f"\u2212{text}" if value < 0 else "0"


def render_page(
    figures: DayFigures,
    charts: Sequence[Chart],
    settings: Settings,
    restated: Restated | None = None,
) -> str:
    """The page of one day; nothing in it comes from outside of it."""
    pictures = [
        {
            "title": chart.title,
            "alt": chart.alt,
            "data": base64.b64encode(chart.png).decode("ascii"),
        }
        for chart in charts
        if chart.name != "dashboard"
    ]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            institution=settings.institution.name,
            day=figures.day,
            words=settings.vocabulary,
            primary=settings.reports.primary_color,
            accent=settings.reports.accent_color,
            sections=[_section(figures, term, settings) for term in reversed(figures.terms)],
            pictures=pictures,
            restated=restated,
            small_cell=settings.privacy.small_cell,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("enrollment_assets", "reporting/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _section(figures: DayFigures, term: Term, settings: Settings) -> TermSection:
    now = figures.latest(term)
    same_point = figures.same_point[figures.same_point["term"] == term.code]
    past = None if same_point.empty else same_point.iloc[0]
    since = "" if pd.isna(now["baseline_date"]) else f"since {now['baseline_date'].date()}"
    words = settings.vocabulary
    tiles = [
        Tile("Headcount", f"{now['total_enrollment']:,}", _compared(now, past, settings)),
        Tile("Net change", signed(now["net_change"]), since),
        Tile(f"New {words.students}", f"{now['new_students']:,}", _returning(now)),
        Tile(f"Dropped {words.students}", f"{now['dropped_students']:,}", since),
        Tile("Continuation", f"{now['retention_rate']:.2f} %", "day over day"),
    ]
    return TermSection(
        term=term,
        sentences=_sentences(now, past, term, settings),
        tiles=tuple(tiles),
        row={
            "total": f"{now['total_enrollment']:,}",
            "net": signed(now["net_change"]),
            "moved": f"{now['moved_students']:,}",
            "gross": f"{now['gross_enrollment']:,}",
            "starts": term.starts,
            "census": term.census,
            "past": "" if past is None else f"{past['comparison_total']:,}",
        },
    )


def _compared(now: pd.Series, past: pd.Series | None, settings: Settings) -> str:
    if past is None:
        return ""
    difference = signed(now["total_enrollment"] - past["comparison_total"])
    label = settings.terms_by_code[past["comparison_term"]].label
    return f"{difference} on {label} at the same point"


def _returning(now: pd.Series) -> str:
    return f"{now['returning_students']:,} of them returning" if now["returning_students"] else ""


def _sentences(
    now: pd.Series, past: pd.Series | None, term: Term, settings: Settings
) -> tuple[str, ...]:
    """What a reader should know, computed."""
    words = settings.vocabulary
    said = []
    if pd.isna(now["baseline_date"]):
        said.append(f"This is the first snapshot of {term.label}: there is nothing to compare yet.")
    else:
        gap = int(now["days_since_baseline"])
        before = now["baseline_date"].date()
        said.append(
            f"{term.label} has {now['total_enrollment']:,} {words.students}, "
            f"{signed(now['net_change'])} since {before}"
            + (f" ({gap} days earlier)." if gap > 1 else ".")
        )
    if past is not None:
        share = 100 * (now["total_enrollment"] / past["comparison_total"] - 1)
        label = settings.terms_by_code[past["comparison_term"]].label
        direction = "ahead of" if share >= 0 else "behind"
        said.append(
            f"That is {abs(share):.1f} % {direction} {label} at the same point, "
            f"which had {past['comparison_total']:,} on {past['comparison_date'].date()}."
        )
    said.append(_distance(int(now["days_to_start"]), int(now["days_to_census"]), term))
    return tuple(said)


def _distance(to_start: int, to_census: int, term: Term) -> str:
    def days(count: int, what: str, date: object) -> str:
        unit = "day" if abs(count) == 1 else "days"
        if count > 0:
            return f"{what} is in {count} {unit}, on {date}"
        return f"{what} was {-count} {unit} ago, on {date}" if count else f"{what} is today"

    first, second = (
        days(to_start, "the start", term.starts),
        days(to_census, "the census", term.census),
    )
    return f"{first[0].upper()}{first[1:]}; {second}."
