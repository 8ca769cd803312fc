"""The platform's own tables, from the headers of its SQL files.

A header's columns may stand for several: `<dimension>` for each configured dimension, `<level>` for
each level of the forecast's intervals, `<side>` for lower and upper. `<enrollment_metrics>`, or another
table that is declared in a room before it, stands for that table's columns, but for those that
`without` names.
"""

import graphlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from enrollment_assets.config import Settings
from enrollment_assets.config.file import did_you_mean
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.schema.sql_files import headers
from enrollment_assets.schema.table import OPERATIONS, SCHEMA, Column, Table

STAGES = ("ingest", "changes", "metrics", "insight", "exports")
EXPORTS = "exports"
_KEYS = (
    *("name", "stage", "schema", "grain", "description", "kind", "date"),
    *(
        "depends_on",
        "binds",
        "lineage",
        "without",
        "columns",
        "figures",
        "figures_where",
        "computed_by",
    ),
)
_REQUIRED = ("name", "grain", "columns")
_ALLOWED = {
    "stage": STAGES,
    "schema": (SCHEMA, OPERATIONS),
    "kind": ("table", "view", "daily view"),
    "lineage": ("term_dates", "dimensions", "small_cell", "acknowledged", "calendar"),
}
_PLACES = {"side": ("lower", "upper")}


def platform_tables(settings: Settings) -> Mapping[str, Table]:
    """The tables that are always there, without those of custom metrics.

    Raises:
        ConfigurationError: if a header is not as it must be, with the file and the key.
    """
    return {
        name: table
        for name, table in _declared(settings).items()
        if not table.is_view and table.stage != EXPORTS
    }


def platform_views(settings: Settings) -> Mapping[str, Table]:
    """The views over them."""
    return {name: table for name, table in _declared(settings).items() if table.is_view}


def declared_exports(settings: Settings) -> Mapping[str, Table]:
    """The tables of the star schema, dimensions first; they are files, not tables of the warehouse."""
    exports = [table for table in _declared(settings).values() if table.stage == EXPORTS]
    return {table.name: table for table in sorted(exports, key=lambda table: table.name)}


def of_stage(settings: Settings, stage: str) -> list[Table]:
    """The tables and views of an asset group that SQL computes, each after what it is made of."""
    return [
        table
        for table in _declared(settings).values()
        if table.stage == stage and table.has_statement and (table.date_column or table.is_view)
    ]


def _declared(settings: Settings) -> Mapping[str, Table]:
    return _tables(settings.dimensions, settings.forecast.intervals)


@lru_cache(maxsize=8)
def _tables(dimensions: tuple[str, ...], levels: tuple[int, ...]) -> Mapping[str, Table]:
    places = {"dimension": dimensions, "level": tuple(map(str, levels)), **_PLACES}
    tables: dict[str, Table] = {}
    for path, header in headers().items():
        table = _table(path, header, places, tables)
        if table.name in tables:
            raise ConfigurationError(
                f"{path}: name: {table.name} is declared in {tables[table.name].file} already."
            )
        tables[table.name] = table
    for table in tables.values():
        for name in table.depends_on:
            if name not in tables:
                raise ConfigurationError(
                    f"{table.file}: depends_on: {name} is no table{did_you_mean(name, tables)}."
                )
    try:
        order = graphlib.TopologicalSorter(
            {name: table.depends_on for name, table in tables.items()}
        ).static_order()
        return MappingProxyType({name: tables[name] for name in order})
    except graphlib.CycleError as error:
        raise ConfigurationError(
            f"Tables depend on each other in a circle: {' -> '.join(error.args[1])}."
        ) from None


def _table(
    path: Path,
    header: dict[str, Any],
    places: Mapping[str, tuple[str, ...]],
    others: Mapping[str, Table],
) -> Table:
    _check(path, header)
    columns: dict[str, Column] = {}
    for name, text in header["columns"].items():
        other = others.get(str(name).strip("<>"))
        listed = other.columns if other else _columns(path, str(name), str(text), places)
        for column in listed:
            if column.name not in _names(header.get("without")):
                columns.setdefault(column.name, column)
    date = header.get("date")
    if date is not None and (date not in columns or columns[date].type != "DATE"):
        raise ConfigurationError(f"{path}: date: {date} is not a column of type DATE.")
    figures = _names(header.get("figures"))
    for name in figures:
        if name not in columns:
            raise ConfigurationError(f"{path}: figures: {name} is not a column.")
    return Table(
        name=header["name"],
        grain=header["grain"],
        columns=tuple(columns.values()),
        date_column=date,
        schema=header.get("schema", SCHEMA),
        stage=header.get("stage", ""),
        description=header.get("description", ""),
        depends_on=_names(header.get("depends_on")),
        has_statement=header["has_statement"],
        binds=_names(header.get("binds")),
        lineage=_names(header.get("lineage")),
        is_view=header.get("kind") == "view",
        is_daily_view=header.get("kind") == "daily view",
        file=path,
        figures=figures,
        figures_where=header.get("figures_where", ""),
        computed_by=header.get("computed_by", ""),
    )


def _check(path: Path, header: dict[str, Any]) -> None:
    for key in header:
        if key not in (*_KEYS, "has_statement"):
            raise ConfigurationError(f"{path}: {key}: unknown key{did_you_mean(key, _KEYS)}.")
    for key in _REQUIRED:
        if not header.get(key):
            raise ConfigurationError(f"{path}: {key}: must be given in the header.")
    for key, allowed in _ALLOWED.items():
        for value in _names(header.get(key)):
            if value not in allowed:
                raise ConfigurationError(
                    f"{path}: {key}: must be one of {', '.join(allowed)} (found {value})."
                )
    if header["name"] != path.stem:
        raise ConfigurationError(
            f"{path}: name: must be {path.stem}, as the file is called (found {header['name']})."
        )
    if not isinstance(header["columns"], dict):
        raise ConfigurationError(f"{path}: columns: give names with type and description.")


def _names(value: object) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(value).split(",")) if value else ()


def _columns(
    path: Path, name: str, text: str, places: Mapping[str, tuple[str, ...]]
) -> Iterator[Column]:
    """The columns that a line of the header stands for."""
    place = re.search(r"<(\w+)>", name)
    if place is None:
        kind, dash, description = text.partition(" - ")
        if not (dash and kind.isupper()):
            raise ConfigurationError(
                f"{path}: columns: {name}: give a type and a description, such as `DATE - Day of the "
                "snapshot`."
            )
        yield Column(name, kind, description)
        return
    if place[1] not in places:
        raise ConfigurationError(f"{path}: columns: {name}: there is no <{place[1]}>.")
    # The level that comes last in a name changes last: lower_80, upper_80, lower_95, upper_95.
    key = "level" if "<level>" in name else place[1]
    for value in places[key]:
        yield from _columns(
            path,
            name.replace(f"<{key}>", value),
            text.replace(f"<{key}>", value).replace(f"<{key.capitalize()}>", value.capitalize()),
            places,
        )
