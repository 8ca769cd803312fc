"""Stage two: who came, went and moved, by set logic inside the warehouse."""

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import table_asset
from enrollment_assets.schema.catalog import tables
from enrollment_assets.warehouse.derive import CORE, Statement


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`student_changes`."""
    table = tables(settings)["student_changes"]

    @table_asset(settings, table, "changes", ["enrollment_snapshots", "snapshot_log"])
    def student_changes() -> Statement:
        """One row per snapshot day, term and student who was added, dropped or moved.

        The baseline is the latest earlier accepted snapshot of the same term.
        """
        return CORE["student_changes"]

    return [student_changes]
