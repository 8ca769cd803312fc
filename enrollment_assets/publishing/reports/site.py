"""Lists all reports, and links each report to the one before and the one after it.

Everything follows from the pages on disk, in whatever order they were written and however an earlier
run ended. A page that is already correct is not written again.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from markupsafe import Markup

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.formatting import count, label_of, plain, signed
from enrollment_assets.publishing.reports.page import environment, logo, page_style, replace_block
from enrollment_assets.publishing.reports.texts import OK, PROVISIONAL
from enrollment_assets.support.files import replace
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

# Spelled as in the pages that are already on disk.
_MARKS = ("<!-- neighbours -->", "<!-- /neighbours -->")
# The links come after the styles and before everything that can be long.
_HEAD_BYTES = 16_384
_SEARCH = """
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map(row => row.textContent.toLowerCase());
const box = document.getElementById("search"), matches = document.getElementById("matches");
if (box) {
  document.getElementById("finder").hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every(word => texts[place].includes(word));
      count += !row.hidden;
    });
    matches.textContent = `${count} of ${rows.length} reports`;
  });
}
"""


@dataclass(frozen=True)
class IndexTerm:
    """One term of a day in the list."""

    label: str
    headcount: str
    net: str


@dataclass(frozen=True)
class IndexRow:
    """One day in the list."""

    day: dt.date
    status: str
    terms: tuple[IndexTerm, ...]


def refresh_site(connection: duckdb.DuckDBPyConnection | None, settings: Settings) -> Path | None:
    """Link and list the pages on disk; None if there has never been a report."""
    folder = settings.data_path / "reports"
    if not folder.is_dir():
        return None
    days = report_days(folder)
    _link(folder, days)
    text = render_index(index_rows(connection, settings, days), settings)
    return replace(folder / "index.html", text.encode())


def report_days(folder: Path) -> list[dt.date]:
    """The days that have a page, sorted."""
    days = []
    for page in folder.glob("????-??-??/report.html"):
        try:
            days.append(dt.date.fromisoformat(page.parent.name))
        except ValueError:
            continue  # not a folder of ours
    return sorted(days)


def _link(folder: Path, days: Sequence[dt.date]) -> None:
    """Link each page to its neighbors; it keeps its time of change, since its figures are the same."""
    template = environment().get_template("neighbors.html.j2")
    for previous, day, following in zip([None, *days], days, [*days[1:], None], strict=False):
        block = template.render(previous=previous, next=following).strip()
        path = folder / str(day) / "report.html"
        with path.open("rb") as page:
            head = page.read(_HEAD_BYTES).decode("utf-8", errors="ignore")
        if block not in head and _MARKS[0] in head:
            page_text = replace_block(path.read_text(encoding="utf-8"), _MARKS, block)
            replace(path, page_text.encode(), keeps_time=True)


def index_rows(
    connection: duckdb.DuckDBPyConnection | None, settings: Settings, days: Sequence[dt.date]
) -> list[IndexRow]:
    """The rows of the list, newest day first, with the current figures."""
    terms: dict[dt.date, list[IndexTerm]] = {}
    problems: set[dt.date] = set()
    restated: set[dt.date] = set()
    for date, term, total, net, problem, is_restated in _figures(connection, settings, days):
        if problem:
            problems.add(date)
        if is_restated:
            restated.add(date)
        if total is not None:
            change = "first snapshot" if net is None else signed(net)
            terms.setdefault(date, []).append(
                IndexTerm(label_of(term, settings), count(total), change)
            )
    return [
        IndexRow(
            day,
            (PROVISIONAL if day in problems else OK) + (", restated" if day in restated else ""),
            tuple(terms.get(day, ())),
        )
        for day in reversed(days)
    ]


def _figures(
    connection: duckdb.DuckDBPyConnection | None, settings: Settings, days: Sequence[dt.date]
) -> list[tuple[dt.date, str, int | None, int | None, str | None, bool]]:
    if connection is None or not days:
        return []
    with plain_errors("Reading the list of reports"):
        return connection.execute(
            statement("report_index", settings), {"first": days[0], "last": days[-1]}
        ).fetchall()


def render_index(rows: Sequence[IndexRow], settings: Settings) -> str:
    """The list as a page; the search needs a script, the list does not."""
    digest = base64.b64encode(hashlib.sha256(_SEARCH.encode()).digest()).decode("ascii")
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            institution=plain(settings.institution.name),
            rows=rows,
            logo=logo(settings),
            # the only text that is not escaped: the constant above
            script=Markup(_SEARCH),  # noqa: S704
            script_hash=f"sha256-{digest}",
            **page_style(settings),
        )
    )
