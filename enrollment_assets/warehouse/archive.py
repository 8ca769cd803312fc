"""Backup and restore of what cannot be computed again: the warehouse, quarantined rows, reports.

Exports are left out: any run writes them anew. So are the notes on alerts, which belong to the machine.
"""

import datetime as dt
import tarfile
import tempfile
from pathlib import Path

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError, WarehouseError
from enrollment_assets.support.files import PRIVATE_FOLDER, written_aside
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.lock import writer_lock
from enrollment_assets.warehouse.upgrades import refuse_newer, version_of

_FILE = "warehouse.duckdb"
_CONFIGURATION = "enrollment.yaml"
_FOLDERS = ("quarantine", "reports", "student_lists")


def back_up(settings: Settings, target: Path) -> int:
    """Write one private file with the warehouse as it is between two runs; returns its size in bytes.

    Raises:
        ConfigurationError: if there is nothing to back up yet, or the file cannot be written.
        WarehouseBusyError: if a run kept the warehouse for too long.
    """
    path = settings.warehouse_path
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist yet; there is nothing to back up.")
    with writer_lock(path, "a backup"):
        warehouse = Warehouse(settings)
        with warehouse.connect() as connection:
            connection.execute("CHECKPOINT")
        try:
            with written_aside(target) as aside, tarfile.open(aside, "w") as archive:
                archive.add(path, _FILE)
                archive.add(settings.path, _CONFIGURATION)
                for name in _FOLDERS:
                    if (settings.data_path / name).is_dir():
                        archive.add(settings.data_path / name, name)
        except OSError as error:
            raise ConfigurationError(
                f"{target} cannot be written ({error.strerror}); name another place."
            ) from None
    return target.stat().st_size


def restore(settings: Settings, source: Path) -> Path:
    """Put a backup in the place of what is there; returns the folder to which that was moved.

    Raises:
        ConfigurationError: if the file is no backup.
        WarehouseError: if it is of a newer version, or damaged; then nothing was changed.
    """
    data = settings.data_path
    data.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data, prefix=".restoring-") as text:
        unpacked = Path(text)
        try:
            with tarfile.open(source) as archive:
                archive.extractall(unpacked, filter="data")
        except (OSError, tarfile.TarError):
            raise ConfigurationError(
                f"{source} cannot be read as a backup; name a file that `enrollment backup` wrote."
            ) from None
        _check(unpacked / _FILE, source)
        with writer_lock(settings.warehouse_path, "a restore"):
            now = dt.datetime.now(settings.zone)
            aside = data / f"before-restore-{now:%Y%m%d-%H%M%S}"
            aside.mkdir(mode=PRIVATE_FOLDER)
            for name in _FOLDERS:
                if (data / name).exists():
                    (data / name).rename(aside / name)
                if (unpacked / name).exists():
                    (unpacked / name).rename(data / name)
            _replace_warehouse(settings.warehouse_path, unpacked / _FILE, aside)
            Warehouse(settings).keep_copy()
    return aside


def _replace_warehouse(path: Path, file: Path, aside: Path) -> None:
    if path.exists():
        # A second name for what is there, so that the path is never empty: a run that comes after a
        # kill in between would begin an empty warehouse.
        (aside / _FILE).hardlink_to(path)
    log = Path(f"{path}.wal")
    if log.exists():  # it belongs to what was there
        log.rename(aside / f"{_FILE}.wal")
    file.replace(path)


def _check(file: Path, source: Path) -> None:
    if not file.is_file():
        raise ConfigurationError(
            f"{source} holds no {_FILE}; name a file that `enrollment backup` wrote."
        )
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            version = version_of(connection)
    except duckdb.Error:
        raise WarehouseError(
            f"The warehouse in {source} is damaged; restore another backup."
        ) from None
    refuse_newer(version, source)
