"""Follows Python from the function that computes a table to all that it is made of."""

import ast
import gc
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from enrollment_assets.schema.custom import CustomMetric
from enrollment_assets.warehouse.source_code import Parts, parts_of

_PACKAGE = Path(__file__).resolve().parents[1]
_NAME = _PACKAGE.name
# Rooms that formulas are made of. What these call elsewhere reads and writes, and computes nothing;
# only constants count from anywhere.
_FORMULAS = (f"{_NAME}.analytics", f"{_NAME}.pipeline.insight")
_SETTINGS = frozenset({"settings", "_settings"})


@dataclass(frozen=True)
class Python:
    """The code that computes a table.

    Attributes:
        text: All of it, without what has no effect.
        settings: What it asks of the settings, such as `forecast.horizon_days`.
        strings: Its texts; some of them name statements.
    """

    text: str
    settings: frozenset[str]
    strings: frozenset[str]


@lru_cache(maxsize=32)
def python_of(root: str) -> Python:
    """What a function or method of the platform, as `module:name`, and all that it uses are made of."""
    found: dict[str, Parts] = {}
    waiting = [root]
    while waiting:
        place = waiting.pop()
        module, _, name = place.partition(":")
        if place in found or not (module.startswith(_FORMULAS) or name.isupper()):
            continue
        parts = _definitions(module).get(name)
        if isinstance(parts, str):  # imported from there
            waiting.append(parts)
        elif parts:
            found[place] = parts
            waiting += [f"{module}:", *_used(module, name, parts.chains)]
    return _together(found, _SETTINGS)


def python_of_metric(metric: CustomMetric) -> Python:
    """What a metric in Python is made of: its module, and those beside it that it imports.

    A module whose source cannot be read counts as empty.
    """
    compute = inspect.unwrap(metric.compute)
    found: dict[str, Parts] = {}
    waiting = [compute.__module__]
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if module is None or name in found:
            continue
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError, SyntaxError):
            continue
        found[name] = parts_of(tree)
        waiting += [other for other in _imports(tree, module) if _are_beside(name, other)]
    # Its third argument, whatever it is called.
    names = list(inspect.signature(compute).parameters)[2:3]
    return _together(found, _SETTINGS.union(names))


def _together(found: dict[str, Parts], roots: frozenset[str]) -> Python:
    asked = {
        asked
        for parts in found.values()
        for chain in parts.chains
        if (asked := _asked_of(chain.split("."), roots))
    }
    text = " ".join(f"{place} {found[place].text}" for place in sorted(found))
    strings = {text for parts in found.values() for text in parts.strings}
    return Python(text, frozenset(asked), frozenset(strings))


def _asked_of(names: list[str], roots: frozenset[str]) -> str:
    """What a chain of names asks of the settings; nothing if it is about something else."""
    for at, name in enumerate(names):
        if name in roots:
            return ".".join(names[at + 1 :])
    return ""


def _used(module: str, name: str, chains: Iterable[str]) -> Iterator[str]:
    """The places that a definition may use."""
    owner, is_method, _ = name.partition(".")
    if is_method:
        yield f"{module}:{owner}.__init__"
    for chain in chains:
        first, *more = chain.split(".")
        yield f"{module}:{first}"
        if more:
            if first == "self" and is_method:
                yield f"{module}:{owner}.{more[0]}"
            source = _definitions(module).get(first)
            if isinstance(source, str) and source.startswith(_NAME):  # it may be a module
                yield f"{source.replace(':', '.')}:{more[0]}"


@lru_cache(maxsize=64)
def _definitions(module: str) -> dict[str, Parts | str]:
    """What a module of the platform defines at its top, by name, and where imported names are from.

    Methods are there beside their class. Under the empty name is what has no name.
    """
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return {}
    found: dict[str, Parts | str] = {}
    others: list[ast.stmt] = []
    with _without_collecting():
        waiting = ast.parse(path.read_text("utf-8")).body
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, ast.If):  # imports for types, and what takes their place
                waiting += [*node.body, *node.orelse]
            elif isinstance(node, ast.ImportFrom):
                found |= {n.asname or n.name: f"{node.module}:{n.name}" for n in node.names}
            elif named := list(_names(node)):
                found |= {name: parts_of(part) for name, part in named}
            elif not isinstance(node, ast.Import):
                others.append(node)
        found[""] = parts_of(ast.Module(others, []))
    return found


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Trees are thousands of small objects: to look for garbage among them takes as long as they do."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _names(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """The names that a statement defines, each with what gives it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(method, ast.FunctionDef):
                yield f"{node.name}.{method.name}", method
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for part in ast.walk(target):  # A, B = 1, 2 has two names
                if isinstance(part, ast.Name):
                    yield part.id, node


def _imports(tree: ast.AST, module: ModuleType) -> Iterator[str]:
    """The modules that a module may import, by their full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (imported.name for imported in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            try:
                source = resolve_name(source, module.__package__ or None)
            except ImportError:
                continue
            yield source
            yield from (f"{source}.{imported.name}" for imported in node.names)


def _are_beside(name: str, other: str) -> bool:
    """Whether two modules are of one package or in one folder: others are libraries."""
    if name.partition(".")[0] == other.partition(".")[0]:
        return True
    files = [getattr(sys.modules.get(module), "__file__", None) for module in (name, other)]
    return all(files) and len({Path(str(file)).parent for file in files}) == 1
