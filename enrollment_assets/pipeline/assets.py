"""How a declared table becomes an asset: group, lineage, owner, documentation, link to its SQL."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.names import OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions
from enrollment_assets.schema.custom import Metric
from enrollment_assets.schema.platform import of_stage
from enrollment_assets.schema.table import Table
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Computed, Statement
from enrollment_assets.warehouse.logic import code_version
from enrollment_assets.warehouse.statements import statement

TAGS = {"domain": "enrollment"}


@dataclass(frozen=True)
class WrittenDays:
    """An output that its step has stored: the days that are complete, and no others of the run."""

    days: Sequence[dt.date]


def stage_assets(settings: Settings, stage: str) -> list[dg.AssetsDefinition]:
    """One asset for each table and view of an asset group that a SQL file computes."""
    return [
        _view_asset(settings, table) if table.is_view else _statement_asset(settings, table)
        for table in of_stage(settings, stage)
    ]


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns, as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.type, column.description) for column in table.columns
        ]
    )


def described(table: Table) -> str:
    """What the catalog says of a table: the grain first."""
    return f"{table.grain[:1].upper()}{table.grain[1:]}.\n\n{table.description}".strip()


def documented(table: Table) -> dict[str, Any]:
    """The metadata of a table's asset: columns, grain, the file that declares it."""
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": table.relation,
        "grain": table.grain,
    }
    if table.date_column:
        metadata["partition_expr"] = table.date_column
    if table.file:
        metadata["dagster/code_references"] = dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(
                    file_path=str(table.file), line_number=1, label=table.file.name
                )
            ]
        )
    return metadata


def table_asset(
    settings: Settings,
    table: Table,
    *,
    group: str | None = None,
    language: str = "sql",
    metadata: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Statement | Computed | Metric]], dg.AssetsDefinition]:
    """Make an asset of a function that says what computes a daily partitioned table."""
    return dg.asset(
        name=table.name,
        description=described(table),
        deps=list(table.depends_on),
        group_name=group or table.stage,
        kinds={"duckdb", language},
        owners=list(OWNERS),
        tags=TAGS,
        pool=POOL,
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=code_version(settings, table),
        metadata={**documented(table), **(metadata or {})},
    )


def declared_out(settings: Settings, table: Table, kind: type, kinds: set[str]) -> dg.AssetOut:
    """One output of several: a daily partitioned table that an object of type `kind` computes."""
    return dg.AssetOut(
        dagster_type=kind,
        code_version=code_version(settings, table),
        group_name=table.stage,
        kinds=kinds,
        owners=list(OWNERS),
        tags=TAGS,
        description=described(table),
        metadata=documented(table),
    )


def declared_spec(settings: Settings, table: Table) -> dg.AssetSpec:
    """The asset of a table without partitions, which a step of several writes."""
    return dg.AssetSpec(
        table.name,
        deps=list(table.depends_on),
        code_version=code_version(settings, table),
        description=described(table),
        group_name=table.stage,
        owners=list(OWNERS),
        kinds={"duckdb", "sql"},
        tags=TAGS,
        metadata=documented(table),
    )


def _statement_asset(settings: Settings, table: Table) -> dg.AssetsDefinition:
    @table_asset(settings, table)
    def rows() -> Statement:
        return Statement(table.name)

    return rows


def _view_asset(settings: Settings, view: Table) -> dg.AssetsDefinition:
    """An asset that is a view: made anew by each run, without partitions."""

    @dg.asset(
        name=view.name,
        description=described(view),
        group_name=view.stage,
        kinds={"duckdb", "view"},
        owners=list(OWNERS),
        tags=TAGS,
        pool=POOL,
        deps=list(view.depends_on),
        code_version=code_version(settings, view),
        metadata=documented(view),
    )
    def make_view(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
        query = statement(view.name, warehouse.settings)
        with warehouse.connect() as connection:
            connection.execute(f"CREATE OR REPLACE VIEW {view.relation} AS {query}")
            rows = connection.execute(f"SELECT count(*) FROM {view.relation}").fetchone()
        return dg.MaterializeResult(metadata={"dagster/row_count": rows[0] if rows else 0})

    return make_view
