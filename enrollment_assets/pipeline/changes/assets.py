"""Stage two: who was added, dropped and moved, by set logic inside the warehouse."""

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import stage_assets


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """One asset for each SQL file of the stage that declares a table."""
    return stage_assets(settings, "changes")
