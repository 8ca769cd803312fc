"""Makes and publishes everything that people look at for one day."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.charts import Chart, draw_charts
from enrollment_assets.publishing.reports.figures import read_figures, read_frame
from enrollment_assets.publishing.reports.page import (
    Restated,
    render_page,
    restated_figures,
    with_restated,
)
from enrollment_assets.publishing.reports.pictures import with_words
from enrollment_assets.publishing.reports.publish import publish
from enrollment_assets.publishing.reports.restatements import remember_reported
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.publishing.reports.summary import DaySummary, summary
from enrollment_assets.warehouse.connection import transaction


@dataclass(frozen=True)
class Published:
    """Where the page of a day is, what it says and shows, and a small picture of its dashboard."""

    page: Path
    preview: bytes
    alt: str
    charts: tuple[Chart, ...]
    summary: DaySummary


def publish_day(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> Published | None:
    """Write the charts and the page of a day, or nothing where no snapshot of it stands.

    The list of reports, and the links between them, follow with `refresh_site`, once for many days.
    """
    figures = read_figures(connection, settings, day)
    if figures is None:
        return None
    told = summary(figures, settings)
    charts = draw_charts(figures, settings)
    for chart in charts:
        publish(settings, day, f"{chart.name}.png", with_words(chart.png, chart.title, chart.alt))
    text = render_page(told, charts, settings, _restated(connection, settings, day))
    # The figures count as reported from the moment at which the page is there.
    with transaction(connection):
        remember_reported(connection, settings, day)
        page = publish(settings, day, "report.html", text.encode())
    dashboard = charts[-1]
    return Published(page, dashboard.preview, dashboard.alt, tuple(charts), told)


def mark_restated(
    connection: duckdb.DuckDBPyConnection, settings: Settings, days: Iterable[dt.date]
) -> None:
    """Say on the pages of these days, and in the list, that they were overtaken."""
    for day in days:
        path = settings.report_path(day) / "report.html"
        restated = _restated(connection, settings, day)
        page = with_restated(path.read_text(encoding="utf-8"), restated)
        publish(settings, day, path.name, page.encode())
    refresh_site(connection, settings)


def _restated(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> Restated | None:
    return restated_figures(
        read_frame(connection, settings, "report_restatements", day=day), settings
    )
