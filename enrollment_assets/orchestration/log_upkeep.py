"""Makes Dagster's log smaller: what old runs left, except what its interface shows of each partition.

The interface needs the newest materialization, observation, planned materialization and check of every
asset and partition. They stay; what they replaced goes, and the logs of the runs themselves.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db

from enrollment_assets.orchestration.dagster_internals.storage import (
    INDEX_SHARD_NAME,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    DeserializationError,
    EventLogEntry,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
    deserialize_value,
)
from enrollment_assets.orchestration.event_text import SLIM_EVENTS, pointer_text, slim_text
from enrollment_assets.orchestration.instance_storage import PooledSqliteEventLogStorage
from enrollment_assets.support import progress

# How many runs one statement names.
_CHUNK = 400
# Writing a file anew takes a while: it must give back a tenth of it.
_LEAST_FREE = 0.1

_EVENTS = SqlEventLogStorageTable.c
_CHECKS = AssetCheckExecutionsTable.c
_KINDS = [
    dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    dg.DagsterEventType.ASSET_OBSERVATION.value,
    "ASSET_MATERIALIZATION_PLANNED",
]
_EVALUATION = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_CHECK_KINDS = [_EVALUATION.value, "ASSET_CHECK_EVALUATION_PLANNED"]
_SLIM = [kind.value for kind in SLIM_EVENTS]
# A field that Dagster writes always, and `event_text` never.
_ONLY_IN_LONG = '"logging_tags":'

_NEWEST_EVENTS = (
    db.select(db.func.max(_EVENTS.id))
    .where(_EVENTS.dagster_event_type.in_(_KINDS), _EVENTS.asset_key.is_not(None))
    .group_by(_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
)
# The newest one of a check may be only planned, by a run that died: the newest result counts, too.
_HAS_RESULT = _CHECKS.execution_status != AssetCheckExecutionRecordStatus.PLANNED.value
_OF_A_CHECK = (_CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition)
_NEWEST_RESULTS = db.select(db.func.max(_CHECKS.id)).where(_HAS_RESULT).group_by(*_OF_A_CHECK)
_NEWEST_CHECKS = db.select(db.func.max(_CHECKS.id)).group_by(*_OF_A_CHECK, _HAS_RESULT)


def runs_to_keep(instance: dg.DagsterInstance, runs: Sequence[str]) -> set[str]:
    """Of these runs the ones of the newest materialization or check of some asset and partition."""
    storage = _storage(instance)
    if storage is None:  # another product's, which cannot be asked
        return set(runs)
    with storage.index_connection() as connection:
        made = connection.execute(
            db.select(_EVENTS.run_id)
            .where(
                _EVENTS.dagster_event_type == _KINDS[0],
                _EVENTS.id.in_(_NEWEST_EVENTS),
            )
            .distinct()
        )
        checked = connection.execute(
            db.select(_CHECKS.run_id).where(_CHECKS.id.in_(_NEWEST_RESULTS)).distinct()
        )
        return {run for (run,) in (*made, *checked)} & set(runs)


def count_replaced(instance: dg.DagsterInstance, runs: Sequence[str]) -> int:
    """How many events of these runs have been replaced by newer ones of the same partition."""
    storage = _storage(instance)
    if storage is None:
        return 0
    with storage.index_connection() as connection:
        return sum(
            connection.execute(
                db.select(db.func.count()).select_from(table).where(*which)
            ).scalar_one()
            for table, which in _replaced(runs)
        )


def remove_replaced(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    """Remove the events of these runs that newer ones of the same partition have replaced."""
    storage = _storage(instance)
    if storage is None:
        return
    with storage.index_transaction() as connection:
        for table, which in _replaced(runs):
            if table is SqlEventLogStorageTable:
                ids = db.select(_EVENTS.id).where(*which)
                connection.execute(
                    AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(ids))
                )
            connection.execute(table.delete().where(*which))


def with_log(instance: dg.DagsterInstance, runs: Sequence[str]) -> list[str]:
    """Those of these runs whose log is a file of its own, and is there."""
    storage = instance.event_log_storage
    if not isinstance(storage, PooledSqliteEventLogStorage):
        return []
    return [run for run in runs if Path(storage.path_for_shard(run)).exists()]


def remove_logs(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    """Remove the logs of runs that stay in the list of runs, and what they printed."""
    storage = instance.event_log_storage
    if isinstance(storage, PooledSqliteEventLogStorage):
        for run in with_log(instance, runs):
            storage.remove_log(run)
            instance.compute_log_manager.delete_logs(prefix=[run])


def count_long(instance: dg.DagsterInstance, runs: Sequence[str]) -> int:
    """How many events of these runs an earlier version has written, in a longer form."""
    if not isinstance(instance.event_log_storage, PooledSqliteEventLogStorage):
        return 0
    with instance.event_log_storage.index_connection() as connection:
        return sum(
            connection.execute(
                db.select(db.func.count()).select_from(text.table).where(*which)
            ).scalar_one()
            for text, which in _long(runs)
        )


def shorten(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    """Write the events of these runs that an earlier version has written as this one would."""
    storage = instance.event_log_storage
    if not isinstance(storage, PooledSqliteEventLogStorage):
        return
    for text, which in _long(runs):
        key = text.table.c.id
        update = (
            text.table.update().where(key == db.bindparam("at")).values({text: db.bindparam("to")})
        )
        last = 0
        while True:
            with storage.index_transaction() as connection:
                rows = connection.execute(
                    db.select(key, text).where(*which, key > last).order_by(key).limit(_CHUNK)
                ).fetchall()
                if not rows:
                    break
                last = rows[-1][0]
                short = [{"at": number, "to": _shorter(long, text)} for number, long in rows]
                connection.execute(update, short)


def _shorter(long: str, column: db.Column[Any]) -> str:
    try:
        event = deserialize_value(long, EventLogEntry)
    except (DeserializationError, ValueError):  # nobody can read it
        return long
    if event.dagster_event_type not in SLIM_EVENTS:  # what Dagster shows for one it cannot read
        return long
    # The index holds an evaluation once, in the table of checks.
    is_pointer = column is _EVENTS.event and event.dagster_event_type == _EVALUATION
    return pointer_text(event) if is_pointer else slim_text(event)


def free_bytes(instance: dg.DagsterInstance) -> int:
    """What `shrink` would give back of the database files as they are."""
    return sum(free for _, free in _loose_files(instance))


def shrink(instance: dg.DagsterInstance, *, has_shorter_events: bool = False) -> None:
    """Give free space inside the database files back to the disk.

    Readers go on meanwhile. A file that a writer keeps is left as it is, for the next time.
    """
    loose = {path for path, _ in _loose_files(instance)}
    storage = instance.event_log_storage
    if has_shorter_events and isinstance(storage, PooledSqliteEventLogStorage):
        loose.add(Path(storage.path_for_shard(INDEX_SHARD_NAME)))
    for path in sorted(loose):
        try:
            with _opened(path) as connection:
                connection.execute("VACUUM")
                # The smaller file is in the write-ahead log until then.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            progress.note(f"{path.name} is as large as before ({error}); prune again later.")


def _replaced(runs: Sequence[str]) -> Iterator[tuple[db.Table, list[Any]]]:
    """Tables, and which rows of them: in the order in which they must be deleted."""
    for start in range(0, len(runs), _CHUNK):
        some = runs[start : start + _CHUNK]
        yield (
            AssetCheckExecutionsTable,
            [_CHECKS.run_id.in_(some), _CHECKS.id.not_in(_NEWEST_CHECKS)],
        )
        shown = db.select(_CHECKS.evaluation_event_storage_id).where(
            _CHECKS.id.in_(_NEWEST_CHECKS), _CHECKS.evaluation_event_storage_id.is_not(None)
        )
        yield (
            SqlEventLogStorageTable,
            [
                _EVENTS.run_id.in_(some),
                db.or_(
                    _EVENTS.dagster_event_type.in_(_KINDS) & _EVENTS.id.not_in(_NEWEST_EVENTS),
                    _EVENTS.dagster_event_type.in_(_CHECK_KINDS) & _EVENTS.id.not_in(shown),
                ),
            ],
        )


def _long(runs: Sequence[str]) -> Iterator[tuple[db.Column[Any], list[Any]]]:
    """Columns with the text of an event, and in which rows it is longer than it need be."""
    for start in range(0, len(runs), _CHUNK):
        some = runs[start : start + _CHUNK]
        yield (
            _EVENTS.event,
            [
                _EVENTS.run_id.in_(some),
                _EVENTS.dagster_event_type.in_(_SLIM),
                _EVENTS.event.contains(_ONLY_IN_LONG),
            ],
        )
        yield (
            _CHECKS.evaluation_event,
            [_CHECKS.run_id.in_(some), _CHECKS.evaluation_event.contains(_ONLY_IN_LONG)],
        )


def _loose_files(instance: dg.DagsterInstance) -> Iterator[tuple[Path, int]]:
    """The database files of which a good part is free, and how many bytes of them."""
    storage = instance.event_log_storage
    if not isinstance(storage, PooledSqliteEventLogStorage):
        return
    for path in storage.database_files():
        with _opened(path) as connection:
            free, pages, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size")
            )
        if free and free >= pages * _LEAST_FREE:
            yield path, free * size


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS, isolation_level=None))


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage | None:
    storage = instance.event_log_storage
    return storage if isinstance(storage, SqlEventLogStorage) else None
