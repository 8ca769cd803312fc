"""What every asset carries: group, kinds, owner, tags, table and column documentation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.custom_metrics import Metric
from enrollment_assets.partitions import daily_partitions
from enrollment_assets.warehouse.derive import Statement
from enrollment_assets.warehouse.schema import Table

# Runs that touch the file wait for each other (see `concurrency` in dagster.yaml).
POOL = "warehouse"
OWNERS = ("team:institutional-research",)


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns, as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.type, column.description) for column in table.columns
        ]
    )


def statement_asset(
    settings: Settings,
    table: Table,
    group: str,
    deps: Sequence[str],
    *,
    description: str | None = None,
    language: str = "sql",
    metadata: Mapping[str, Any] | None = None,
) -> Callable[[Callable[[], Statement | Metric]], dg.AssetsDefinition]:
    """Make an asset of a function that gives the statement or metric of a daily partitioned table.

    The description is the function's docstring where none is given.
    """

    def decorate(function: Callable[[], Statement | Metric]) -> dg.AssetsDefinition:
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
