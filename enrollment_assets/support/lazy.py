"""Heavy third-party modules, imported when something of them is first used.

Every run of Dagster's daemon, and every command, imports the code location: pandas alone would take as
long as a third of Dagster. Ruff's list of banned module-level imports (pyproject.toml) names the
modules that must come through here, or stand inside the function that needs them.
"""

import importlib
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    """Stands for a module until one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def lazy(name: str) -> Any:
    """A module by its full name; type checkers see the real one, imported under TYPE_CHECKING."""
    return _LazyModule(name)
