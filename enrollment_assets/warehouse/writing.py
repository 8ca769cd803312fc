"""The warehouse for one writer: holds the lock, keeps the file open, leaves a copy at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseError
from enrollment_assets.support import progress
from enrollment_assets.warehouse.compaction import compact
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.lock import writer_lock


@contextmanager
def writing(
    settings: Settings, doing: str, *, notify: Callable[[str], None] = progress.note
) -> Iterator[Warehouse]:
    """The warehouse, with the writer's lock held from here to the end of the block.

    Raises:
        WarehouseBusyError: if another writer kept it.
    """
    with writer_lock(settings.warehouse_path, doing, notify=notify) as has_died:
        warehouse = Warehouse(settings)
        if has_died and warehouse.path.exists():
            warehouse.repair_after_crash()
        with warehouse.kept_open():
            yield warehouse
        if warehouse.is_to_be_compacted:
            _compact(warehouse)
        warehouse.keep_copy()


def _compact(warehouse: Warehouse) -> None:
    try:
        compact(warehouse)
    except WarehouseError as error:  # what the run did is done
        progress.note(str(error))
