"""Runs that are killed, disks that are full and files that others hold: a day is whole, old or new."""

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time

import dagster as dg
import pytest

from enrollment_assets.orchestration.runs import UNFINISHED
from enrollment_assets.pipeline.names import CORE
from enrollment_assets_tests.conftest import NEVER_HELD, day, require, student
from enrollment_assets_tests.support import lives
from enrollment_assets_tests.support.soak import count

D1, D2, D3 = "2024-09-03", "2024-09-04", "2024-09-05"
STUDENTS = 3_000
TABLES = ("enrollment_snapshots", "student_changes", "enrollment_metrics", "segment_metrics")


def people(first, last):
    return [student(f"{number:06d}", program=f"P{number % 7}") for number in range(first, last)]


def day_of(university, table, date):
    """The rows of a day, in order."""
    column = "snapshot_date" if table in TABLES[:2] else "date"
    with university.warehouse().connect() as connection:
        return connection.execute(
            f"SELECT * FROM enrollment.{table} WHERE {column} = ? ORDER BY ALL", [day(date)]
        ).fetchall()


def test_a_run_that_is_killed_at_any_moment_leaves_whole_days(university, dagster_home):
    versions = {"old": people(0, STUDENTS), "new": people(50, STUDENTS + 70)}
    university.write(D1, people(0, STUDENTS - 10))
    university.run(D1)
    whole = {}
    for name, rows in versions.items():
        university.write(D2, rows)
        university.run(D2)
        whole[name] = {table: day_of(university, table, D2) for table in TABLES}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([lives.__name__])
    draw = random.Random(7)
    standing, lasts, found = "new", 1.0, {"old": 0, "new": 0}
    wanted = count(6, 110)
    for _ in range(wanted):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=lives.run_days, args=(university.config, dagster_home, theirs), daemon=True
        )
        process.start()
        # first a run that lives: the next one after a kill succeeds
        university.write(D2, versions[standing])
        ours.send(day(D2))
        assert ours.recv() == "begins"
        began = time.monotonic()
        assert ours.recv() == []
        lasts = time.monotonic() - began
        assert {table: day_of(university, table, D2) for table in TABLES} == whole[standing]
        # then one that is killed while it replaces the day by its other version
        other = "new" if standing == "old" else "old"
        university.write(D2, versions[other])
        ours.send(day(D2))
        assert ours.recv() == "begins"
        time.sleep(draw.uniform(0.0, lasts))
        process.kill()
        process.join()
        for table in TABLES:
            rows = day_of(university, table, D2)
            assert rows in (whole["old"][table], whole["new"][table]), table
            if table == TABLES[0]:
                stands = "new" if rows == whole["new"][table] else "old"
        assert university.query(
            "SELECT status, student_count FROM enrollment.snapshot_log WHERE snapshot_date = ?",
            day(D2),
        ) == [("accepted", len(versions[stands]))]
        found["new" if stands == other else "old"] += 1
        standing = stands if draw.random() < 0.5 else other
    with dg.DagsterInstance.get() as instance:
        assert university.run(D2).success
        assert instance.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))) == 0
    print(f"{wanted} kills, every day whole: {found}")  # noqa: T201 - what `make soak` shows


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own that can be made larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        shutil.which("mount") is not None
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        ).returncode
        == 0
    )
    require(mounted, "no small file system can be mounted (it takes root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def larger(folder):
    subprocess.run(["mount", "-o", "remount,size=400m", str(folder)], check=True)


def test_a_full_disk_is_told_in_words_and_loses_nothing(university, small_disk):
    university.change(data_dir=str(small_disk / "data"), quality=NEVER_HELD)
    university.write(D1, people(0, 1_000))
    assert university.run(D1).success
    before = {table: day_of(university, table, D1) for table in TABLES}
    university.write(D1, [*people(500, 1_400), *people(100_000, 100_100)])
    university.write(D2, people(0, 1_500))
    filler = small_disk / "filler"
    failed = 0
    for size in (200_000, 500_000, 1_000_000, 1_500_000, 2_000_000, 2_500_000):
        free = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * max(free - size, 0))
        outcome = university.run(D2)
        filler.unlink()
        if outcome.success:
            break
        failed += 1
        assert "disk" in outcome.failures[0], outcome.failures
        assert "unexpected" not in outcome.failures[0]
        assert {table: day_of(university, table, D1) for table in TABLES} == before
        assert day_of(university, TABLES[0], D2) in ([], _stored(people(0, 1_500), D2))
    assert failed
    larger(small_disk)
    assert university.run(D2).success
    assert len(day_of(university, TABLES[0], D2)) == 1_500


def _stored(rows, date):
    names = ("term", "student_id", "student_name", "division", "program", "level", "status")
    return sorted((day(date), *(row[name] for name in names)) for row in rows)


def test_a_full_disk_under_dagsters_own_state_is_told_in_words(university, small_disk, monkeypatch):
    home = small_disk / "home"
    home.mkdir()
    shutil.copy(os.environ["DAGSTER_HOME"] + "/dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 20_000))
    university.write(D1, people(0, 10))
    code = "from enrollment_assets.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--date", D1],
        env={**os.environ, "ENROLLMENT_CONFIG": str(university.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert "Traceback" not in words
    assert "disk" in words
    larger(small_disk)
    assert university.run(D1, job=CORE).success


HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_holds_is_waited_for_and_told_in_words(university, monkeypatch):
    university.write(D1, people(0, 10))
    assert university.run(D1).success
    monkeypatch.setenv("ENROLLMENT_LOCK_WAIT_SECONDS", "1")
    path = str(university.settings.warehouse_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        began = time.monotonic()
        outcome = university.run(D1)
        assert time.monotonic() - began < 20
        holder.stdin.close()
    assert not outcome.success
    assert f"another process ({holder.pid}) has the warehouse open" in outcome.failures[0]
    assert university.run(D1).success


def damage(path):
    """Tear the blocks that a checkpoint writes in place, as a kill in the middle of one does."""
    content = bytearray(path.read_bytes())
    content[12_288 + 5_000 : 12_288 + 9_000] = bytes(4_000)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("look", ["run", "read"])
def test_a_file_that_a_kill_damaged_is_again_as_the_last_run_left_it(university, look):
    university.write(D1, people(0, 500))
    assert university.run(D1).success
    before = {table: day_of(university, table, D1) for table in TABLES}
    damage(university.settings.warehouse_path)
    if look == "read":
        with university.warehouse().read() as connection:
            assert connection.execute(
                "SELECT count(*) FROM enrollment.snapshot_log"
            ).fetchone() == (1,)
    university.write(D2, people(0, 510))
    assert university.run(D2).success
    assert {table: day_of(university, table, D1) for table in TABLES} == before
    assert len(day_of(university, TABLES[0], D2)) == 510
