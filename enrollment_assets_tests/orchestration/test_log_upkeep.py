"""What an earlier version, or Dagster's own storage, wrote at length is written shorter, and says the same."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from enrollment_assets.orchestration import log_upkeep
from enrollment_assets_tests.orchestration.test_instance_storage import (
    DAYS,
    KEYS,
    POOLED,
    RANGE,
    STOCK,
    evaluations,
    open_instance,
    run,
)

# The instances are made by the tests themselves.
pytestmark = pytest.mark.usefixtures("dagster_home")


def story(instance):
    records = instance.fetch_materializations(KEYS[0], limit=1000).records
    return (
        [(r.storage_id, r.timestamp, r.run_id, r.asset_materialization) for r in records],
        evaluations(instance.event_log_storage),
        [
            instance.event_log_storage.get_latest_planned_materialization_info(key, day)
            for key in KEYS
            for day in sorted(instance.get_materialized_partitions(key))
        ],
    )


@pytest.fixture
def stock_log(tmp_path, monkeypatch):
    """A log that Dagster's own storage wrote, and the run."""
    same_files = f"storage: {{sqlite: {{base_dir: {tmp_path / 'storage'}}}}}\n"
    with open_instance(tmp_path, STOCK + same_files, monkeypatch) as instance:
        return run(instance, **RANGE).run_id


def test_long_events_become_short_ones_that_say_the_same(stock_log, tmp_path, monkeypatch):
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        before = story(instance)
        assert len(before[0]) == DAYS
        index = Path(instance.event_log_storage.path_for_shard("index"))
        # Planned and made, of two assets; two checks of each day, in both tables.
        assert log_upkeep.count_long(instance, [stock_log]) > 8 * DAYS
        log_upkeep.shorten(instance, [stock_log])
        assert log_upkeep.count_long(instance, [stock_log]) == 0
        assert story(instance) == before
        log_upkeep.shrink(instance)
        size = index.stat().st_size
        log_upkeep.shrink(instance, has_shorter_events=True)
        assert index.stat().st_size < size * 0.8
        assert story(instance) == before


def test_an_event_that_nobody_can_read_stays_as_it_is(stock_log, tmp_path, monkeypatch):
    unreadable = ['{"logging_tags": {}', '{"logging_tags": {}, "__class__": "FromTheFuture"}']
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        index = instance.event_log_storage.path_for_shard("index")
        with sqlite3.connect(index) as connection:
            for number, text in enumerate(unreadable):
                connection.execute(
                    "UPDATE event_logs SET event = ? WHERE id = ?", (text, number + 1)
                )
        log_upkeep.shorten(instance, [stock_log])
        with sqlite3.connect(index) as connection:
            left = connection.execute("SELECT event FROM event_logs WHERE id <= 2 ORDER BY id")
            assert [text for (text,) in left] == unreadable


def test_a_file_that_another_process_is_writing_is_left_for_the_next_time(
    stock_log, tmp_path, monkeypatch
):
    monkeypatch.setattr(log_upkeep, "SQLITE_BUSY_TIMEOUT_SECONDS", 0.1)
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        index = Path(instance.event_log_storage.path_for_shard("index"))
        log_upkeep.shorten(instance, [stock_log])
        size = index.stat().st_size
        with sqlite3.connect(index, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            log_upkeep.shrink(instance, has_shorter_events=True)
            assert index.stat().st_size == size
            other.execute("ROLLBACK")
        log_upkeep.shrink(instance, has_shorter_events=True)
        assert index.stat().st_size < size


def test_runs_of_the_newest_results_are_kept(tmp_path, monkeypatch):
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        first, second = (run(instance, **RANGE).run_id for _ in range(2))
        failed = run(instance, fail="yes", **RANGE).run_id
        # The run that failed made one of the two assets, and all checks.
        assert log_upkeep.runs_to_keep(instance, [first, second, failed]) == {second, failed}
        assert log_upkeep.count_replaced(instance, [first]) > 8 * DAYS
        before = story(instance)[0]
        log_upkeep.remove_replaced(instance, [first, second, failed])
        assert story(instance)[0] == [row for row in before if row[2] == failed]
        assert log_upkeep.count_replaced(instance, [first, second, failed]) == 0
        made = dg.DagsterEventType.ASSET_MATERIALIZATION
        newest = instance.event_log_storage.get_latest_storage_id_by_partition(KEYS[1], made)
        assert len(newest) == DAYS
        with sqlite3.connect(instance.event_log_storage.path_for_shard("index")) as connection:
            lost = "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)"
            assert connection.execute(lost).fetchone() == (0,)
