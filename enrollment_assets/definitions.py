"""The code location that Dagster loads: the definitions of the current configuration."""

from enrollment_assets.orchestration.assembly import build_defs

__all__ = ["build_defs", "defs"]

defs = build_defs()
