"""What every asset carries: group, kinds, owner, tags, table and column documentation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.names import OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions
from enrollment_assets.schema.custom import Metric
from enrollment_assets.schema.table import Table
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Computed, Statement
from enrollment_assets.warehouse.statements import statement


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns, as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.type, column.description) for column in table.columns
        ]
    )


def table_asset(
    settings: Settings,
    table: Table,
    group: str,
    deps: Sequence[str],
    *,
    description: str | None = None,
    language: str = "sql",
    metadata: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Statement | Computed | Metric]], dg.AssetsDefinition]:
    """Make an asset of a function that says what computes a daily partitioned table.

    The description is the function's docstring where none is given.
    """

    def decorate(
        function: Callable[..., Statement | Computed | Metric],
    ) -> dg.AssetsDefinition:
        decorator = dg.asset(
            name=table.name,
            description=description,
            deps=list(deps),
            group_name=group,
            kinds={"duckdb", language},
            owners=list(OWNERS),
            tags={"domain": "enrollment"},
            pool=POOL,
            partitions_def=daily_partitions(settings),
            backfill_policy=dg.BackfillPolicy.single_run(),
            metadata={
                "partition_expr": table.date_column,
                "dagster/column_schema": column_schema(table),
                "dagster/table_name": table.relation,
                "grain": table.grain,
                **(metadata or {}),
            },
        )
        return decorator(function)

    return decorate


def declared_out(table: Table, group: str, kind: type, kinds: set[str]) -> dg.AssetOut:
    """One output of several: a daily partitioned table that an object of type `kind` computes."""
    return dg.AssetOut(
        dagster_type=kind,
        group_name=group,
        kinds=kinds,
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        description=f"{table.grain}.",
        metadata={
            "partition_expr": table.date_column,
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": table.relation,
            "grain": table.grain,
        },
    )


def view_asset(
    settings: Settings, view: Table, group: str, deps: Sequence[str], description: str
) -> dg.AssetsDefinition:
    """An asset that is a view: made anew by each run, without partitions."""

    @dg.asset(
        name=view.name,
        description=description,
        group_name=group,
        kinds={"duckdb", "view"},
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        pool=POOL,
        deps=list(deps),
        metadata={
            "dagster/column_schema": column_schema(view),
            "dagster/table_name": view.relation,
        },
    )
    def make_view(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
        with warehouse.connect() as connection:
            connection.execute(statement(view.name, settings))
            rows = connection.execute(f"SELECT count(*) FROM {view.relation}").fetchone()
        return dg.MaterializeResult(metadata={"dagster/row_count": rows[0] if rows else 0})

    return make_view
