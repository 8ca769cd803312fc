"""The IO manager, written through Dagster and read back without it."""

import stat

import dagster as dg
import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_assets.errors import WarehouseBusyError, WarehouseError
from enrollment_assets.orchestration.resources import build_resources
from enrollment_assets.pipeline.partitions import daily_partitions
from enrollment_assets.schema.catalog import tables
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets_tests.conftest import day

MARKER = "Zaphod Q. Marker"
NAMES = ["date", "term", "dimension", "segment", "baseline_date", "days_since_baseline"]
COUNTS = ["total_enrollment", "new_students", "dropped_students", "moved_in", "moved_out"]


def frame(date, **changes):
    row = {
        **dict.fromkeys([*NAMES, *COUNTS, "net_change"], 1),
        "date": pd.Timestamp(date),
        "term": "2024FA",
        "dimension": "program",
        "segment": "History",
        "baseline_date": pd.NaT,
        "days_since_baseline": None,
        **changes,
    }
    return pd.DataFrame([row])


def store(university, value, first, last=None, kind=pd.DataFrame):
    """Write a value as the partitions of segment_metrics, through Dagster."""
    config = university.settings

    @dg.asset(
        name="segment_metrics",
        partitions_def=daily_partitions(config),
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"partition_expr": "date"},
    )
    def written() -> kind:
        return value

    definitions = dg.Definitions(
        assets=[written],
        resources=build_resources(config),
        jobs=[dg.define_asset_job("write", "*")],
        executor=dg.in_process_executor,
    )
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last or first,
    }
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("write").execute_in_process(
            instance=instance, tags=tags, raise_on_error=False
        )
        records = instance.get_records_for_run(result.run_id).records
    return result, "\n".join(str(record.event_log_entry) for record in records)


def stored(university, columns="date, segment, total_enrollment"):
    return university.query(f"SELECT {columns} FROM enrollment.segment_metrics ORDER BY ALL")


def test_a_partition_is_replaced_and_the_others_stay(university):
    store(university, frame("2024-09-03"), "2024-09-03")
    store(university, frame("2024-09-04"), "2024-09-04")
    store(university, frame("2024-09-03", total_enrollment=9), "2024-09-03")
    store(university, frame("2024-09-03", total_enrollment=9), "2024-09-03")
    assert stored(university) == [
        (day("2024-09-03"), "History", 9),
        (day("2024-09-04"), "History", 1),
    ]


def test_columns_are_stored_by_name_whatever_their_order(university):
    columns = list(frame("2024-09-03").columns)
    shuffled = frame("2024-09-03", new_students=2, dropped_students=3)[columns[::-1]]
    store(university, shuffled, "2024-09-03")
    assert stored(university, "new_students, dropped_students") == [(2, 3)]


def test_an_empty_partition_is_written_as_an_empty_partition(university):
    store(university, frame("2024-09-03"), "2024-09-03")
    result, _ = store(university, frame("2024-09-03").head(0), "2024-09-03")
    assert result.success
    assert stored(university) == []


def test_arrow_tables_and_streams_are_stored_too(university):
    table = pa.Table.from_pandas(frame("2024-09-03", days_since_baseline=4), preserve_index=False)
    assert store(university, table, "2024-09-03", kind=pa.Table)[0].success
    reader = table.to_reader()
    assert store(university, reader, "2024-09-03", kind=pa.RecordBatchReader)[0].success
    assert stored(university, "days_since_baseline") == [(4,)]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (frame("2024-09-03").drop(columns="moved_in"), "missing columns moved_in"),
        (frame("2024-09-03").assign(colour="red"), "unknown columns colour"),
        (frame("2024-09-05"), "outside the partitions"),
        (frame(None), "outside the partitions"),
        (frame("2024-09-03", total_enrollment=MARKER), "ConversionException"),
    ],
)
def test_a_write_that_fails_leaves_the_partition_and_shows_no_value(university, broken, expected):
    store(university, frame("2024-09-03", total_enrollment=7), "2024-09-03")
    result, log = store(university, broken, "2024-09-03")
    assert not result.success
    assert expected in log
    assert MARKER not in log
    assert stored(university) == [(day("2024-09-03"), "History", 7)]
    # and nothing is left locked
    assert store(university, frame("2024-09-03", total_enrollment=8), "2024-09-03")[0].success


def test_each_partition_of_a_range_has_its_own_row_count(university):
    rows = pd.concat(
        [frame("2024-09-03"), frame("2024-09-03", segment="Music"), frame("2024-09-05")]
    )
    result, _ = store(university, rows, "2024-09-03", "2024-09-05")
    counts = {
        event.partition: event.step_materialization_data.materialization.metadata[
            "dagster/partition_row_count"
        ].value
        for event in result.get_asset_materialization_events()
    }
    assert counts == {"2024-09-03": 2, "2024-09-04": 0, "2024-09-05": 1}


def load(university, kind, first, last):
    config = university.settings
    days = daily_partitions(config)
    single = dg.BackfillPolicy.single_run()
    seen = []
    source = dg.AssetSpec(
        "segment_metrics", partitions_def=days, metadata={"partition_expr": "date"}
    ).with_io_manager_key("io_manager")

    @dg.asset(partitions_def=days, backfill_policy=single)
    def reader(segment_metrics: kind) -> None:
        seen.append(segment_metrics)

    definitions = dg.Definitions(
        assets=[source, reader],
        resources=build_resources(config),
        jobs=[dg.define_asset_job("read", [reader])],
        executor=dg.in_process_executor,
    )
    definitions.resolve_job_def("read").execute_in_process(
        instance=dg.DagsterInstance.get(),
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
    )
    return seen[0]


def test_a_table_without_rows_is_read_as_an_empty_typed_frame(university):
    empty = load(university, pd.DataFrame, "2024-09-03", "2024-09-03")
    assert list(empty.columns) == list(tables(university.settings)["segment_metrics"].column_names)
    assert len(empty) == 0


def test_exactly_the_partitions_that_are_asked_for_are_read(university):
    rows = pd.concat([frame(f"2024-09-0{n}", total_enrollment=n) for n in (3, 4, 5)])
    store(university, rows, "2024-09-03", "2024-09-05")
    assert load(university, pa.Table, "2024-09-04", "2024-09-05")[
        "total_enrollment"
    ].to_pylist() == [4, 5]
    assert load(university, pd.DataFrame, "2024-09-04", "2024-09-04")[
        "total_enrollment"
    ].tolist() == [4]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(texts, st.integers(0, 2**40)), max_size=8))
def test_whatever_is_written_is_read_back(university, rows):
    value = pd.concat(
        [frame("2024-09-03", segment=text, total_enrollment=n) for text, n in rows]
        or [frame("2024-09-03").head(0)]
    )
    assert store(university, value, "2024-09-03")[0].success
    assert sorted(stored(university, "segment, total_enrollment")) == sorted(rows)


def test_only_the_owner_can_look_into_the_warehouse(university):
    with university.warehouse().connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
        wal = university.settings.warehouse_path.with_name("warehouse.duckdb.wal")
        assert wal.exists()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (university.settings.data_path, university.settings.warehouse_path)
    }
    assert modes == {"data": 0o700, "warehouse.duckdb": 0o600}


def test_a_dimension_that_is_configured_later_gets_its_column(university):
    university.change(
        columns={"student_id": "student_id", "program": "program"}, dimensions=["program"]
    )
    with university.warehouse().connect():
        pass
    university.change(
        columns={"student_id": "student_id", "program": "program", "campus": "campus"},
        dimensions=["program", "campus"],
    )
    with university.warehouse().connect() as connection:
        names = connection.execute(
            "SELECT from_campus, campus FROM enrollment.student_changes"
        ).description
    assert [column[0] for column in names] == ["from_campus", "campus"]


def test_a_table_of_another_shape_is_not_written_into(university):
    with university.warehouse().connect() as connection:
        connection.execute("ALTER TABLE enrollment.snapshot_log ALTER row_count TYPE VARCHAR")
    with (
        pytest.raises(WarehouseError, match=r"row_count is VARCHAR .* should be BIGINT"),
        university.warehouse().connect(),
    ):
        pass


def test_errors_of_duckdb_lose_their_values():
    with duckdb.connect() as connection, pytest.raises(WarehouseError) as error:
        with plain_errors("Writing x"):
            connection.execute("SELECT CAST(? AS INTEGER)", [MARKER])
    assert MARKER not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_a_file_that_another_process_holds_is_said_to_be_held(university, monkeypatch):
    import subprocess
    import sys

    monkeypatch.setenv("ENROLLMENT_LOCK_WAIT_SECONDS", "0.3")

    with university.warehouse().connect():
        pass
    path = university.settings.warehouse_path
    code = f"import duckdb, time; c = duckdb.connect({str(path)!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline().strip() == "open"
        try:
            with pytest.raises(
                WarehouseBusyError, match=r"another process \(\d+\) has the warehouse open"
            ):
                with Warehouse(university.settings).connect():
                    pass
        finally:
            holder.kill()
