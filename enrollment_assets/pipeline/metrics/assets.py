"""Stage three: the figures of each day, in all and by segment, and the weeks."""

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import table_asset, view_asset
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.platform import WEEKLY_VIEW
from enrollment_assets.warehouse.derive import CORE, Statement


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_metrics`, `segment_metrics` and the weeks' view."""
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
    return [enrollment_metrics, segment_metrics, weekly_enrollment_summary]
