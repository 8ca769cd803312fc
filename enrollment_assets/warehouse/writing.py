"""The warehouse for one writer: its lock held, its file kept open, a copy left at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from enrollment_assets.config import Settings
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.lock import writer_lock


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
