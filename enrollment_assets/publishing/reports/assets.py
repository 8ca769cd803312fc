"""The charts and the report of each day, and the log of restated figures."""

import base64
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import described, documented
from enrollment_assets.pipeline.ingest.verdicts import advice
from enrollment_assets.pipeline.names import BACKFILL, OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions, days_of, is_strict
from enrollment_assets.publishing.reports.daily import mark_restated, publish_day
from enrollment_assets.publishing.reports.restatements import append_restatements, outdated_pages
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.schema.catalog import tables
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.statements import statement


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_charts` and `enrollment_report` of a day, and `metric_restatements`.

    The restatements are in the group of the metrics; they are made here since they mark report pages.
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
        """One row per figure that changed after its day was reported; rows are only added.

        From then on, the page of such a day says that it was restated.
        """
        with warehouse.connect() as connection:
            restated = append_restatements(connection, settings, run_id=context.run.run_id)
            pages = outdated_pages(connection, settings)
            if pages:
                mark_restated(connection, settings, pages)
        return dg.MaterializeResult(
            metadata={
                "restated_figures": sum(restated.values()),
                "restated_days": ", ".join(map(str, restated)) or "none",
                "report_pages_marked": len(pages),
            }
        )

    @dg.multi_asset(
        name="publish_report",
        specs=[
            dg.AssetSpec(
                "enrollment_charts",
                deps=["enrollment_metrics", "segment_metrics", "metric_restatements"],
                description="Charts of a day: pace, daily changes, continuation, segments, dashboard.",
                group_name="reports",
                owners=list(OWNERS),
                kinds={"matplotlib"},
                tags={"domain": "enrollment"},
            ),
            dg.AssetSpec(
                "enrollment_report",
                deps=["enrollment_charts"],
                description="One self-contained HTML page for each day, and a list of all pages.",
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
        """Draw the charts of each day and write its page; a day without figures has none."""
        days = days_of(context)
        if context.run.job_name == BACKFILL:
            # A page of a job in the UI counts a day as missing if one of its assets is: without this,
            # the daily job's page would call all history missing.
            for day in days:
                _record(context, day, _metadata_without_report(settings, day))
            yield from _results()
            return
        if is_strict(context) and (why := why_not_reported(warehouse, days[0], context.run.run_id)):
            raise dg.Failure(f"No report of {days[0]}: {why}", allow_retries=False)
        with progress.task("reports", len(days)) as advance, warehouse.connect() as connection:
            # A run that died may have changed figures: record that before they are reported again.
            append_restatements(connection, settings, run_id=context.run.run_id)
            for day in days:
                published = publish_day(connection, settings, day)
                metadata: dict[str, object] = {"no_report": "no accepted snapshot for this day"}
                if published:
                    metadata = {"report": dg.MetadataValue.path(published.page)}
                    if len(days) == 1:  # a picture in each event of a range would bloat the log
                        image = base64.b64encode(published.preview).decode("ascii")
                        metadata["dashboard"] = dg.MetadataValue.md(
                            f"![{published.alt}](data:image/png;base64,{image})"
                        )
                _record(context, day, metadata)
                advance(1)
            refresh_site(connection, settings)  # once for the whole range
        yield from _results()

    return [publish_report, metric_restatements]


_KEYS = ("enrollment_charts", "enrollment_report")


def _record(context: dg.AssetExecutionContext, day: dt.date, metadata: Mapping[str, Any]) -> None:
    for key in _KEYS:
        context.add_asset_metadata(metadata, asset_key=key, partition_key=day.isoformat())


def _results() -> Iterator[dg.MaterializeResult[None]]:
    for key in _KEYS:
        yield dg.MaterializeResult(asset_key=key)


def _metadata_without_report(settings: Settings, day: dt.date) -> dict[str, Any]:
    """What a backfill records of a day: the page that an earlier run wrote, if there is one."""
    page = settings.report_path(day) / "report.html"
    if page.exists():
        return {"report": dg.MetadataValue.path(page)}
    return {"no_report": "a backfill writes none; `enrollment backfill --reports` does"}


def why_not_reported(warehouse: Warehouse, day: dt.date, run_id: str) -> str | None:
    """Why a day is not reported: a term is missing, or its snapshot was held or rejected.

    Rows of an earlier snapshot are kept if a new one is not accepted, but they are not reported again.
    """
    with warehouse.connect() as connection, plain_errors("Reading the snapshot log"):
        rows = connection.execute(
            statement("why_not_reported", warehouse.settings), {"day": day, "run_id": run_id}
        ).fetchall()
    reasons = [f"{term} {status}: {reasons}".rstrip(".") for term, status, reasons, _ in rows]
    to_do = dict.fromkeys(advice(day, term, status, since) for term, status, _, since in rows)
    return ". ".join([*reasons, *filter(None, to_do)]) or None
