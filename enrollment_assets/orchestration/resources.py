"""The resources that assets and checks use: the warehouse, its IO manager, the source.

A run holds the writer's lock from its first step to its last.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.orchestration.io_manager import build_io_manager
from enrollment_assets.orchestration.runs import close_dead_runs, process_tags
from enrollment_assets.sources.base import Source
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.writing import writing


def build_resources(settings: Settings) -> dict[str, Any]:
    """The resources of one configuration, by key."""

    @dg.resource(description="The DuckDB warehouse; the run is its only writer.")
    def warehouse(context: dg.InitResourceContext) -> Iterator[Warehouse]:
        doing = "a run"
        if context.instance and context.run:
            # The tag comes first, so that a run that dies while it waits is recognized as dead.
            context.instance.add_run_tags(context.run.run_id, process_tags())
            doing = f"run {context.run.run_id[:8]} of {context.run.job_name}"
            close_dead_runs(context.instance)

        def notify(text: str) -> None:
            progress.note(text)
            if context.log:
                context.log.info(text)

        with writing(settings, doing, notify=notify) as locked_warehouse:
            yield locked_warehouse

    @dg.io_manager(
        required_resource_keys={"warehouse"},
        description="Stores assets as tables of the warehouse, each partition whole or not at all.",
    )
    def io_manager(context: dg.InitResourceContext) -> dg.IOManager:
        return build_io_manager(context.resources.warehouse)

    @dg.resource(description="Where the daily snapshots come from.")
    def source(_context: dg.InitResourceContext) -> Source:
        return source_for(settings)

    return {"warehouse": warehouse, "io_manager": io_manager, "source": source}
