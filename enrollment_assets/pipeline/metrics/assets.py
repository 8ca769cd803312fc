"""Stage three: the figures of each day, in all and by segment, and the weeks."""

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import stage_assets


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """One asset for each SQL file of the stage that declares a table or a view."""
    return stage_assets(settings, "metrics")
