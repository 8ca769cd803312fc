"""Which source a configuration names. A new kind of source is one module, and one line here."""

import pkgutil

from enrollment_assets.config import Settings
from enrollment_assets.sources.base import ConfiguredSource

# Where the class of each `source.kind` is. Only the configured one is imported: each needs libraries of
# its own (SQLAlchemy, requests, fsspec).
KINDS = {
    "files": "enrollment_assets.sources.files:FilesSource",
    "database": "enrollment_assets.sources.database:DatabaseSource",
    "api": "enrollment_assets.sources.api:ApiSource",
}


def source_for(settings: Settings) -> ConfiguredSource:
    """The configured source."""
    kind = pkgutil.resolve_name(KINDS[settings.source.kind])
    source: ConfiguredSource = kind(settings, settings.source)
    if settings.source.dated:
        wrap = pkgutil.resolve_name("enrollment_assets.sources.dated:DatedSource")
        source = wrap(settings, settings.source.dated, source)
    return source
