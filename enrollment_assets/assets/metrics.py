"""Stage three: the figures of each day, in all and by segment, and the weeks."""

import dagster as dg

from enrollment_assets.assets.common import OWNERS, POOL, column_schema, statement_asset
from enrollment_assets.config import Settings
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Statement
from enrollment_assets.warehouse.schema import WEEKLY_VIEW, tables
from enrollment_assets.warehouse.statements import statement

# What a segment is called whose students have no value in the dimension.
BLANK_SEGMENT = "(not given)"


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_metrics`, `segment_metrics` and the view `weekly_enrollment_summary`."""
    declared = tables(settings)

    @statement_asset(
        settings, declared["enrollment_metrics"], "metrics", ["student_changes", "snapshot_log"]
    )
    def enrollment_metrics() -> Statement:
        """One row per day and term: headcount, movement, continuation and growth in percent."""
        return Statement("enrollment_metrics", whole_range=True)

    @statement_asset(
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
        return Statement("segment_metrics", {"blank_segment": BLANK_SEGMENT})

    @dg.asset(
        group_name="metrics",
        kinds={"duckdb", "view"},
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        pool=POOL,
        deps=["enrollment_metrics"],
        metadata={
            "dagster/column_schema": column_schema(WEEKLY_VIEW),
            "dagster/table_name": WEEKLY_VIEW.relation,
        },
    )
    def weekly_enrollment_summary(
        warehouse: dg.ResourceParam[Warehouse],
    ) -> dg.MaterializeResult[None]:
        """One row per term and week, from Monday to Sunday: a view over `enrollment_metrics`."""
        with warehouse.connect() as connection:
            connection.execute(statement("weekly_enrollment_summary", settings))
            rows = connection.execute(f"SELECT count(*) FROM {WEEKLY_VIEW.relation}").fetchone()
        return dg.MaterializeResult(metadata={"dagster/row_count": rows[0] if rows else 0})

    return [enrollment_metrics, segment_metrics, weekly_enrollment_summary]
