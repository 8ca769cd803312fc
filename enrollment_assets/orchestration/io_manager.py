"""The IO manager of the warehouse: dagster-duckdb's classes, with writes that cannot lose a day.

Dagster's stock manager deletes outside a transaction and inserts by position. Here each write is
delete and insert by name in one transaction, into declared types, with columns and dates checked
first; an empty partition is written as an empty partition. What it stores:

- `Statement`: a SQL file of the platform, run inside the warehouse, range by range;
- `Computed`: a function that makes frames of stored figures, some months at a time;
- `SqlMetric` and `CustomMetric`: metrics that people add, computed here, range by range;
- `SnapshotIntake`: days to load from the source;
- `WrittenDays`: nothing, since the step stored these days itself;
- a pandas frame or Arrow table or reader, of an asset whose table is declared in `schema`.

Only days that are complete become materialized partitions: a day that is missing, held or rejected
stays open in Dagster, so that a backfill of what is missing or failed means these days.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
from dagster_duckdb.io_manager import DuckDbClient

from enrollment_assets.errors import WarehouseError
from enrollment_assets.orchestration.dagster_internals import DbIOManager, DbTypeHandler, TableSlice
from enrollment_assets.orchestration.dagster_internals.outputs import materialize_only
from enrollment_assets.pipeline.assets import WrittenDays
from enrollment_assets.pipeline.custom.compute import write_metric
from enrollment_assets.pipeline.days import complete_days
from enrollment_assets.pipeline.ingest.intake import SnapshotIntake, decide, store_days
from enrollment_assets.pipeline.ingest.verdicts import HELD, MISSING, REJECTED
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.custom import CustomMetric, Metric, SqlMetric
from enrollment_assets.schema.table import SCHEMA, Table
from enrollment_assets.support import progress
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.derive import (
    Computed,
    Statement,
    check_columns,
    replace_rows,
    write_computed,
    write_statement,
)
from enrollment_assets.warehouse.transactions import transaction

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
else:
    pa = lazy("pyarrow")


Metadata = dict[str, Any]


class WarehouseClient(DuckDbClient):
    """Connects through `Warehouse`; writes are the handlers' own, in their transactions."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    @contextmanager
    def connect(  # type: ignore[override]  # the base has a static method
        self, context: Any, table_slice: TableSlice
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is closed whatever happens."""
        with self._warehouse.connect() as connection:
            yield connection

    @staticmethod
    def ensure_schema_exists(context: Any, table_slice: TableSlice, connection: Any) -> None:
        """Nothing: the connection made all tables."""

    @staticmethod
    def delete_table_slice(context: Any, table_slice: TableSlice, connection: Any) -> None:
        """Nothing: what is replaced is deleted in the transaction that replaces it."""

    @staticmethod
    def get_table_name(table_slice: TableSlice) -> str:
        """Schema and table, without the file's path."""
        return f"{table_slice.schema}.{table_slice.table}"


class _Handler(DbTypeHandler[Any]):
    """What all handlers share: the table's declaration and per-partition metadata."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def table(self, table_slice: TableSlice) -> Table:
        """The declaration of the table that a slice is of."""
        declared = tables(self._warehouse.settings)
        if table_slice.table not in declared:
            raise WarehouseError(
                f"The table {table_slice.table} is not declared under schema/; declare it there."
            )
        return declared[table_slice.table]

    def load_input(self, context: dg.InputContext, table_slice: TableSlice, connection: Any) -> Any:
        """Only frames can be read back.

        Raises:
            WarehouseError: with the types that an input may have.
        """
        raise WarehouseError(
            f"{table_slice.table} can be read as pandas.DataFrame, pyarrow.Table or "
            "pyarrow.RecordBatchReader; annotate the input with one of them."
        )

    def report(
        self,
        context: dg.OutputContext,
        table: Table,
        days: Sequence[dt.date],
        connection: duckdb.DuckDBPyConnection,
        more: Mapping[dt.date, Metadata] | None = None,
    ) -> None:
        """Record these days as materialized, each with its row count and its figures."""
        written = _written(table, days, connection)
        for day in days:
            context.step_context.add_asset_metadata(
                {
                    **written.get(day, {"dagster/partition_row_count": 0}),
                    **((more or {}).get(day, {})),
                },
                asset_key=context.asset_key,
                partition_key=day.isoformat(),
            )
        materialize_only(context, [day.isoformat() for day in days])


def _written(
    table: Table, days: Sequence[dt.date], connection: duckdb.DuckDBPyConnection
) -> dict[dt.date, Metadata]:
    """Of each day that has rows: how many, and the table's figures of each term."""
    if not days:
        return {}
    date, bounds = table.date_column, [days[0], days[-1]]
    within = f"FROM {table.relation} WHERE {date} BETWEEN ? AND ?"
    counts = connection.execute(f"SELECT {date}, count(*) {within} GROUP BY ALL", bounds).fetchall()
    written: dict[dt.date, Metadata] = {
        day: {"dagster/partition_row_count": count} for day, count in counts
    }
    if table.figures:
        names = ", ".join(f'"{name}"' for name in table.figures)
        which = f" AND ({table.figures_where})" if table.figures_where else ""
        rows = connection.execute(
            f"SELECT {date}, term, {names} {within}{which}", bounds
        ).fetchall()
        for day, term, *values in rows:
            for name, value in zip(table.figures, values, strict=True):
                if value is not None:
                    written[day][f"{name}_{term}"] = value
    return written


def _days(context: dg.OutputContext) -> list[dt.date]:
    return [dt.date.fromisoformat(key) for key in context.asset_partition_keys]


class DerivedHandler(_Handler):
    """Computes the range, a chunk of days at a time, each in one transaction."""

    @property
    def supported_types(self) -> Sequence[type[object]]:
        """Statements and functions."""
        return [Statement, Computed]

    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: Statement | Computed,
        connection: Any,
    ) -> None:
        """Replace the days of the range by what is computed for them."""
        table = self.table(table_slice)
        days = _days(context)
        settings, run = self._warehouse.settings, context.run_id
        with progress.task(table.name, len(days)) as advance:
            if isinstance(obj, Statement):
                write_statement(connection, settings, obj, days, run_id=run, advance=advance)
            else:
                write_computed(connection, settings, obj, days, run_id=run, advance=advance)
        self.report(context, table, complete_days(connection, settings, days), connection)


class MetricHandler(_Handler):
    """Computes a custom metric over the range, a chunk of days at a time."""

    @property
    def supported_types(self) -> Sequence[type[object]]:
        """Metrics of both kinds."""
        return [SqlMetric, CustomMetric]

    def handle_output(
        self, context: dg.OutputContext, table_slice: TableSlice, obj: Metric, connection: Any
    ) -> None:
        """Replace the days of the range by what the metric gives for them."""
        days = _days(context)
        settings, run = self._warehouse.settings, context.run_id
        with progress.task(obj.name, len(days)) as advance:
            write_metric(connection, settings, obj, days, run_id=run, advance=advance)
        self.report(context, obj.table, complete_days(connection, settings, days), connection)


class IntakeHandler(_Handler):
    """Loads days from the source, snapshots and log together."""

    @property
    def supported_types(self) -> Sequence[type[object]]:
        """Intakes."""
        return [SnapshotIntake]

    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: SnapshotIntake,
        connection: Any,
    ) -> None:
        """Store the days of the range."""
        table = self.table(table_slice)
        days = _days(context)
        settings = self._warehouse.settings
        with progress.task(table.name, len(days)) as advance:
            if obj.decision:
                for day in days:
                    obj.results.append(
                        decide(connection, settings, day, obj.decision, run_id=context.run_id)
                    )
                    advance(1)
            else:
                obj.results.extend(
                    store_days(
                        connection,
                        settings,
                        obj.source,
                        days,
                        run_id=context.run_id,
                        on_day=lambda _: advance(1),
                    )
                )
        last = obj.results[-1]
        # Accepted terms go on to their figures; the report then says which terms are missing.
        if (
            obj.strict
            and last.status in (HELD, REJECTED, MISSING)
            and not any(result.students for result in last.terms)
        ):
            text = f"{last.date}: {last.status}. {last.reasons}".rstrip(".")
            # Alerts know a held day by this key.
            about = {"held": str(last.date)} if last.status == HELD else {}
            raise dg.Failure(f"{text}. {last.advice}".rstrip(), about, allow_retries=False)
        for result in obj.results:
            if not result.is_complete:
                context.log_event(
                    dg.AssetObservation(
                        context.asset_key,
                        partition=result.date.isoformat(),
                        metadata=result.summary(),
                    )
                )
        summaries = {result.date: result.summary() for result in obj.results}
        self.report(context, table, obj.complete_days, connection, summaries)


class FrameHandler(_Handler):
    """Stores and loads pandas frames and Arrow tables."""

    @property
    def supported_types(self) -> Sequence[type[object]]:
        """Frames, tables and streams of batches."""
        import pandas as pd

        return [pd.DataFrame, pa.Table, pa.RecordBatchReader]

    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: pd.DataFrame | pa.Table | pa.RecordBatchReader,
        connection: Any,
    ) -> None:
        """Replace the partitions by these rows.

        Raises:
            WarehouseError: if columns are missing or unknown, a value does not fit its declared
                type, or a row's day is not one of the partitions.
        """
        table = self.table(table_slice)
        check_columns(table, obj.schema.names if hasattr(obj, "schema") else list(obj.columns))
        days = _days(context)
        with plain_errors(f"Writing {table.name}"):
            connection.register("incoming_rows", obj)
            with transaction(connection):
                replace_rows(connection, table, days, "incoming_rows")
            connection.unregister("incoming_rows")
        self.report(context, table, days, connection)

    def load_input(self, context: dg.InputContext, table_slice: TableSlice, connection: Any) -> Any:
        """The partitions' rows, as the type that the input is annotated with."""
        table = self.table(table_slice)
        columns = ", ".join(f'"{name}"' for name in table_slice.columns or table.column_names)
        query, binds = f"SELECT {columns} FROM {table.relation}", []
        if context.has_asset_partitions and table.date_column:
            days = [dt.date.fromisoformat(key) for key in context.asset_partition_keys]
            query += f" WHERE list_contains(?, {table.date_column})"
            binds.append(days)
        with plain_errors(f"Reading {table.name}"):
            relation = connection.execute(query, binds)
            wanted = context.dagster_type.typing_type
            if wanted is pa.Table:
                return relation.to_arrow_table()
            if wanted is pa.RecordBatchReader:
                # The connection closes when the step has its input, so that the rows come along.
                return relation.to_arrow_table().to_reader()
            return relation.df()


class WarehouseIOManager(DbIOManager):
    """Stores assets as tables of the warehouse's `enrollment` schema."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Store an output, or record the days that a step stored itself."""
        if isinstance(obj, WrittenDays):
            materialize_only(context, [day.isoformat() for day in obj.days])
            return
        super().handle_output(context, obj)
        # Each partition would carry the query of the whole range.
        context.consume_logged_metadata()


def build_io_manager(warehouse: Warehouse) -> DbIOManager:
    """The manager of the warehouse's assets."""
    import pandas as pd

    return WarehouseIOManager(
        type_handlers=[
            kind(warehouse) for kind in (DerivedHandler, MetricHandler, IntakeHandler, FrameHandler)
        ],
        db_client=WarehouseClient(warehouse),
        database=str(warehouse.path),
        schema=SCHEMA,
        io_manager_name="WarehouseIOManager",
        default_load_type=pd.DataFrame,
    )
