"""The charts and the report of each day, and the log of restated figures."""

import base64
import datetime as dt
from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import TAGS, WrittenDays, described, documented
from enrollment_assets.pipeline.ingest.verdicts import advice
from enrollment_assets.pipeline.names import OWNERS, POOL, REPORT_GROUP
from enrollment_assets.pipeline.partitions import daily_partitions, days_of, is_strict
from enrollment_assets.publishing.reports.daily import mark_restated, publish_day
from enrollment_assets.publishing.reports.restatements import append_restatements, outdated_pages
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets.schema.catalog import tables
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.statements import statement

_CHARTS, _REPORT = "enrollment_charts", "enrollment_report"


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_charts` and `enrollment_report` of a day, and `metric_restatements`.

    The restatements are in the group of the metrics; they are made here since they mark report pages.
    """
    restatements = tables(settings)["metric_restatements"]
    made_of = ("enrollment_metrics", "segment_metrics", restatements.name)

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
        outs={
            _CHARTS: _out(
                "Charts of a day: pace, daily changes, continuation, segments, dashboard.",
                {"matplotlib"},
            ),
            _REPORT: _out(
                "One self-contained HTML page for each day, and a list of all pages.",
                {"html", "jinja"},
            ),
        },
        deps=list(made_of),
        internal_asset_deps={
            _CHARTS: {dg.AssetKey(name) for name in made_of},
            _REPORT: {dg.AssetKey(_CHARTS)},
        },
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def publish_report(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.Output[WrittenDays]]:
        """Draw the charts of each day and write its page; a day without figures has none."""
        days = days_of(context)
        if is_strict(context) and (why := why_not_reported(warehouse, days[0], context.run.run_id)):
            raise dg.Failure(f"No report of {days[0]}: {why}", allow_retries=False)
        written = []
        with progress.task("reports", len(days)) as advance, warehouse.connect() as connection:
            # A run that died may have changed figures: record that before they are reported again.
            append_restatements(connection, settings, run_id=context.run.run_id)
            for day in days:
                if published := publish_day(connection, settings, day):
                    written.append(day)
                    metadata: dict[str, dg.MetadataValue] = {
                        "report": dg.MetadataValue.url(published.page.resolve().as_uri())
                    }
                    if len(days) == 1:  # a picture in each event of a range would bloat the log
                        image = base64.b64encode(published.preview).decode("ascii")
                        metadata["dashboard"] = dg.MetadataValue.md(
                            f"![{published.alt}](data:image/png;base64,{image})"
                        )
                    for key in (_CHARTS, _REPORT):
                        context.add_asset_metadata(
                            metadata, asset_key=key, partition_key=day.isoformat()
                        )
                advance(1)
            refresh_site(connection, settings)  # once for the whole range
        for key in (_CHARTS, _REPORT):
            yield dg.Output(WrittenDays(written), key)

    return [publish_report, metric_restatements]


def _out(description: str, kinds: set[str]) -> dg.AssetOut:
    return dg.AssetOut(
        dagster_type=WrittenDays,
        description=description,
        group_name=REPORT_GROUP,
        owners=list(OWNERS),
        kinds=kinds,
        tags=TAGS,
    )


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
