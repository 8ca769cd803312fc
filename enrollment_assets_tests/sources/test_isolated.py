"""Native readers in a process of their own: what ends it refuses one day."""

import threading
import time

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources import isolated
from enrollment_assets.sources.configured import source_for
from enrollment_assets_tests.conftest import day

DATES = ["2024-09-03", "2024-09-04", "2024-09-05"]


@pytest.fixture
def files(university):
    """Three days in Parquet files; the second unpacks to gigabytes."""
    university.change(
        columns={"student_id": "ID"},
        dimensions=[],
        source={"url": "snapshots", "pattern": "s_{date:%Y%m%d}.parquet", "settle_seconds": 0},
    )
    for date in DATES:
        ids = pa.array([str(n) for n in range(100)])
        if date == DATES[1]:
            places = pa.array([0] * 80_000, pa.int32())
            ids = pa.DictionaryArray.from_arrays(places, ["x" * 60_000])
        path = university.snapshots / f"s_{day(date):%Y%m%d}.parquet"
        pq.write_table(pa.table({"ID": ids}), path)
    assert path.stat().st_size < 100_000
    yield university
    isolated.close()


def count(source, date):
    with source.read(day(date)) as extract:
        return sum(batch.num_rows for batch in extract.rows)


def test_a_file_that_needs_too_much_memory_is_refused_and_the_next_is_read(files):
    source = source_for(files.settings)
    assert count(source, DATES[0]) == 100
    (child,) = isolated._children
    before = psutil.Process().memory_info().rss
    with pytest.raises(SnapshotUnreadableError, match="needs too much memory"):
        count(source, DATES[1])
    assert psutil.Process().memory_info().rss - before < 500 << 20
    assert psutil.Process(child.process.pid).memory_info().rss < 1100 << 20
    assert count(source, DATES[2]) == 100


def test_a_range_goes_on_after_such_a_day(files, dagster_home):
    files.run(DATES[0], DATES[2])
    assert files.query(
        "SELECT status FROM enrollment.snapshot_log ORDER BY snapshot_date, status"
    ) == [("accepted",), ("rejected",), ("accepted",)]


def test_one_process_reads_all_files_and_a_killed_one_is_replaced(files):
    source = source_for(files.settings)
    assert count(source, DATES[0]) == 100
    (child,) = isolated._children
    assert count(source, DATES[2]) == 100
    assert isolated._children == [child]
    child.process.kill()
    child.process.wait()
    assert count(source, DATES[0]) == 100
    with source.read(day(DATES[0])) as extract:
        next(extract.rows)  # and no more
    assert count(source, DATES[2]) == 100


def test_a_process_that_hangs_is_given_up(files, monkeypatch):
    files.change(
        source={
            "url": "snapshots",
            "pattern": "s_{date:%Y%m%d}.parquet",
            "settle_seconds": 0,
            "timeout_seconds": 1,
        }
    )
    source = source_for(files.settings)
    assert count(source, DATES[0]) == 100
    (child,) = isolated._children
    psutil.Process(child.process.pid).suspend()
    began = time.monotonic()
    with pytest.raises(SnapshotUnreadableError, match=r"takes longer than 1 s"):
        count(source, DATES[2])
    assert time.monotonic() - began < 10
    assert count(source, DATES[2]) == 100


def test_a_process_that_dies_while_it_reads_refuses_the_day(files):
    source = source_for(files.settings)
    assert count(source, DATES[0]) == 100
    (child,) = isolated._children
    process = psutil.Process(child.process.pid)
    process.suspend()
    threading.Timer(0.5, process.kill).start()
    with pytest.raises(SnapshotUnreadableError, match="or is damaged"):
        count(source, DATES[2])
    assert count(source, DATES[2]) == 100


def test_no_process_is_left_behind(files):
    count(source_for(files.settings), DATES[0])
    (child,) = isolated._children
    isolated.close()
    assert child.process.poll() is not None
