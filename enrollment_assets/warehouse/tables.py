"""Makes the declared tables in the file, and the columns that were declared later."""

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseError
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.table import OPERATIONS, SCHEMA, SPELLS, Table
from enrollment_assets.warehouse.statements import statement

_VIEW = "VIEW"


def _columns_there(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], dict[str, str]]:
    columns: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema IN (?, ?) ORDER BY ordinal_position",
        [SCHEMA, OPERATIONS],
    ).fetchall():
        columns.setdefault((schema, table), {})[column] = kind
    return columns


def _views_there(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    rows = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = ?",
        [_VIEW],
    ).fetchall()
    return set(rows)


def has_all_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """Whether every declared table and column is there."""
    existing, views = _columns_there(connection), _views_there(connection)
    return all(
        set(spec.column_names) <= set(existing.get((spec.schema, spec.name), ()))
        and (not spec.is_daily_view or (spec.schema, spec.name) in views)
        for spec in tables(settings).values()
    )


def ensure_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make what is not there; add the column of a dimension that was configured later.

    Views come last, with `ensure_views`: an upgrade may have to make room for them.

    A column of a custom metric takes the type that the metric has now; values that do not fit it are
    emptied, until their days are computed again.

    Raises:
        WarehouseError: if a column of another table has another type than it should.
    """
    existing = _columns_there(connection)
    for spec in tables(settings).values():
        if not spec.is_daily_view:
            _ensure_table(connection, spec, existing.get((spec.schema, spec.name)))


def former_columns(connection: duckdb.DuckDBPyConnection, settings: Settings) -> tuple[str, ...]:
    """The columns of stored rows that are no longer configured: removed or renamed dimensions."""
    declared = tables(settings)[SPELLS].column_names
    there = _columns_there(connection).get((SCHEMA, SPELLS), {})
    return tuple(name for name in there if name not in declared)


def ensure_views(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make the declared daily views, and those anew whose columns the configuration has changed."""
    existing, views = _columns_there(connection), _views_there(connection)
    for spec in tables(settings).values():
        there = existing.get((spec.schema, spec.name), {})
        is_there = (spec.schema, spec.name) in views and tuple(there) == spec.column_names
        if spec.is_daily_view and not is_there:
            query = statement(spec.name, settings)
            connection.execute(f"CREATE OR REPLACE VIEW {spec.relation} AS {query}")


def _ensure_table(
    connection: duckdb.DuckDBPyConnection, spec: Table, there: dict[str, str] | None
) -> None:
    if there is None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {spec.schema}")
        connection.execute(spec.create_statement())
        return
    for column in spec.columns:
        kind = there.get(column.name)
        if kind is None:
            connection.execute(
                f'ALTER TABLE {spec.relation} ADD COLUMN "{column.name}" {column.type}'
            )
        elif kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") == column.type:
            continue
        elif spec.is_custom:
            connection.execute(
                f'ALTER TABLE {spec.relation} ALTER "{column.name}" SET DATA TYPE {column.type} '
                f'USING TRY_CAST("{column.name}" AS {column.type})'
            )
        else:
            raise WarehouseError(
                f"{spec.relation}.{column.name} is {kind} in the warehouse and should be "
                f"{column.type}; move the file aside and backfill into a new one."
            )
