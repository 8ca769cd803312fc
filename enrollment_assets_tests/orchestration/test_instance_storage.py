"""The pooled event storage tells Dagster the same story as Dagster's own."""

import datetime as dt

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

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
    pass


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
                asset_key=dg.AssetKey("upstream"), check_name=name, passed=passed, partition=key
            )
    for name in ("even", "odd"):
        yield dg.AssetCheckResult(asset_key="upstream", check_name=name, passed=False)


def about(event):
    """The kind of an event, its partition, and whether a check passed."""
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        found = event.asset_check_evaluation_data
        return event.event_type, found.partition, found.passed
    return event.event_type, event.partition, None


def story(folder, config, monkeypatch):
    folder.mkdir()
    (folder / "dagster.yaml").write_text(config)
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    definitions = dg.Definitions(
        assets=[upstream, downstream],
        asset_checks=[checks],
        jobs=[dg.define_asset_job("all")],
        executor=dg.in_process_executor,
    )
    last = FIRST + dt.timedelta(DAYS - 1)
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        result = definitions.resolve_job_def("all").execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": FIRST.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
        )
        keys = [dg.AssetKey("upstream"), dg.AssetKey("downstream")]
        materializations = instance.fetch_materializations(keys[0], limit=1000).records
        history = [
            (record.status.value, record.partition, record.event is not None)
            for name in ("even", "odd")
            for record in storage.get_asset_check_execution_history(
                dg.AssetCheckKey(keys[0], name), limit=1000
            )
        ]
        told = {
            "events": [
                about(r.event_log_entry.dagster_event)
                for r in instance.get_records_for_run(result.run_id).records
                if r.event_log_entry.dagster_event_type
                and r.event_log_entry.dagster_event_type.value.startswith("ASSET")
            ],
            "partitions": [sorted(storage.get_materialized_partitions(key)) for key in keys],
            "rows": [
                (m.partition_key, m.asset_materialization.metadata["rows"].value)
                for m in materializations
            ],
            "newest": [
                record.asset_entry.last_materialization.dagster_event.partition
                for record in instance.get_asset_records(keys)
            ],
            "checks": sorted(history, key=str),
            "status": instance.get_run_by_id(result.run_id).status,
        }
    return type(storage), told


@pytest.fixture
def both(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    kind, stock = story(tmp_path / "stock", "telemetry: {enabled: false}\n", monkeypatch)
    assert kind is SqliteEventLogStorage
    kind, pooled = story(tmp_path / "pooled", (CHECKOUT / "dagster.yaml").read_text(), monkeypatch)
    assert kind is PooledSqliteEventLogStorage
    return stock, pooled


def test_a_range_run_leaves_the_same_history_as_in_dagsters_own_storage(both):
    stock, pooled = both
    assert len(pooled["rows"]) == DAYS
    assert len(pooled["checks"]) >= 2 * DAYS
    for part in ("partitions", "rows", "newest", "checks", "status"):
        assert pooled[part] == stock[part], part

    def is_left_out(kind, partition, passed):
        """Plans of what is materialized, and what a check that passed says of a day."""
        is_plan = kind is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        return partition is not None and (is_plan or passed)

    left = [event for event in stock["events"] if not is_left_out(*event)]
    assert sorted(pooled["events"], key=str) == sorted(left, key=str)


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
