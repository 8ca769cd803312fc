"""By which logic each derived table is computed: a fingerprint that changes when a formula does.

A version is made of the statement without comments and blanks, or of the Python that computes the table
without comments and documentation, of the columns, of the settings that these read, and of the versions
of the tables and views that it is computed from. So a changed formula makes its descendants stale and
nothing else, and a changed comment nothing at all. Dated facts of the configuration, such as terms and
closures, are no formula: `lineage.sql` knows which days follow from them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import duckdb
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from enrollment_assets.config import Settings
from enrollment_assets.schema.catalog import lineage, tables
from enrollment_assets.schema.custom import CustomMetric, SqlMetric
from enrollment_assets.schema.metric_files import custom_metrics
from enrollment_assets.schema.platform import declared_exports, platform_views
from enrollment_assets.schema.sql_files import folders
from enrollment_assets.schema.table import BLANK_SEGMENT, Table
from enrollment_assets.support.literals import quoted
from enrollment_assets.warehouse.python_code import Python, python_of, python_of_metric
from enrollment_assets.warehouse.source_code import plain_sql
from enrollment_assets.warehouse.statements import statement

# Keys that hold dated facts or places, not formulas.
_NO_FORMULA = frozenset({"terms", "calendar", "start_date", "data_dir", "metrics_dir", "source"})
_LENGTH = 16

# Of the settings that were asked about last: each part of a code location asks about the same ones.
_last: "_Versions | None" = None


def code_versions(settings: Settings) -> Mapping[str, str]:
    """The version of each table that is restated, under its name."""
    versions, about = _versions(settings), lineage(settings)
    return {name: versions.of(name) for name in (*about.core, *about.insight)}


def code_version(settings: Settings, table: Table) -> str | None:
    """The version of any table, view or export; None of those whose rows no formula gives."""
    return _versions(settings).of(table.name) or None


def load_code_versions(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Load the versions into the temporary table `code_versions`, to know what is stale."""
    rows = ", ".join(f"({quoted(n)}, {quoted(v)})" for n, v in code_versions(settings).items())
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE code_versions AS FROM (VALUES {rows}) AS t (table_name, version)"
    )


def _versions(settings: Settings) -> "_Versions":
    global _last  # noqa: PLW0603 - settings cannot be hashed, so that nothing else can remember
    versions = _last  # another thread may be asking, too
    if versions is None or versions.settings is not settings:
        _last = versions = _Versions(settings)
    return versions


class _Versions:
    """The versions under some settings, each made when somebody asks for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._declared = {
            **declared_exports(settings),
            **platform_views(settings),
            **tables(settings),
        }
        self._custom = custom_metrics(settings)
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The version of a table, view or export.

        It is empty for what is loaded or a ledger: new columns of these change no figure.
        """
        if name not in self._known and name in self._declared:
            table = self._declared[name]
            own = list(self._made_of(table))
            columns = [f"{column.name} {column.type}" for column in table.columns]
            parents = [f"{parent} {self.of(parent)}" for parent in sorted(table.depends_on)]
            text = "\x1f".join([*own, *columns, *parents])
            self._known[name] = hashlib.sha256(text.encode()).hexdigest()[:_LENGTH] if own else ""
        return self._known.get(name, "")

    def _made_of(self, table: Table) -> Iterator[str]:
        """What gives the rows of a table, apart from the tables that it is computed from."""
        settings = self.settings
        metric = self._custom.get(table.name)
        if isinstance(metric, SqlMetric):
            yield from _of_sql(metric.text, settings)
            yield json.dumps(metric.parameters, default=str, sort_keys=True)
        elif isinstance(metric, CustomMetric):
            code = python_of_metric(metric)
            yield f"{code.text} {metric.lookback_days}"
            # Nothing else knows which days of the calendar a metric looks at.
            yield from _read(code, settings, _NO_FORMULA - {"calendar"})
        if table.has_statement:
            yield from _of_sql(statement(table.name, settings), settings)
        if table.computed_by:
            code = python_of(table.computed_by)
            yield code.text
            yield from _read(code, settings, _NO_FORMULA)
            for name in sorted(code.strings & _statements()):
                yield from _of_sql(statement(name, settings), settings)


def _of_sql(text: str, settings: Settings) -> Iterator[str]:
    """A statement, and the values that are bound in it but for days."""
    plain = plain_sql(text)
    yield plain
    words = set(plain.split())
    for name, value in (
        ("small_cell", settings.privacy.small_cell),
        ("blank_segment", BLANK_SEGMENT),
        ("deposited", settings.statuses.deposited),
    ):
        if any(word.startswith(f"${name}") for word in words):
            yield _as_text(name, value)


def _read(code: Python, settings: Settings, no_formula: frozenset[str]) -> Iterator[str]:
    """The settings that code reads, with their values; of a section only the keys that it asks for."""
    keys = {_key(asked.split("."), settings) for asked in code.settings}
    for key in sorted(filter(None, keys)):
        if key.split(".", maxsplit=1)[0] not in no_formula:
            value: object = settings
            for name in key.split("."):
                value = getattr(value, name)
            yield _as_text(key, value)


def _key(names: Iterable[str], settings: Settings) -> str:
    """As many names as are keys: `forecast.intervals.index` asks for `forecast.intervals`."""
    value: object = settings
    known = []
    for name in names:
        if not (isinstance(value, BaseModel) and name in type(value).model_fields):
            break
        known.append(name)
        value = getattr(value, name)
    return ".".join(known)


def _as_text(name: str, value: object) -> str:
    if isinstance(value, frozenset):  # in the order of a process
        value = sorted(value)
    return f"{name} {json.dumps(to_jsonable_python(value), sort_keys=True)}"


@lru_cache(maxsize=1)
def _statements() -> frozenset[str]:
    return frozenset(path.stem for folder in folders() for path in folder.glob("*.sql"))
