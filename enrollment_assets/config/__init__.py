"""The configuration: what `enrollment.yaml` and the environment say.

Nothing here talks to a source, a database or Dagster.
"""

from enrollment_assets.config.sections import Grain, Term
from enrollment_assets.config.settings import Settings, load_settings

__all__ = ["Grain", "Settings", "Term", "load_settings"]
