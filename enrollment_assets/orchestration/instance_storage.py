"""Dagster's own embedded SQLite storage, with connections that are kept open.

`dagster.yaml` names `PooledSqliteStorage`. Dagster's storage opens and discards a SQLAlchemy engine
for every event, and commits each with a full sync; a range run over a year writes thousands of events
and spends most of its time there. Files, tables and migrations stay Dagster's own, so
that the storage can be swapped for the stock one at any time. `bench/event_log.py` measures both.

The log is also kept small (see `event_text`): an asset has several events for every day. A range run's
own log has one planned event for each asset, which names the range; the index, from which Dagster reads
the state of partitions, has one for each day.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
from enrollment_assets.orchestration.event_text import (
    SLIM_EVENTS,
    pointer_text,
    slim_text,
    text_by_partition,
    text_of_run,
)
from enrollment_assets.support.files import make_private_folder

# Dagster hands the materializations of one step over in one call only when this variable says so;
# without batches each of them is a commit of its own.
_BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
_BATCH_SIZE = "500"

_KEY_COLUMNS = ("asset_key", "check_name", "partition", "run_id")

# The run log has a file for each run: a daemon that lives for months must not hold them all open.
_OPEN_SHARDS = 8

_PAGE_BYTES = 8192
_LOG_BYTES = 16 * 2**20


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

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """Yes: `_store_asset_events` writes the row of each partition that such an event plans."""
        return True

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        if for_index_shard:
            db.event.listen(engine, "connect", _use_large_pages)
        super()._initdb(engine, for_index_shard)

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
            if shard == INDEX_SHARD_NAME:
                db.event.listen(engine, "connect", _use_large_pages)
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
        self.remove_log(run_id)

    def remove_log(self, run_id: str) -> None:
        """Delete the file that holds a run's log; the index keeps what it says of assets."""
        with self._db_lock:
            if run_id in self._engines:
                self._engines.pop(run_id).dispose()
            self._initialized_dbs.discard(run_id)
            for ending in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(self.path_for_shard(run_id) + ending)

    def database_files(self) -> list[Path]:
        """Every database file of the instance: the index, runs, schedules, the logs of runs."""
        return sorted(Path(self._base_dir).parents[1].rglob("*.db"))

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; the evaluations that a run makes of each day wait for each other.

        Dagster never hands these over together. They are stored before anything else is stored or
        read, so that nobody sees an order that is not theirs.
        """
        if not _is_evaluation(event):
            if event.dagster_event_type in ASSET_EVENTS:
                self._store_asset_events([event])
            else:
                super().store_event(event)
        elif event.get_dagster_event().asset_check_evaluation_data.partition is None:
            self._store_waiting()
            self._store_evaluations(event.run_id, [event])
        else:
            with self._waiting_lock:
                self._waiting.append(event)
                full = len(self._waiting) >= int(_BATCH_SIZE)
            if full:
                self._store_waiting()

    def _event_to_row(self, event: EventLogEntry) -> dict[str, Any]:
        if event.dagster_event_type not in SLIM_EVENTS:
            row: dict[str, Any] = super()._event_to_row(event)
            return row
        inner = event.get_dagster_event()
        return {
            "run_id": event.run_id,
            "event": slim_text(event),
            "dagster_event_type": inner.event_type_value,
            "timestamp": self._event_insert_timestamp(event),
            "step_key": inner.step_key,
            "asset_key": inner.asset_key.to_string() if inner.asset_key else None,
            "partition": inner.partition,
        }

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
        """What Dagster's `store_event` does for one evaluation, for many in two transactions."""
        rows = [self._event_to_row(event) for event in events]
        evaluations = [event.get_dagster_event().asset_check_evaluation_data for event in events]
        days = sorted({row.partition for row in evaluations if row.partition is not None})
        # What a passing check measured on each day of a range is on the check's page.
        of_run = [
            {**row, "event": text_of_run(event)} if evaluation.passed and len(days) > 1 else row
            for row, event, evaluation in zip(rows, events, evaluations, strict=True)
        ]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), of_run)
        table = AssetCheckExecutionsTable
        key = (table.c.asset_key, table.c.check_name, table.c.partition)
        of_these_days = (
            table.c.run_id == run_id,
            table.c.asset_key.in_({row.asset_key.to_string() for row in evaluations}),
            table.c.check_name.in_({row.check_name for row in evaluations}),
            # The roll-up of a range comes alone.
            table.c.partition.between(days[0], days[-1]) if days else table.c.partition.is_(None),
        )
        with self.index_connection() as connection:
            insert = SqlEventLogStorageTable.insert().returning(
                SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
            )
            # Of an evaluation Dagster reads the run's log and the table of checks, and here its id.
            pointers = [
                {**row, "event": pointer_text(event)}
                for row, event in zip(rows, events, strict=True)
            ]
            ids = connection.execute(insert, pointers).scalars().all()
            planned = {
                tuple(row) for row in connection.execute(db.select(*key).where(*of_these_days))
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
                matches = [
                    column.is_not_distinct_from(db.bindparam(f"at_{column.name}")) for column in key
                ]
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
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(
                SqlEventLogStorageTable.insert(), [self._row_of_run(event) for event in events]
            )
        planned = [event for event in events if _is_planned(event)]
        made = [event for event in events if not _is_planned(event)]
        insert = SqlEventLogStorageTable.insert()
        # The index repeats the asset events of all runs, as in Dagster's `store_event`.
        with self.index_transaction() as connection:
            if planned:
                rows = [row for event in planned for row in self._rows_of_partitions(event)]
                connection.execute(insert, rows)
            # An asset has one row with its newest event: the last of the batch decides. A planned
            # one only names its run there, so that its id is not needed.
            newest = {event.get_dagster_event().asset_key: (event, 0) for event in planned}
            if made:
                returning = insert.returning(
                    SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
                )
                rows = [self._event_to_row(event) for event in made]
                ids = connection.execute(returning, rows).scalars().all()
                self._store_asset_event_tags(connection, made, ids)
                for event, event_id in zip(made, ids, strict=True):
                    newest[event.get_dagster_event().asset_key] = (event, event_id)
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)

    def _row_of_run(self, event: EventLogEntry) -> dict[str, Any]:
        """The row in the run's own log: a planned range is one row, a single day names its day."""
        if event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION:
            return {**self._event_to_row(event), "event": text_of_run(event)}
        if len(_planned_partitions(event)) == 1:
            return next(self._rows_of_partitions(event))
        return self._event_to_row(event)

    def _rows_of_partitions(self, event: EventLogEntry) -> Iterator[dict[str, Any]]:
        """The rows in the index of an event that plans an asset: one for each partition."""
        partitions = _planned_partitions(event)
        if not partitions:
            yield self._event_to_row(event)
            return
        row = self._event_to_row(event)
        for partition, text in zip(partitions, text_by_partition(event, partitions), strict=True):
            yield {**row, "partition": partition, "event": text}

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        planned = event.get_dagster_event().asset_check_planned_data
        subset = planned.partitions_subset
        partitions = list(subset.get_partition_keys()) if subset else [None]
        (text,) = text_by_partition(event, [None])
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": text,
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        with self.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.insert(),
                [{**row, "partition": partition} for partition in partitions],
            )

    def dispose(self) -> None:
        """Store what waits, and close every connection."""
        self._store_waiting()
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
        super().dispose()


def _is_evaluation(event: EventLogEntry) -> bool:
    """Whether a check of a run says how it ended."""
    is_one = event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION
    return is_one and bool(event.run_id)


def _is_planned(event: EventLogEntry) -> bool:
    return event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED


def _planned_partitions(event: EventLogEntry) -> list[str | None]:
    """The partitions that an event plans as a set; empty for every other event."""
    if not _is_planned(event):
        return []
    subset = event.get_dagster_event().asset_materialization_planned_data.partitions_subset
    return list(subset.get_partition_keys()) if subset else []


def _use_large_pages(connection: Any, _record: Any) -> None:
    # Only a new file takes this. Two materializations fit into a page of SQLite's own size and
    # leave a quarter of it empty. A run's file has 20 tables, most of them empty pages: it keeps it.
    connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")


def _use_write_ahead_log(connection: Any, _record: Any) -> None:
    # With a write-ahead log, NORMAL cannot corrupt the file; after a power cut the last events may
    # be missing from the log, never a row of the warehouse.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # A long range leaves a long write-ahead log, which a daemon would keep at that size.
    connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")


class PooledSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files in the folder of the instance."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Before Dagster's own one is made, which would create the files.
        event_log = PooledSqliteEventLogStorage(os.path.join(base_dir, "history", "runs", ""))
        super().__init__(base_dir, inst_data)
        self._event_log_storage.dispose()
        self._event_log_storage = event_log
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
