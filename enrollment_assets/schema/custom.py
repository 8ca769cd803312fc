"""Custom metrics: tables that people add, one file each, in SQL or with pandas.

Each file in the metrics folder (`sql/metrics/`, or `metrics_dir` in `enrollment.yaml`) is one metric,
one table of schema `enrollment` and one daily asset in group `custom`: `<name>.sql` with a header, or
`<name>.py` with a `CustomMetric`. Installed packages may offer more `CustomMetric` objects under the
entry point group `enrollment_assets.metrics`. docs/custom_metrics.md is the guide.

Here files are read and judged; `pipeline.custom` computes. Nothing here loads pandas or opens the
warehouse. One module: what a metric may say, and how its file is read, are checked together.
"""

import datetime as dt
import graphlib
import importlib.util
import inspect
import json
import re
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Self

import duckdb
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from enrollment_assets.config import Settings
from enrollment_assets.config.fields import Identifier
from enrollment_assets.config.file import did_you_mean, in_words, parse_yaml
from enrollment_assets.config.sections import Section
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.schema.platform import platform_tables, platform_views
from enrollment_assets.schema.sql_files import header_lines
from enrollment_assets.schema.table import SCHEMA, Column, Table

ENTRY_POINTS = "enrollment_assets.metrics"
DATE = "date"

# What a statement may bind beside its own parameters: the days of the range, both inclusive, the
# bound under which counts of students are withheld, and what a segment without a value is called.
RANGE_BINDS = ("first", "last")
KNOWN_BINDS = (*RANGE_BINDS, "small_cell", "blank_segment")

_WRITTEN_BY_LOADER = ("depends_on", "file", "text")
_Text = Annotated[str, Field(min_length=1)]


def _column(name: object, text: object) -> Column:
    kind, _, description = str(text).partition(" - ")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)):
        raise ValueError(f"{name}: use lower-case letters, digits and underscores, a letter first")
    try:
        known = _type(kind.strip())
    except duckdb.Error:
        raise ValueError(
            f"{name}: {kind.strip()} is no type that DuckDB knows; use DATE, VARCHAR, BIGINT, DOUBLE, "
            "BOOLEAN or another one, and put ` - ` before a description"
        ) from None
    # The shorter name is the one under which the warehouse compares types.
    known = known.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    return Column(str(name), known, description.strip())


# Types that nearly every metric uses: to ask DuckDB takes a tenth of a second at each start.
_COMMON_TYPES = (
    *("VARCHAR", "BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "BOOLEAN"),
    *("DATE", "TIMESTAMP", "TIMESTAMPTZ"),
)


@lru_cache(maxsize=64)
def _type(text: str) -> str:
    """DuckDB's own name of a type.

    Asked of a connection of its own: a wrong type would abort what others have open on the process's
    default one, and every question after it.
    """
    if text.upper() in _COMMON_TYPES:
        return text.upper()
    with duckdb.connect() as scratch:
        return str(scratch.sqltype(text))


def _columns(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("give names and types, such as {date: DATE, headcount: BIGINT}")  # noqa: TRY004
    return tuple(_column(name, text) for name, text in value.items())


def _names(value: object) -> object:
    # `date, term` is what people write; YAML would want brackets.
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _binds(value: object) -> object:
    names = _names(value)
    return [str(name).removeprefix("$") for name in names] if isinstance(names, list) else names


class Metric(Section, ABC):
    """What every custom metric says of itself.

    Attributes:
        name: The table's and the asset's name, which is also the file's.
        grain: What one row stands for, such as "one row per day and term".
        description: What it says, in a sentence or two, for the catalogue.
        columns: Name and DuckDB type of each column, with a description after ` - `. One of them is
            `date DATE`, the day of the partition.
        key: The columns that no two rows share, `date` among them; checked on every day.
        checks: Name of a check, and a SQL condition that every row must meet.
        depends_on: The tables of schema `enrollment` that it is computed from.
    """

    name: Identifier
    grain: _Text
    description: _Text
    columns: Annotated[tuple[Column, ...], BeforeValidator(_columns)]
    key: Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]
    checks: dict[Identifier, _Text] = Field(default_factory=dict)
    depends_on: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()

    @field_validator("columns")
    @classmethod
    def _with_a_day(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        if (DATE, "DATE") not in [(column.name, column.type) for column in columns]:
            raise ValueError("must hold date: DATE, the day that a row is about")
        return columns

    @field_validator("checks")
    @classmethod
    def _conditions(cls, checks: dict[str, str]) -> dict[str, str]:
        for name, condition in checks.items():
            try:
                statements = duckdb.extract_statements(f"SELECT (\n{condition}\n) FROM rows")
            except duckdb.Error as error:
                raise ValueError(f"{name}: {_first_line(error)}") from None
            if len(statements) != 1 or statements[0].named_parameters:
                raise ValueError(f"{name}: give one condition on a row, such as headcount >= 0")
        return checks

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        names = self.table.column_names
        for column in self.key:
            if column not in names:
                raise ValueError(f"key: {column} is not a column{did_you_mean(column, names)}")
        if DATE not in self.key:
            raise ValueError("key: must name date, since every day has its rows")
        if self.key_check in self.checks:
            raise ValueError(f"checks: {self.key_check} is there already, from key")
        return self

    @cached_property
    def table(self) -> Table:
        """The declaration of its table."""
        return Table(
            self.name,
            self.grain,
            self.columns,
            DATE,
            is_custom=True,
            description=self.description,
            depends_on=self.depends_on,
        )

    @property
    def key_check(self) -> str:
        """The name of the check on its key."""
        return f"{self.name}_key_is_unique"

    @property
    @abstractmethod
    def written_at(self) -> tuple[str, int]:
        """The file and line of what computes it."""


class SqlMetric(Metric):
    """A metric from a SQL file; what it depends on is what its statement reads."""

    binds: Annotated[tuple[str, ...], BeforeValidator(_binds)]
    parameters: dict[Identifier, bool | int | float | dt.date | str] = Field(default_factory=dict)
    file: Path
    text: str

    @property
    def written_at(self) -> tuple[str, int]:
        """The file."""
        return str(self.file), 1

    @field_validator("parameters")
    @classmethod
    def _own_names(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(set(parameters).intersection(KNOWN_BINDS))
        if taken:
            raise ValueError(f"{taken[0]} is bound already; choose another name")
        return parameters

    @model_validator(mode="after")
    def _binds_are_known(self) -> Self:
        known = [*KNOWN_BINDS, *self.parameters]
        for name in self.binds:
            if name not in known:
                raise ValueError(
                    f"binds: ${name} is not known; there are {_dollars(known)}, and what is under "
                    "parameters"
                )
        used = _parameters_of(self.text)
        for name in RANGE_BINDS:
            if name not in used:
                raise ValueError(
                    f"the statement must bind ${name}, such as WHERE date BETWEEN $first AND $last"
                )
        for names, others, words in (
            (used, self.binds, "the statement binds {}, which is not under binds"),
            (self.binds, used, "binds: the statement does not bind {}"),
            (self.parameters, used, "parameters: the statement does not bind {}"),
        ):
            only = [name for name in names if name not in others]
            if only:
                raise ValueError(words.format(_dollars(only)))
        return self


class CustomMetric(Metric):
    """A metric that is computed in Python.

    `compute` is called once for each day, with what is known as of that day and nothing later, so
    that a range of days gives what the days give one by one:

    - `frames`: for each table under `depends_on` a `pandas.DataFrame` with its rows from
      `lookback_days` before the day up to the day; a table without a day comes whole;
    - `day`: the `datetime.date`; in the frames days are `datetime64`, to compare with
      `pandas.Timestamp(day)`;
    - `settings`: the configuration, with the terms and their dates.

    It gives a frame with the declared columns, in any order; `date` may be left out and is then the
    day. A day without anything to say is an empty frame.
    """

    # Of and to pandas.DataFrame, which is not imported for it.
    compute: Callable[[Mapping[str, Any], dt.date, Settings], Any]
    lookback_days: int = Field(default=0, ge=0)
    depends_on: Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]

    @field_validator("compute")
    @classmethod
    def _takes_what_it_gets(cls, compute: Any) -> Any:
        if not inspect.isfunction(compute):
            raise ValueError("must be a function")
        try:
            inspect.signature(compute).bind(*("frames", "day", "settings"))
        except TypeError:
            raise ValueError("must take three arguments: frames, day and settings") from None
        return compute

    @property
    def written_at(self) -> tuple[str, int]:
        """The file and line of `compute`."""
        code = inspect.unwrap(self.compute).__code__
        return code.co_filename, code.co_firstlineno


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


_Reading = tuple[str, str, Callable[[], "Metric"]]


def _from_folder(folder: Path) -> Iterator[_Reading]:
    """The name of each file, where it is, and how it is read."""
    readers: dict[str, Callable[[Path], Metric]] = {".sql": _read_sql, ".py": _read_python}
    for path in sorted(folder.glob("*")):
        if path.suffix in readers and not path.name.startswith(("_", ".")):
            yield path.stem, str(path), partial(_named, path, readers[path.suffix])


def _named(path: Path, reader: Callable[[Path], "Metric"]) -> "Metric":
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


def _parameters_of(text: str) -> list[str]:
    return sorted(duckdb.extract_statements(text)[0].named_parameters)


def tables_read(text: str) -> list[str]:
    """The tables of schema `enrollment` in a SELECT statement, from DuckDB's own parser."""
    # Not bound: binding a value imports pandas, and every import of the definitions comes here. The
    # statement is parsed, in a database with nothing in it, and never run.
    quoted = text.replace("'", "''")
    with duckdb.connect() as connection:
        tree = connection.execute(f"SELECT json_serialize_sql('{quoted}')").fetchall()[0][0]

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


def _dollars(names: Iterable[str]) -> str:
    return ", ".join(f"${name}" for name in names)


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
