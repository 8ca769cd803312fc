"""Which source a configuration names."""

from enrollment_assets.config import Settings
from enrollment_assets.config_source import ApiKeys, DatabaseKeys, FilesKeys
from enrollment_assets.sources.api import ApiSource
from enrollment_assets.sources.base import ConfiguredSource
from enrollment_assets.sources.database import DatabaseSource
from enrollment_assets.sources.files import FilesSource


def source_for(settings: Settings) -> ConfiguredSource:
    """The configured source."""
    match settings.source:
        case DatabaseKeys() as keys:
            return DatabaseSource(settings, keys)
        case ApiKeys() as keys:
            return ApiSource(settings, keys)
        case FilesKeys() as keys:
            return FilesSource(settings, keys)
