"""Heavy third-party modules, imported when something of them is first used.

Every run of Dagster's daemon, and every command, imports the code location: pandas alone would take as
long as a third of Dagster. Ruff's list of banned module-level imports (pyproject.toml) names the
modules that must come through here, or be imported inside the function that needs them.
"""

import importlib
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    """Takes the place of a module until one of its names is used."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value


def lazy(name: str) -> Any:
    """A module by its full name; type checkers see the real one, imported under TYPE_CHECKING."""
    return _LazyModule(name)
