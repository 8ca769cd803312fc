"""Dagster's own embedded SQLite storage, with connections that are kept open, and less in it.

`dagster.yaml` names `PooledSqliteStorage`. Dagster's storage opens and discards a SQLAlchemy engine
for every event, and commits each with a full sync; a range run over a year writes thousands of events
and spends most of its time there. Files, tables and migrations stay Dagster's own, so
that the storage can be swapped for the stock one at any time. `bench/event_log.py` measures both.

A range run writes an event for each asset, check and day, and those of a day are four fifths of the
files. What such an event repeats of its step is left out, and so is a day's plan once the day is
materialized, which is all that a plan is read for.
"""

import json
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as db
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

from enrollment_assets.config.instance_home import HOME_VARIABLE, home_of
from enrollment_assets.config.settings import find_config
from enrollment_assets.orchestration.dagster_internals.storage import (
    ASSET_EVENTS,
    INDEX_SHARD_NAME,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionsTable,
    ConfigurableClassData,
    DagsterEventType,
    DagsterSqliteStorage,
    EventLogEntry,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
    SqliteRunStorage,
    SqliteScheduleStorage,
    UserConfigSchema,
)
from enrollment_assets.support.files import make_private_folder

# Dagster hands the materializations of one step over in one call only when this variable says so;
# without batches each of them is a commit of its own.
_BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
_BATCH_SIZE = "500"

_INDEX_PAGE_BYTES = 16_384
# A file is written anew if more than this share of its pages is free.
_FREE_SHARE = 0.2

_KEY_COLUMNS = ("asset_key", "check_name", "partition", "run_id")

_MATERIALIZED = DagsterEventType.ASSET_MATERIALIZATION.value

# The run log has a file for each run: a daemon that lives for months must not hold them all open.
_OPEN_SHARDS = 8


def default_home() -> Path:
    """The folder of Dagster's state: `DAGSTER_HOME`, or the one of the configuration."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else make_private_folder(home_of(find_config()))


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, with one pool of open connections for each file."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._known_tables: set[str] = set()
        self._waiting: list[EventLogEntry] = []
        self._waiting_lock = threading.Lock()
        os.environ.setdefault(_BATCH_VARIABLE, _BATCH_SIZE)
        super().__init__(base_dir, inst_data)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table; a table never disappears."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._waiting:
            self._store_waiting()
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        """The open engine of one file. Call with the lock held."""
        # A run's file that was deleted (a pruned run) must not live on behind an open handle.
        if shard in self._engines and not os.path.exists(self.path_for_shard(shard)):
            self._engines.pop(shard).dispose()
            self._initialized_dbs.discard(shard)
        if shard not in self._engines:
            engine = db.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            db.event.listen(engine, "connect", _use_write_ahead_log)
            if shard not in self._initialized_dbs:
                self._initdb(engine, for_index_shard=shard == INDEX_SHARD_NAME)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
            while len(self._engines) > _OPEN_SHARDS:
                oldest = next(name for name in self._engines if name != INDEX_SHARD_NAME)
                self._engines.pop(oldest).dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events from the index, and the file that holds its log."""
        super().delete_events(run_id)
        self.delete_log(run_id)

    def has_log(self, run_id: str) -> bool:
        """Whether there is a file with the log of this run."""
        return os.path.exists(self.path_for_shard(run_id))

    def delete_log(self, run_id: str) -> None:
        """Delete the file that holds a run's log; what assets and checks show is in the index."""
        with self._db_lock:
            if run_id in self._engines:
                self._engines.pop(run_id).dispose()
            self._initialized_dbs.discard(run_id)
            for ending in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(self.path_for_shard(run_id) + ending)

    def shrink(self) -> bool:
        """Give free pages of events and runs back to the disk; False if others kept them busy."""
        paths = (
            Path(self.path_for_shard(INDEX_SHARD_NAME)),
            Path(self._base_dir).parent / "runs.db",
        )
        are_done = [_vacuum(path) for path in paths if path.exists()]
        return all(are_done)

    def _event_to_row(self, event: EventLogEntry) -> dict[str, Any]:
        row = super()._event_to_row(_slim(event))
        # Dagster writes a space after each comma and colon, 100 to 200 bytes an event.
        row["event"] = json.dumps(json.loads(row["event"]), separators=(",", ":"))
        return row

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; the evaluations that a range run makes of each day wait for each other.

        Dagster never hands these over together. They are stored before anything else is stored or
        read, so that nobody sees an order that is not theirs.
        """
        if _is_evaluation_of_a_day(event):
            with self._waiting_lock:
                self._waiting.append(event)
                full = len(self._waiting) >= int(_BATCH_SIZE)
            if full:
                self._store_waiting()
        else:
            super().store_event(event)

    def _store_waiting(self) -> None:
        with self._waiting_lock:
            events, self._waiting = self._waiting, []
        by_run: dict[str, list[EventLogEntry]] = {}
        for event in events:
            by_run.setdefault(event.run_id, []).append(event)
        try:
            for run_id, of_run in by_run.items():
                self._store_evaluations(run_id, of_run)
                events = [event for event in events if event.run_id != run_id]
        except BaseException:
            with self._waiting_lock:
                self._waiting = events + self._waiting
            raise

    def _store_evaluations(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """What Dagster's `store_event` does for one evaluation, for many in two transactions.

        The run's own log holds those that failed, and the summary of each check, which is not
        among these.
        """
        rows = [self._event_to_row(event) for event in events]
        failed = [
            row
            for event, row in zip(events, rows, strict=True)
            if not event.get_dagster_event().asset_check_evaluation_data.passed
        ]
        if failed:
            with self.run_connection(run_id) as connection:
                connection.execute(SqlEventLogStorageTable.insert(), failed)
        table = AssetCheckExecutionsTable
        key = (table.c.asset_key, table.c.check_name, table.c.partition)
        with self.index_connection() as connection:
            insert = SqlEventLogStorageTable.insert().returning(
                SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
            )
            ids = connection.execute(insert, rows).scalars().all()
            planned = {
                tuple(row)
                for row in connection.execute(db.select(*key).where(table.c.run_id == run_id))
            }
            values = [
                self._execution_values(event, event_id, row["event"])
                for event, event_id, row in zip(events, ids, rows, strict=True)
            ]
            known = [
                v for v in values if (v["asset_key"], v["check_name"], v["partition"]) in planned
            ]
            new = [
                v
                for v in values
                if (v["asset_key"], v["check_name"], v["partition"]) not in planned
            ]
            if known:
                matches = [column == db.bindparam(f"at_{column.name}") for column in key]
                connection.execute(
                    table.update().where(table.c.run_id == run_id, *matches),
                    [
                        {
                            **{f"at_{column.name}": value[column.name] for column in key},
                            **{k: v for k, v in value.items() if k not in _KEY_COLUMNS},
                        }
                        for value in known
                    ],
                )
            if new:
                connection.execute(table.insert(), new)

    def _execution_values(self, event: EventLogEntry, event_id: int, text: str) -> dict[str, Any]:
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        status = (
            AssetCheckExecutionRecordStatus.SUCCEEDED
            if evaluation.passed
            else AssetCheckExecutionRecordStatus.FAILED
        )
        target = evaluation.target_materialization_data
        return {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "partition": evaluation.partition,
            "run_id": event.run_id,
            "execution_status": status.value,
            "evaluation_event": text,
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
            "materialization_event_storage_id": target.storage_id if target else None,
        }

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the asset events of one step or run in one transaction for each file.

        Other events go one by one, as Dagster's own storage does it.
        """
        batch = [event for event in events if event.dagster_event_type in ASSET_EVENTS]
        if batch:
            self._store_asset_events(batch)
        for event in events:
            if event.dagster_event_type not in ASSET_EVENTS:
                self.store_event(event)

    def _store_asset_events(self, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
            _forget_plans(connection, rows)
        # The index repeats the asset events of all runs, as in Dagster's `store_event`.
        with self.index_transaction() as connection:
            insert = SqlEventLogStorageTable.insert().returning(
                SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
            )
            ids = connection.execute(insert, rows).scalars().all()
            _forget_plans(connection, rows)
            self._store_asset_event_tags(connection, events, ids)
            # An asset has one row with its newest event: the last of the batch decides.
            newest = {
                event.get_dagster_event().asset_key: (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)

    def dispose(self) -> None:
        """Store what waits, and close every connection."""
        self._store_waiting()
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
        super().dispose()


def _make_index(folder: Path) -> None:
    """Begin a new index with large pages: two events of a day waste half a page of 4 KB.

    The files of runs are many and mostly small, and keep the small pages.
    """
    path = folder / f"{INDEX_SHARD_NAME}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA page_size={_INDEX_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")


def _vacuum(path: Path) -> bool:
    """Write a SQLite file anew if a good part of it is free; False if others kept it busy."""
    with closing(sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)) as connection:
        ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
        ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
        if free <= _FREE_SHARE * pages:
            return True
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False
    return True


def _slim(event: EventLogEntry) -> EventLogEntry:
    """An event of a day without what it repeats of its step, under whose key it is stored."""
    told = event.dagster_event
    if told is None or not (told.partition or _is_evaluation_of_a_day(event)):
        return event
    slim = told._replace(logging_tags={}, node_handle=None, step_handle=None, pid=None)
    return event._replace(dagster_event=slim, user_message="")


def _forget_plans(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Delete the plans of the partitions that these rows materialize, in the same run."""
    made = [
        {"at_run": row["run_id"], "at_asset": row["asset_key"], "at_partition": row["partition"]}
        for row in rows
        if row["partition"] and row["dagster_event_type"] == _MATERIALIZED
    ]
    table = SqlEventLogStorageTable
    if made:
        connection.execute(
            table.delete().where(
                table.c.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
                table.c.asset_key == db.bindparam("at_asset"),
                table.c.partition == db.bindparam("at_partition"),
                table.c.run_id == db.bindparam("at_run"),
            ),
            made,
        )


def _is_evaluation_of_a_day(event: EventLogEntry) -> bool:
    return (
        event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        and bool(event.run_id)
        and event.get_dagster_event().asset_check_evaluation_data.partition is not None
    )


def _use_write_ahead_log(connection: Any, _record: Any) -> None:
    # With a write-ahead log, NORMAL cannot corrupt the file; after a power cut the last events may
    # be missing from the log, never a row of the warehouse.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


class PooledSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files in the folder of the instance."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        events = Path(base_dir) / "history" / "runs"
        _make_index(events)
        super().__init__(base_dir, inst_data)
        self._event_log_storage.dispose()
        self._event_log_storage = PooledSqliteEventLogStorage(os.path.join(events, ""))
        self._run_storage: SqliteRunStorage
        self._schedule_storage: SqliteScheduleStorage

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No options: the place is `default_home`."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "PooledSqliteStorage":
        """The storage that `dagster.yaml` asks for."""
        return cls.from_local(str(default_home() / "storage"), inst_data=inst_data)
