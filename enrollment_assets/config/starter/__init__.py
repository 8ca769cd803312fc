"""The files that a new folder begins with.

`dagster.yaml` and `workspace.yaml` also serve where a folder has none of its own.
"""

from importlib.resources import files
from pathlib import Path


def starter_file(name: str) -> Path:
    """Where a file lies that a new folder begins with."""
    return Path(str(files(__name__) / name))
