"""Makes and publishes everything that people look at for one day."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.reporting.charts import draw_charts
from enrollment_assets.reporting.figures import read_figures
from enrollment_assets.reporting.page import render_page
from enrollment_assets.reporting.publish import publish


@dataclass(frozen=True)
class Published:
    """Where the page of a day is, and a small picture of its dashboard."""

    page: Path
    preview: bytes
    alt: str


def publish_day(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> Published | None:
    """Write the charts and the page of a day, or nothing where no snapshot of it stands."""
    figures = read_figures(connection, settings, day)
    if figures is None:
        return None
    charts = draw_charts(figures, settings)
    for chart in charts:
        publish(settings, day, f"{chart.name}.png", chart.png)
    page = publish(settings, day, "report.html", render_page(figures, charts, settings).encode())
    dashboard = charts[-1]
    return Published(page, dashboard.preview, dashboard.alt)
