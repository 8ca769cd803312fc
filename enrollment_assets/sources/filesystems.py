"""Connects to the file system of an address."""

from typing import Any

import fsspec

from enrollment_assets.config.environment import expand
from enrollment_assets.errors import SourceError


def expanded(value: Any, key: str) -> Any:
    """An option with the environment's values filled in, also in lists and nested options."""
    if isinstance(value, str):
        return expand(value, key)
    if isinstance(value, list):
        return [expanded(item, key) for item in value]
    if isinstance(value, dict):
        return {name: expanded(item, f"{key}.{name}") for name, item in value.items()}
    return value


def connect(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The file system of an address, and its path there."""
    try:
        # A cached file system keeps a connection that broke.
        filesystem, folder = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
    except FileNotFoundError:
        raise SourceError(
            "source.options names a file, such as a key or known_hosts, that does not exist; "
            "correct the path."
        ) from None
    return filesystem, folder
