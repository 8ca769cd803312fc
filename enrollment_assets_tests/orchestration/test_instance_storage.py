"""The pooled event storage tells Dagster the same story as Dagster's own."""

import datetime as dt
import sqlite3

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from dagster._serdes import deserialize_value, serialize_value

from enrollment_assets.orchestration.event_text import slim_text
from enrollment_assets.orchestration.instance_storage import PooledSqliteEventLogStorage
from enrollment_assets_tests.conftest import CHECKOUT

# The instances are made by the tests themselves.
pytestmark = pytest.mark.usefixtures("dagster_home")

FIRST, DAYS = dt.date(2024, 3, 1), 40
partitions = dg.DailyPartitionsDefinition(FIRST.isoformat())
single = dg.BackfillPolicy.single_run()


@dg.asset(partitions_def=partitions, backfill_policy=single)
def upstream(context: dg.AssetExecutionContext) -> None:
    for number, key in enumerate(context.partition_keys):
        context.add_asset_metadata({"rows": number}, partition_key=key)


@dg.asset(partitions_def=partitions, backfill_policy=single, deps=[upstream])
def downstream(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise dg.Failure("as asked", allow_retries=False)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset="upstream", partitions_def=partitions)
        for name in ("even", "odd")
    ]
)
def checks(context: dg.AssetCheckExecutionContext):
    for number, key in enumerate(context.partition_keys):
        for name, passed in (("even", number % 2 == 0), ("odd", number % 2 == 1)):
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("upstream"),
                check_name=name,
                passed=passed,
                partition=key,
                metadata={"number": number},
            )
    for name in ("even", "odd"):
        yield dg.AssetCheckResult(asset_key="upstream", check_name=name, passed=False)


KEYS = [dg.AssetKey("upstream"), dg.AssetKey("downstream")]
PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
LAST = FIRST + dt.timedelta(DAYS - 1)
RANGE = {
    ASSET_PARTITION_RANGE_START_TAG: FIRST.isoformat(),
    ASSET_PARTITION_RANGE_END_TAG: LAST.isoformat(),
}
STOCK = "telemetry: {enabled: false}\n"
POOLED = (CHECKOUT / "dagster.yaml").read_text()


def open_instance(folder, config, monkeypatch):
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(config)
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return dg.DagsterInstance.get()


def run(instance, **tags):
    definitions = dg.Definitions(
        assets=[upstream, downstream],
        asset_checks=[checks],
        jobs=[dg.define_asset_job("all")],
        executor=dg.in_process_executor,
    )
    return definitions.resolve_job_def("all").execute_in_process(
        instance=instance, tags=tags, raise_on_error=False
    )


def evaluations(storage):
    return [
        (record.status.value, record.partition, record.event is not None)
        + ((evaluation.passed, evaluation.metadata) if evaluation else ())
        for name in ("even", "odd")
        for record in storage.get_asset_check_execution_history(
            dg.AssetCheckKey(KEYS[0], name), limit=1000
        )
        for evaluation in [record.evaluation]
    ]


def asset_events(instance, run_id):
    """What the page of a run lists of assets and checks."""
    return [
        (event.event_type, event.partition, event.asset_key, event.step_key, entry.message)
        for entry in instance.all_logs(run_id)
        for event in [entry.dagster_event]
        if event and event.event_type_value.startswith("ASSET")
    ]


def story(folder, config, monkeypatch):
    with open_instance(folder, config, monkeypatch) as instance:
        storage = instance.event_log_storage
        result = run(instance, **RANGE)
        materializations = instance.fetch_materializations(KEYS[0], limit=1000).records
        told = {
            "events": asset_events(instance, result.run_id),
            "partitions": [sorted(storage.get_materialized_partitions(key)) for key in KEYS],
            "rows": [
                (m.partition_key, m.asset_materialization.metadata["rows"].value)
                for m in materializations
            ],
            "versions": [sorted(m.asset_materialization.tags) for m in materializations],
            "newest": [
                record.asset_entry.last_materialization.dagster_event.partition
                for record in instance.get_asset_records(KEYS)
            ],
            "planned": [
                [
                    record.partition_key
                    for record in storage.get_event_records(
                        dg.EventRecordsFilter(PLANNED, asset_key=key)
                    )
                ]
                for key in KEYS
            ],
            "checks": sorted(evaluations(storage), key=str),
            "status": instance.get_run_by_id(result.run_id).status,
        }
    return type(storage), told


def planned_and_others(told):
    planned = [event for event in told["events"] if event[0] == PLANNED]
    return planned, sorted((e for e in told["events"] if e[0] != PLANNED), key=str)


@pytest.fixture
def both(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    kind, stock = story(tmp_path / "stock", STOCK, monkeypatch)
    assert kind is SqliteEventLogStorage
    kind, pooled = story(tmp_path / "pooled", POOLED, monkeypatch)
    assert kind is PooledSqliteEventLogStorage
    return stock, pooled


def test_a_range_run_leaves_the_same_history_as_in_dagsters_own_storage(both):
    stock, pooled = both
    assert len(pooled["rows"]) == DAYS
    assert len(pooled["checks"]) >= 2 * DAYS
    for part in ("partitions", "rows", "versions", "newest", "planned", "checks", "status"):
        assert pooled[part] == stock[part], part
    planned, others = planned_and_others(pooled)
    assert others == planned_and_others(stock)[1]
    # A range is one line for each asset on the run's page, not one for each day.
    assert sorted((partition, key) for _, partition, key, *_ in planned) == [
        (None, key) for key in sorted(KEYS)
    ]
    assert {message for *_, message in planned} == {
        f"all intends to materialize asset {key.to_string()}" for key in KEYS
    }


def test_the_days_of_a_range_run_that_failed_are_failed_in_both(tmp_path, monkeypatch):
    open_days = []
    for name, config in (("stock", STOCK), ("pooled", POOLED)):
        with open_instance(tmp_path / name, config, monkeypatch) as instance:
            run_id = run(instance, fail="yes", **RANGE).run_id
            storage = instance.event_log_storage
            attempts = [
                storage.get_latest_asset_partition_materialization_attempts_without_materializations(
                    key
                )
                for key in KEYS
            ]
            assert {run for found in attempts for run, _ in found.values()} == {run_id}
            planned = storage.get_latest_planned_materialization_info(KEYS[1], str(LAST))
            assert planned.run_id == run_id
            open_days.append([sorted(found) for found in attempts])
    assert open_days[0] == open_days[1] == [[], [str(FIRST + dt.timedelta(n)) for n in range(DAYS)]]


def test_the_log_of_a_run_of_one_day_names_its_day(tmp_path, monkeypatch):
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        result = run(instance, **{"dagster/partition": str(FIRST)})
        planned = [e for e in asset_events(instance, result.run_id) if e[0] == PLANNED]
        assert [(key, partition) for _, partition, key, *_ in planned] == [
            (key, str(FIRST)) for key in sorted(KEYS)
        ]
        records = instance.get_records_for_run(
            result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        metadata = [
            r.event_log_entry.dagster_event.asset_check_evaluation_data.metadata for r in records
        ]
        assert {name: value.value for name, value in metadata[0].items()} == {"number": 0}


def test_dagsters_own_storage_reads_what_the_pooled_one_wrote(tmp_path, monkeypatch):
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        result = run(instance, **RANGE)
        pooled = (
            asset_events(instance, result.run_id),
            evaluations(instance.event_log_storage),
            instance.fetch_materializations(KEYS[0], limit=1000).records,
        )
    same_files = f"storage: {{sqlite: {{base_dir: {tmp_path / 'storage'}}}}}\n"
    with open_instance(tmp_path, STOCK + same_files, monkeypatch) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        stock = (
            asset_events(instance, result.run_id),
            evaluations(instance.event_log_storage),
            instance.fetch_materializations(KEYS[0], limit=1000).records,
        )
        assert stock == pooled
        assert len(stock[2]) == DAYS
        index = tmp_path / "storage" / "history" / "runs" / "index.db"
        with sqlite3.connect(index) as connection:
            for (text,) in connection.execute("SELECT event FROM event_logs"):
                deserialize_value(text, EventLogEntry)


def test_a_slim_event_says_what_the_whole_one_does(tmp_path, monkeypatch):
    kinds = set()
    with open_instance(tmp_path, STOCK, monkeypatch) as instance:
        result = run(instance, **RANGE)
        for entry in instance.all_logs(result.run_id):
            event = entry.dagster_event
            if event and event.event_type_value.startswith("ASSET"):
                kinds.add(event.event_type)
                text = slim_text(entry)
                read = deserialize_value(text, EventLogEntry)
                assert read.message == entry.message
                assert read == entry._replace(
                    user_message="", dagster_event=event._replace(logging_tags={}, pid=None)
                )
                assert len(text) < len(serialize_value(entry)) - 100
    assert len(kinds) == 4


def test_a_longer_range_is_planned_in_as_many_statements(tmp_path, monkeypatch):
    statements = []

    def note(connection, cursor, statement, *rest):
        statements.append(statement.split()[0])

    counts = []
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for days in (DAYS, 10 * DAYS):
            with open_instance(tmp_path / str(days), POOLED, monkeypatch) as instance:
                definitions = dg.Definitions(
                    assets=[upstream, downstream],
                    asset_checks=[checks],
                    jobs=[dg.define_asset_job("all")],
                )
                job = definitions.resolve_job_def("all")
                statements.clear()
                end = FIRST + dt.timedelta(days - 1)
                instance.create_run_for_job(
                    job, tags={**RANGE, ASSET_PARTITION_RANGE_END_TAG: end.isoformat()}
                )
                counts.append(statements.count("INSERT"))
                planned = instance.event_log_storage.get_event_records(
                    dg.EventRecordsFilter(PLANNED, asset_key=KEYS[0])
                )
                assert len(planned) == days
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] < DAYS


def test_the_write_ahead_logs_are_gone_when_an_instance_is_closed(tmp_path, monkeypatch):
    with open_instance(tmp_path, POOLED, monkeypatch) as instance:
        run(instance, **RANGE)
        assert list(tmp_path.rglob("*.db-wal"))
    assert not list(tmp_path.rglob("*.db-wal"))


def test_the_folder_is_dagster_home_or_the_one_of_the_configuration(tmp_path, monkeypatch):
    from enrollment_assets.orchestration.instance_storage import default_home

    monkeypatch.setenv("ENROLLMENT_CONFIG", str(tmp_path / "spring.yaml"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("DAGSTER_HOME")
    assert default_home() == tmp_path / ".dagster-spring"
    assert default_home().stat().st_mode & 0o077 == 0


def test_many_runs_do_not_hold_many_files_open(tmp_path, monkeypatch):
    (tmp_path / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    @dg.op
    def nothing():
        pass

    @dg.job
    def small():
        nothing()

    with dg.DagsterInstance.get() as instance:
        runs = [small.execute_in_process(instance=instance).run_id for _ in range(12)]
        assert len(instance.event_log_storage._engines) <= 8
        assert all(instance.get_records_for_run(run).records for run in runs)
        instance.delete_run(runs[0])
        assert not instance.get_records_for_run(runs[0]).records
