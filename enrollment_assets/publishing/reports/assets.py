"""Last stage: what people look at, one folder of files a day."""

import base64
import datetime as dt
from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import described, documented
from enrollment_assets.pipeline.names import OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions, days_of, is_strict
from enrollment_assets.publishing.reports.daily import mark_restated, publish_day
from enrollment_assets.publishing.reports.restatements import append_restatements, overtaken_pages
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.schema.catalog import tables
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse, plain_errors


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Charts and report of a day, made from one reading of the figures, and `metric_restatements`.

    The restatements are figures, in their group; they live here since they mark pages of reports.
    """
    restatements = tables(settings)["metric_restatements"]

    @dg.asset(
        group_name="metrics",
        kinds={"duckdb", "sql"},
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        pool=POOL,
        deps=list(restatements.depends_on),
        description=described(restatements),
        metadata=documented(restatements),
    )
    def metric_restatements(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult[None]:
        """One row per figure that changed after a report of its day; rows are only added.

        The pages of the reports that were overtaken say so from then on.
        """
        with warehouse.connect() as connection:
            found = append_restatements(connection, settings, run_id=context.run.run_id)
            pages = overtaken_pages(connection, settings)
            if pages:
                mark_restated(connection, settings, pages)
        return dg.MaterializeResult(
            metadata={
                "restated_figures": sum(found.values()),
                "restated_days": ", ".join(map(str, found)) or "none",
                "report_pages_marked": len(pages),
            }
        )

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

    return [publish_report, metric_restatements]


def why_held(warehouse: Warehouse, day: dt.date, run_id: str) -> str | None:
    """Why a day must not be reported as it is: some term of it is missing, or was refused just now.

    Earlier rows may stand where a new extract is refused: they are kept, and not reported anew.
    """
    with warehouse.connect() as connection, plain_errors("Reading the log"):
        rows = connection.execute(
            "SELECT term, status, reasons FROM enrollment.snapshot_log "
            "WHERE snapshot_date = $day AND status <> 'accepted' "
            "UNION SELECT term, status, reasons FROM operations.snapshot_attempts "
            "WHERE snapshot_date = $day AND run_id = $run_id AND term IS NOT NULL "
            "AND status IN ('rejected', 'missing') ORDER BY term",
            {"day": day, "run_id": run_id},
        ).fetchall()
    return "; ".join(f"{term} {status}: {reasons}" for term, status, reasons in rows) or None
