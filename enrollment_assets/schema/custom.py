"""Custom metrics: tables that people add, one file each, in SQL or with pandas.

Each file in the metrics folder (`sql/metrics/`, or `metrics_dir` in `enrollment.yaml`) is one metric,
one table of schema `enrollment` and one daily asset in group `custom`: `<name>.sql` with a header, or
`<name>.py` with a `CustomMetric`. Installed packages may offer more `CustomMetric` objects under the
entry point group `enrollment_assets.metrics`. docs/custom_metrics.md is the guide.

Here is what a metric may say; `metric_files` reads the files, `pipeline.custom` computes. Nothing here
loads pandas or opens the warehouse.
"""

import datetime as dt
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import duckdb
from pydantic import BeforeValidator, Field, field_validator, model_validator

from enrollment_assets.config import Settings
from enrollment_assets.config.fields import Identifier
from enrollment_assets.config.file import did_you_mean
from enrollment_assets.config.sections import Section
from enrollment_assets.schema.table import Column, Table

DATE = "date"

# What a statement may bind beside its own parameters: the days of the range, both inclusive, the
# bound under which counts of students are withheld, and what a segment without a value is called.
RANGE_BINDS = ("first", "last")
KNOWN_BINDS = (*RANGE_BINDS, "small_cell", "blank_segment")

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


def _parameters_of(text: str) -> list[str]:
    return sorted(duckdb.extract_statements(text)[0].named_parameters)


def _dollars(names: Iterable[str]) -> str:
    return ", ".join(f"${name}" for name in names)


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
