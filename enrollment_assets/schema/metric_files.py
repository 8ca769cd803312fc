"""Reads the files of custom metrics, and says what is wrong with those that cannot be computed.

A metric is `<name>.sql` or `<name>.py` in the metrics folder, or an entry point of a package.
One that is not as it must be stops itself, and what is built on it, and nothing else.
"""

import graphlib
import importlib.util
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from enrollment_assets.config import Settings
from enrollment_assets.config.file import did_you_mean, in_words, parse_yaml
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.schema.custom import CustomMetric, Metric, SqlMetric
from enrollment_assets.schema.platform import platform_tables, platform_views
from enrollment_assets.schema.sql_files import header_lines
from enrollment_assets.schema.table import SCHEMA
from enrollment_assets.support.literals import quoted

ENTRY_POINTS = "enrollment_assets.metrics"

_WRITTEN_BY_LOADER = ("depends_on", "file", "text")

# The name of a file or entry point, where it is, and how it is read.
_Reading = tuple[str, str, Callable[[], Metric]]


def custom_metrics(settings: Settings) -> Mapping[str, Metric]:
    """The metrics of these settings that can be computed, under their names.

    Files are read once in a process. One that is not as it must be is left out, and so is what depends
    on it: see `metric_faults`.

    Raises:
        ConfigurationError: if the configured folder is none.
    """
    return _judged(settings)[0]


def metric_faults(settings: Settings) -> Mapping[str, str]:
    """What is wrong with each metric that cannot be computed, by the name that its asset has.

    That is the name of its file or entry point, as far as an asset can have it.
    """
    used = {*platform_tables(settings), *platform_views(settings), *custom_metrics(settings)}
    named: dict[str, str] = {}
    for name, fault in _judged(settings)[1].items():
        key = re.sub(r"\W", "_", name)
        while key in used:
            key += "_broken"
        used.add(key)
        named[key] = fault
    return named


def _judged(settings: Settings) -> tuple[dict[str, Metric], dict[str, str]]:
    folder = settings.metrics_path
    if settings.metrics_dir is not None and not folder.is_dir():
        raise ConfigurationError(
            f"{settings.path}: metrics_dir: {folder} is not a folder; make it, or leave the key out."
        )
    loaded, unread = _load(folder)
    good, faults = dict(loaded), dict(unread)
    platform = platform_tables(settings)
    taken = {*platform, *platform_views(settings)}
    readable = {name for name in taken if name not in platform or platform[name].schema == SCHEMA}
    is_settled = False
    while not is_settled:
        found = {
            name: why
            for name, (where, metric) in good.items()
            if (why := _fault(where, metric, taken, readable | set(good)))
        }
        faults |= found
        good = {name: metric for name, metric in good.items() if name not in found}
        is_settled = not found
    return {name: metric for name, (_, metric) in good.items()}, faults


def _fault(where: str, metric: Metric, taken: set[str], readable: set[str]) -> str | None:
    if metric.name in taken:
        return f"{where}: name: {metric.name} is a table of the platform; choose another name."
    others = readable - {metric.name}
    for table in metric.depends_on:
        if table not in others:
            return (
                f"{where}: {SCHEMA}.{table} is no table that it could read"
                f"{did_you_mean(table, others)}."
            )
    return None


@lru_cache(maxsize=8)
def _load(folder: Path) -> tuple[dict[str, tuple[str, Metric]], dict[str, str]]:
    """Each metric with the words for where it comes from, those it is computed from before it.

    The second are the faults of what cannot be read, by the name of the file or entry point.
    """
    loaded: dict[str, tuple[str, Metric]] = {}
    faults: dict[str, str] = {}
    for name, where, read in (*_from_folder(folder), *_from_packages()):
        try:
            metric = read()
        except ConfigurationError as error:
            faults[name] = str(error)
            continue
        if metric.name in loaded:
            there = loaded[metric.name][0]
            faults[name] = f"{where}: name: {metric.name} is the metric of {there} already."
        else:
            loaded[metric.name] = (where, metric)
    while True:
        sorter = graphlib.TopologicalSorter(
            {
                name: [table for table in metric.depends_on if table in loaded and table != name]
                for name, (_, metric) in loaded.items()
            }
        )
        try:
            return {name: loaded[name] for name in sorter.static_order()}, faults
        except graphlib.CycleError as error:
            circle = error.args[1]
            for name in set(circle):
                del loaded[name]
                faults[name] = (
                    f"{folder}: metrics depend on each other in a circle: {' -> '.join(circle)}."
                )


def _from_folder(folder: Path) -> Iterator[_Reading]:
    """The name of each file, where it is, and how it is read."""
    readers: dict[str, Callable[[Path], Metric]] = {".sql": _read_sql, ".py": _read_python}
    for path in sorted(folder.glob("*")):
        if path.suffix in readers and not path.name.startswith(("_", ".")):
            yield path.stem, str(path), partial(_named, path, readers[path.suffix])


def _named(path: Path, reader: Callable[[Path], Metric]) -> Metric:
    metric = reader(path)
    if metric.name != path.stem:
        raise ConfigurationError(
            f"{path}: name: must be {path.stem}, as the file is called (found {metric.name!r})."
        )
    return metric


def _read_sql(path: Path) -> SqlMetric:
    """The metric of a SQL file.

    Raises:
        ConfigurationError: with the file, the line or key, and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    lines = header_lines(text)
    if not lines:
        raise ConfigurationError(
            f"{path}: must begin with lines such as `-- name: {path.stem}`, without a line above."
        )
    header = parse_yaml("\n".join(lines), path)
    allowed = [name for name in SqlMetric.model_fields if name not in _WRITTEN_BY_LOADER]
    for key in header:
        if key not in allowed:
            at = next((n for n, line in enumerate(lines, 1) if line.startswith(key)), 1)
            raise ConfigurationError(
                f"{path}, line {at}: {key}: unknown key{did_you_mean(key, allowed)}."
            )
    _check_select(path, text)
    try:
        return SqlMetric.model_validate(
            {**header, "depends_on": tables_read(text), "file": path, "text": text}
        )
    except ValidationError as error:
        raise ConfigurationError(in_words(path, error, SqlMetric)) from None


def _check_select(path: Path, text: str) -> None:
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if [part.type for part in statements] != [duckdb.StatementType.SELECT]:
        kinds = ", ".join(part.type.name for part in statements) or "nothing"
        raise ConfigurationError(
            f"{path}: must hold one SELECT statement under its header (found {kinds})."
        )


def tables_read(text: str) -> list[str]:
    """The tables of schema `enrollment` in a SELECT statement, from DuckDB's own parser."""
    # Not bound: binding a value imports pandas, and every import of the definitions comes here. The
    # statement is parsed, in a database with nothing in it, and never run.
    with duckdb.connect() as connection:
        tree = connection.execute(f"SELECT json_serialize_sql({quoted(text)})").fetchall()[0][0]

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE" and node["schema_name"].lower() == SCHEMA:
                yield node["table_name"].lower()
            for part in node.values():
                yield from walk(part)
        elif isinstance(node, list):
            for part in node:
                yield from walk(part)

    return sorted(set(walk(json.loads(tree))))


def _read_python(path: Path) -> CustomMetric:
    """The metric of a Python file.

    Raises:
        ConfigurationError: if it cannot be imported, or does not hold exactly one.
    """
    spec = importlib.util.spec_from_file_location(f"enrollment_metric_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: {path.stem} is no name that Python can import.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _importing(str(path)):
        spec.loader.exec_module(module)
    metrics = [value for value in vars(module).values() if isinstance(value, CustomMetric)]
    if len(metrics) != 1:
        raise ConfigurationError(
            f"{path}: must hold one CustomMetric, such as METRIC = CustomMetric(...) (found "
            f"{len(metrics)})."
        )
    return metrics[0]


def _from_packages() -> Iterator[_Reading]:
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        yield point.name, _entry_point_words(point), partial(_read_entry_point, point)


def _entry_point_words(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f"entry point {point.name} = {point.value}{package}"


def _read_entry_point(point: EntryPoint) -> CustomMetric:
    where = _entry_point_words(point)
    with _importing(where):
        metric = point.load()
    if not isinstance(metric, CustomMetric):
        raise ConfigurationError(
            f"{where}: must name a CustomMetric (found a {type(metric).__name__})."
        )
    if metric.name != point.name:
        raise ConfigurationError(
            f"{where}: name: must be {point.name}, as the entry point is called (found "
            f"{metric.name!r})."
        )
    return metric


@contextmanager
def _importing(where: str) -> Iterator[None]:
    """Tell in words why a module with a metric cannot be imported."""
    try:
        yield
    except ValidationError as error:
        raise ConfigurationError(in_words(Path(where), error, CustomMetric)) from None
    except SyntaxError as error:
        raise ConfigurationError(f"{where}, line {error.lineno}: {error.msg}.") from None
    except Exception as error:  # noqa: BLE001 - whatever somebody's module does at import
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise ConfigurationError(
            f"{where}, line {line}: {type(error).__name__}: {error}."
        ) from None
