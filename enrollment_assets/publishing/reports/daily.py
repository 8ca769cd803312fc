"""Makes and publishes the charts and the page of one day."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.charts.drawing import Chart, draw_charts
from enrollment_assets.publishing.reports.figures import read_figures, read_frame
from enrollment_assets.publishing.reports.page import (
    RestatedNote,
    mark_page_restated,
    render_page,
    restated_note,
)
from enrollment_assets.publishing.reports.pictures import embed_texts
from enrollment_assets.publishing.reports.restatements import remember_reported
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.publishing.reports.summary import summary
from enrollment_assets.publishing.reports.texts import DaySummary
from enrollment_assets.support.files import make_private_folder, replace
from enrollment_assets.warehouse.transactions import transaction


@dataclass(frozen=True)
class Published:
    """A day's page, its texts and charts, and a small picture of its dashboard."""

    page: Path
    preview: bytes
    alt: str
    charts: tuple[Chart, ...]
    summary: DaySummary


def publish_day(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> Published | None:
    """Write the charts and the page of a day; None if it has no accepted snapshot.

    Call `refresh_site` afterward, once for many days, for the list of reports and their links.
    """
    figures = read_figures(connection, settings, day)
    if figures is None:
        return None
    texts = summary(figures, settings)
    charts = draw_charts(figures, settings)
    for chart in charts:
        _publish_file(settings, day, chart.file, embed_texts(chart.png, chart.title, chart.alt))
    html = render_page(texts, charts, settings, _restated(connection, settings, day))
    # The figures count as reported as soon as the page exists.
    with transaction(connection):
        remember_reported(connection, settings, day)
        page = _publish_file(settings, day, "report.html", html.encode())
    dashboard = charts[-1]
    return Published(page, dashboard.preview, dashboard.alt, tuple(charts), texts)


def mark_restated(
    connection: duckdb.DuckDBPyConnection, settings: Settings, days: Iterable[dt.date]
) -> None:
    """Say on the pages of these days, and in the list, that their figures were restated."""
    for day in days:
        path = settings.report_path(day) / "report.html"
        restated = _restated(connection, settings, day)
        page = mark_page_restated(path.read_text(encoding="utf-8"), restated)
        _publish_file(settings, day, path.name, page.encode())
    refresh_site(connection, settings)


def _restated(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> RestatedNote | None:
    rows = read_frame(connection, settings, "report_restatements", day=day)
    return restated_note(rows, settings)


def _publish_file(settings: Settings, day: dt.date, name: str, content: bytes) -> Path:
    """Put a file into the day's folder; readers see the old one or the new one, never half."""
    return replace(make_private_folder(settings.report_path(day)) / name, content)
