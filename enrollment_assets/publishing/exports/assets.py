"""Beside the reports: the star schema that BI tools open."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.names import OWNERS, POOL
from enrollment_assets.publishing.exports import files as exports
from enrollment_assets.schema.table import Table
from enrollment_assets.schema.vocabulary import translated
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.logic import code_version

GROUP = "exports"


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Everything of group `exports`, written together so that facts and dimensions agree."""

    def columns(table: Table) -> dg.TableSchema:
        kinds = {column.name: column for column in table.columns}
        return dg.TableSchema(
            columns=[
                dg.TableColumn(published, kinds[name].type, kinds[name].description)
                for published, name in exports.export_columns(settings, table).items()
            ]
        )

    @dg.multi_asset(
        name="publish_exports",
        specs=[
            dg.AssetSpec(
                name,
                # Restatements must be recorded before the new figures count as reported.
                deps=[*table.depends_on, "metric_restatements"],
                code_version=code_version(settings, table),
                description=f"{table.grain}, as {_kinds(settings)}.",
                group_name=GROUP,
                owners=list(OWNERS),
                kinds={"parquet", "csv"},
                tags={"domain": "enrollment"},
                metadata={
                    "dagster/column_schema": columns(table),
                    "dagster/table_name": translated(name, settings.vocabulary),
                },
            )
            for name, table in exports.export_tables(settings).items()
        ],
        pool=POOL,
    )
    def publish_exports(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Writes the star schema: complete files, renamed into place once all are written."""
        with warehouse.connect() as connection:
            written = exports.publish(connection, settings, taken_by=context.run.job_name)
        for table in written:
            yield dg.MaterializeResult(
                asset_key=table.name,
                metadata={
                    "dagster/row_count": table.rows,
                    "bytes": table.size,
                    "files": [str(path) for path in table.files],
                },
            )

    return [publish_exports]


def _kinds(settings: Settings) -> str:
    return ", ".join(settings.exports.formats) or "no file: exports.formats is empty"
