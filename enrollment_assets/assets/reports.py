"""Last stage: what people look at, one folder of files a day."""

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import dagster as dg

from enrollment_assets import progress
from enrollment_assets.assets.common import OWNERS, POOL
from enrollment_assets.config import Settings
from enrollment_assets.partitions import daily_partitions, days_of
from enrollment_assets.reporting.figures import DayFigures, read_figures
from enrollment_assets.reporting.publish import publish, report_folder
from enrollment_assets.warehouse.connection import Warehouse

# Readable in the UI and small enough for an event.
_PREVIEW_DPI = 55


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_charts` and `enrollment_report`."""
    shared: dict[str, Any] = {
        "group_name": "reports",
        "owners": list(OWNERS),
        "tags": {"domain": "enrollment"},
        "pool": POOL,
        "partitions_def": daily_partitions(settings),
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }

    @dg.asset(**shared, deps=["enrollment_metrics", "segment_metrics"], kinds={"png", "matplotlib"})
    def enrollment_charts(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> None:
        """Four pictures of a day: trend, daily changes, continuation with target, dashboard."""
        from enrollment_assets.reporting.charts import draw_charts

        days = days_of(context)

        def draw(figures: DayFigures) -> dict[str, Any]:
            for chart in draw_charts(figures, settings):
                publish(settings, figures.day, f"{chart.name}.png", chart.png)
            found: dict[str, Any] = {"folder": _path(settings, figures.day)}
            if len(days) == 1:
                preview = draw_charts(figures, settings, dpi=_PREVIEW_DPI)[-1]
                image = base64.b64encode(preview.png).decode("ascii")
                found["dashboard"] = dg.MetadataValue.md(
                    f"![{preview.alt}](data:image/png;base64,{image})"
                )
            return found

        _each_day(context, warehouse, settings, draw)

    @dg.asset(**shared, deps=["enrollment_charts"], kinds={"html", "jinja"})
    def enrollment_report(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> None:
        """One self-contained HTML page a day: figures, charts, definitions."""
        from enrollment_assets.reporting.charts import draw_charts
        from enrollment_assets.reporting.page import render_page

        def write(figures: DayFigures) -> dict[str, Any]:
            page = render_page(figures, draw_charts(figures, settings, dpi=96), settings)
            path = publish(settings, figures.day, "report.html", page.encode())
            return {"path": dg.MetadataValue.path(path), "bytes": len(page)}

        _each_day(context, warehouse, settings, write)

    return [enrollment_charts, enrollment_report]


def _path(settings: Settings, day: dt.date) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.path(report_folder(settings, day))


def _each_day(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    settings: Settings,
    make: Callable[[DayFigures], dict[str, Any]],
) -> None:
    """Make the files of each day that has figures; say so where a day has none."""
    days = days_of(context)
    name = context.asset_key.path[-1]
    with progress.task(name, len(days)) as advance, warehouse.connect() as connection:
        for day in days:
            figures = read_figures(connection, settings, day)
            metadata = make(figures) if figures else {"nothing": "no accepted snapshot of this day"}
            context.add_asset_metadata(metadata, partition_key=day.isoformat())
            advance(1)
