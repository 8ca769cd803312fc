"""Last stage: what people look at, one folder of files a day."""

import base64
from collections.abc import Iterator

import dagster as dg

from enrollment_assets import progress
from enrollment_assets.assets.common import OWNERS, POOL
from enrollment_assets.config import Settings
from enrollment_assets.operations import why_held
from enrollment_assets.partitions import daily_partitions, days_of, is_strict
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.restatements import append_restatements


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_charts` and `enrollment_report`, made together from one reading of the figures."""

    @dg.multi_asset(
        name="publish_report",
        specs=[
            dg.AssetSpec(
                "enrollment_charts",
                deps=["enrollment_metrics", "segment_metrics", "metric_restatements"],
                description="Pictures of a day: trend, changes, continuation, segments, dashboard.",
                group_name="reports",
                owners=list(OWNERS),
                kinds={"matplotlib"},
                tags={"domain": "enrollment"},
            ),
            dg.AssetSpec(
                "enrollment_report",
                deps=["enrollment_charts"],
                description="One self-contained HTML page a day, and the list of all of them.",
                group_name="reports",
                owners=list(OWNERS),
                kinds={"html", "jinja"},
                tags={"domain": "enrollment"},
            ),
        ],
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def publish_report(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Draws the charts of each day and writes its page; a day without figures gets none."""
        from enrollment_assets.reporting.daily import publish_day
        from enrollment_assets.reporting.site import refresh_site

        days = days_of(context)
        if is_strict(context) and (held := why_held(warehouse, days[0], context.run.run_id)):
            raise dg.Failure(f"No report of {days[0]}: {held}", allow_retries=False)
        with progress.task("reports", len(days)) as advance, warehouse.connect() as connection:
            # A run that died may have left figures changed and not told: before they are reported anew.
            append_restatements(connection, settings, run_id=context.run.run_id)
            for day in days:
                published = publish_day(connection, settings, day)
                about: dict[str, object] = {"nothing": "no accepted snapshot of this day"}
                if published:
                    about = {"report": dg.MetadataValue.path(published.page)}
                    if len(days) == 1:  # a picture in every event of a range would swell the log
                        image = base64.b64encode(published.preview).decode("ascii")
                        about["dashboard"] = dg.MetadataValue.md(
                            f"![{published.alt}](data:image/png;base64,{image})"
                        )
                for key in ("enrollment_charts", "enrollment_report"):
                    context.add_asset_metadata(about, asset_key=key, partition_key=day.isoformat())
                advance(1)
            refresh_site(connection, settings)  # once for the whole range
        yield dg.MaterializeResult(asset_key="enrollment_charts")
        yield dg.MaterializeResult(asset_key="enrollment_report")

    return [publish_report]
