"""Stage three: the figures of each day, in all and by segment, and the weeks."""

import dagster as dg

from enrollment_assets.assets.common import (
    OWNERS,
    POOL,
    column_schema,
    table_asset,
    view_asset,
)
from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import CORE, Statement
from enrollment_assets.warehouse.restatements import append_restatements, overtaken_pages
from enrollment_assets.warehouse.schema import WEEKLY_VIEW, tables


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_metrics`, `segment_metrics`, the weeks' view and `metric_restatements`."""
    declared = tables(settings)

    @table_asset(
        settings, declared["enrollment_metrics"], "metrics", ["student_changes", "snapshot_log"]
    )
    def enrollment_metrics() -> Statement:
        """One row per day and term: headcount, movement, continuation and growth in percent."""
        return CORE["enrollment_metrics"]

    @table_asset(
        settings,
        declared["segment_metrics"],
        "metrics",
        ["student_changes", "enrollment_snapshots"],
    )
    def segment_metrics() -> Statement:
        """One row per day, term, dimension and segment: headcount and movement.

        A student with several programs counts once in each, so that segments may add up to more
        than the headcount.
        """
        return CORE["segment_metrics"]

    weekly_enrollment_summary = view_asset(
        settings,
        WEEKLY_VIEW,
        "metrics",
        ["enrollment_metrics"],
        f"{WEEKLY_VIEW.grain}, as a view over the metrics.",
    )
    restatements = declared["metric_restatements"]

    @dg.asset(
        group_name="metrics",
        kinds={"duckdb", "sql"},
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        pool=POOL,
        deps=["enrollment_metrics", "segment_metrics"],
        metadata={
            "dagster/column_schema": column_schema(restatements),
            "dagster/table_name": restatements.relation,
        },
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
                from enrollment_assets.reporting.daily import mark_restated

                mark_restated(connection, settings, pages)
        return dg.MaterializeResult(
            metadata={
                "restated_figures": sum(found.values()),
                "restated_days": ", ".join(map(str, found)) or "none",
                "report_pages_marked": len(pages),
            }
        )

    return [enrollment_metrics, segment_metrics, weekly_enrollment_summary, metric_restatements]
