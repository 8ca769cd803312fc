"""A copy of the warehouse as the last run left it, and how it is restored.

DuckDB's checkpoint writes metadata blocks in place while the file's header still points to them. A
process that is killed in the middle of such a write, or a power cut, leaves a file that cannot be
opened. So each run leaves a copy when it ends; it replaces a file that turns out to be damaged, and
every day is as it was before the run that was killed.
"""

import os
import shutil
from pathlib import Path

import duckdb

from enrollment_assets.errors import WarehouseError
from enrollment_assets.support import progress
from enrollment_assets.support.files import PRIVATE_FILE, written_aside

_DAMAGE = ("corrupt", "checksum", "metadatareader", "replaying wal", "deserialize")


def backup_path(warehouse: Path) -> Path:
    """Where the copy is."""
    return warehouse.with_suffix(".backup")


def damaged_path(warehouse: Path) -> Path:
    """Where a damaged file is kept after the copy has taken its place."""
    return warehouse.with_suffix(".damaged")


def is_damage(error: duckdb.Error) -> bool:
    """Whether an error says that the file itself is damaged."""
    text = str(error).lower()
    return any(word in text for word in _DAMAGE)


def keep_copy(warehouse: Path) -> None:
    """Copy the closed file aside, whole or not at all. Call with the writer's lock held.

    Raises:
        WarehouseError: if there is no room for it.
    """
    if not warehouse.exists():
        return
    try:
        _copy(warehouse, backup_path(warehouse))
    except OSError as error:
        raise WarehouseError(
            f"The backup copy of {warehouse} cannot be written ({error.strerror}), but the figures are "
            "stored; free as much space as the file takes."
        ) from None


def restore(warehouse: Path) -> None:
    """Replace a damaged file by the copy; the damaged file is kept beside it.

    Raises:
        WarehouseError: if there is no copy.
    """
    copy = backup_path(warehouse)
    if not copy.exists():
        raise WarehouseError(
            f"{warehouse} is damaged and has no backup copy; move it away and backfill into a new one."
        )
    aside = warehouse.with_suffix(f".restoring-{os.getpid()}")
    damaged = damaged_path(warehouse)
    try:
        shutil.copyfile(copy, aside)
        aside.chmod(PRIVATE_FILE)
        damaged.unlink(missing_ok=True)
        # A second name for the damaged file, so that the path is never empty.
        damaged.hardlink_to(warehouse)
        # The log goes first: it belongs to the damaged file.
        Path(f"{warehouse}.wal").unlink(missing_ok=True)
        aside.replace(warehouse)
    except OSError as error:
        raise WarehouseError(
            f"{warehouse} is damaged, and its backup copy {copy} cannot replace it ({error.strerror}); "
            "free as much space as the file takes, and run this again."
        ) from None
    finally:
        aside.unlink(missing_ok=True)
    progress.note(f"{warehouse.name} was damaged by a crash and has been restored from its copy.")


def _copy(source: Path, target: Path) -> None:
    with written_aside(target) as aside:
        shutil.copyfile(source, aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
