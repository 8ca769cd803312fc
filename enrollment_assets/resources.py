"""The resources that assets and checks ask for: the warehouse, its IO manager, the source.

A run holds the writer's lock from its first step to its last.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from enrollment_assets import progress
from enrollment_assets.config import Settings
from enrollment_assets.locking import close_dead_runs, process_tags, writer_lock
from enrollment_assets.sources.base import Source, source_for
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.io_manager import build_io_manager


@contextmanager
def writing(
    settings: Settings, doing: str, *, tell: Callable[[str], None] = progress.note
) -> Iterator[Warehouse]:
    """The warehouse, with the writer's lock held from here to the end of the block.

    Raises:
        WarehouseBusyError: if another writer kept it.
    """
    with writer_lock(settings.warehouse_path, doing, tell=tell) as has_died:
        found = Warehouse(settings)
        if has_died and found.path.exists():
            found.make_good()
        with found.kept_open():
            yield found
        found.keep_copy()


def build_resources(settings: Settings) -> dict[str, Any]:
    """The resources of one configuration, under the keys that assets ask for."""

    @dg.resource(description="The DuckDB warehouse; the run is its only writer.")
    def warehouse(context: dg.InitResourceContext) -> Iterator[Warehouse]:
        doing = "a run"
        if context.instance and context.run:
            # The tag comes first: a run that dies while it waits must be found dead, too.
            context.instance.add_run_tags(context.run.run_id, process_tags())
            doing = f"run {context.run.run_id[:8]} of {context.run.job_name}"
            close_dead_runs(context.instance)

        def tell(text: str) -> None:
            progress.note(text)
            if context.log:
                context.log.info(text)

        with writing(settings, doing, tell=tell) as found:
            yield found

    @dg.io_manager(
        required_resource_keys={"warehouse"},
        description="Stores assets as tables of the warehouse, a partition whole or not at all.",
    )
    def io_manager(context: dg.InitResourceContext) -> dg.IOManager:
        return build_io_manager(context.resources.warehouse)

    @dg.resource(description="Where the daily snapshots come from.")
    def source(_context: dg.InitResourceContext) -> Source:
        return source_for(settings)

    return {"warehouse": warehouse, "io_manager": io_manager, "source": source}
