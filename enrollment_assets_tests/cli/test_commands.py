"""The commands: exit codes, words, and some of them as processes of their own, as people run them."""

import os
import signal
import stat
import subprocess
import sys
import time

import dagster as dg
import pytest

from enrollment_assets.config import ConfigurationError
from enrollment_assets.execution import prepare_home
from enrollment_assets.locking import close_dead_runs, process_tags, writer_lock
from enrollment_assets_tests.conftest import CHECKOUT, student
from enrollment_assets_tests.support.commands import enrollment, said

D1, D2, D3 = "2024-09-03", "2024-09-04", "2024-09-05"


@pytest.fixture
def two_days(university):
    university.write(D1, [student("A"), student("B")])
    university.write(D2, [student("A"), student("C")])
    return university


def test_a_day_is_run_to_its_report(two_days):
    enrollment(two_days, "run", "--date", D1)
    done = enrollment(two_days, "run", "--date", D2)
    assert done.returncode == 0, said(done)
    folder = two_days.settings.data_path / "reports" / D2
    names = {"report.html", "trend.png", "daily_changes.png", "continuation.png"}
    names |= {"segments.png", "dashboard.png"}
    assert {path.name for path in folder.iterdir()} == names
    assert f'href="{D2}/report.html"' in (folder.parent / "index.html").read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert str(folder / "report.html") in said(done)


def test_a_backfill_lists_the_days_it_could_not_take_and_succeeds(two_days):
    two_days.file(D3).write_bytes(b"")
    done = enrollment(two_days, "backfill", "--from", D1, "--to", "2024-09-06")
    assert done.returncode == 0
    words = said(done)
    assert "enrollment_snapshot_20240905.csv is empty" in words
    assert "enrollment_snapshot_20240906.csv is not in" in words
    assert two_days.query("SELECT count(DISTINCT date) FROM enrollment.enrollment_metrics") == [
        (2,)
    ]


def test_a_backfill_in_which_no_day_can_be_read_fails(two_days, command):
    two_days.change(columns={"student_id": "Matrikel", "term": "term"}, dimensions=[])
    done = command("backfill", "--from", D1, "--to", D2)
    assert done.returncode == 1
    assert "has no column Matrikel" in said(done)
    assert "not one day could be taken in" in said(done)


@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        (["run", "--date", D3], "enrollment_snapshot_20240905.csv is not in", 1),
        (["run", "--date", "2020-01-01"], "is before start_date 2024-04-01", 2),
        (["run", "--date", "2199-01-01"], "is in the future", 2),
        (["run", "--date", "yesterday"], "is no date; write it as", 2),
        (["backfill", "--from", D2, "--to", D1], "is after --to", 2),
        (["backfill", "--from", D1], "Missing option '--to'", 2),
        (["demo"], "is not the example's folder", 2),
        (["nonsense"], "No such command", 2),
    ],
)
def test_what_cannot_be_done_is_said_in_words(two_days, command, arguments, expected, code):
    done = command(*arguments)
    assert expected in said(done)
    assert done.returncode == code


@pytest.mark.parametrize("arguments", [["run"], ["backfill", "--from", D1, "--to", D2], ["status"]])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "is not there"),
        ("a: [", "line 1"),
        ("institution: {}\n", "institution.name: must be given"),
        ("foo: 1\n", "foo: unknown key"),
    ],
)
def test_a_bad_configuration_changes_nothing(two_days, command, arguments, content, expected):
    two_days.config.unlink()
    if content is not None:
        two_days.config.write_text(content)
    done = command(*arguments)
    assert done.returncode == 2
    assert expected in said(done)
    assert str(two_days.config) in said(done)
    assert not (two_days.folder / "data").exists()


def test_a_missing_folder_fails_the_run_and_marks_no_day(two_days, command):
    two_days.snapshots.rename(two_days.folder / "elsewhere")
    done = command("backfill", "--from", D1, "--to", D2)
    assert done.returncode == 1
    assert "source.url: the folder" in said(done)
    assert two_days.query("SELECT count(*) FROM enrollment.snapshot_log") == [(0,)]


def test_a_backfill_of_one_missing_day_lists_it_and_succeeds(two_days, command):
    done = command("backfill", "--from", D3, "--to", D3)
    assert "enrollment_snapshot_20240905.csv is not in" in said(done)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda u: (u.folder / "data").write_text(""), "correct data_dir"),
        (lambda u: (u.folder / "dagster_home" / "dagster.yaml").write_text("a: ["), "dagster.yaml"),
        (
            lambda u: (u.folder / "dagster_home" / "dagster.yaml").write_text("foo: 1"),
            "dagster.yaml",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [["run", "--date", D1], ["doctor"]])
def test_a_broken_place_is_told_in_words(two_days, prepare, expected, arguments, command):
    prepare(two_days)
    done = command(*arguments)
    assert done.returncode in (1, 2)
    assert expected in said(done)


def test_a_look_at_the_status_does_not_disturb_a_run(two_days):
    import threading

    for number in range(1, 20):
        two_days.write(f"2024-10-{number:02d}", [student("A"), student(str(number))])
    assert enrollment(two_days, "run", "--date", D1).returncode == 0
    looks, done = [], threading.Event()

    def look():
        while not done.is_set():
            looks.append(enrollment(two_days, "status").returncode)

    thread = threading.Thread(target=look)
    thread.start()
    backfill = enrollment(two_days, "backfill", "--from", "2024-10-01", "--to", "2024-10-19")
    done.set()
    thread.join()
    assert backfill.returncode == 0, said(backfill)
    assert set(looks) == {0}


def test_a_new_try_that_is_refused_is_listed_although_older_rows_stand(two_days, command):
    command("backfill", "--from", D1, "--to", D2)
    two_days.file(D2).write_bytes(b"")
    done = command("backfill", "--from", D1, "--to", D2)
    assert done.returncode == 0
    assert "enrollment_snapshot_20240904.csv is empty" in said(done)


def test_a_command_waits_for_a_writer_that_keeps_the_file_and_says_for_whom(two_days):
    assert enrollment(two_days, "run", "--date", D1).returncode == 0
    path = two_days.settings.warehouse_path
    with writer_lock(path, "a long backfill"):
        with two_days.warehouse().connect():
            done = enrollment(two_days, "status", ENROLLMENT_LOCK_WAIT_SECONDS="1")
        assert done.returncode == 1
        assert f"Waiting for a long backfill (process {os.getpid()})" in said(done)
    assert enrollment(two_days, "status").returncode == 0


def test_status_tells_missing_refused_and_stale_days(two_days, command):
    command("backfill", "--from", D1, "--to", D2)
    two_days.file("2024-09-06").write_bytes(b"<html>")
    command("backfill", "--from", D3, "--to", "2024-09-06")
    with two_days.warehouse().connect() as connection:
        connection.execute("DELETE FROM operations.derivations WHERE date = DATE '2024-09-04'")
    words = said(command("status"))
    assert "Fall 2024, missing: 2024-09-05" in words
    assert "Fall 2024, refused: 2024-09-06" in words
    assert "Fall 2024, stale: 2024-09-04" in words


def test_the_doctor_finds_all_well(two_days, command):
    done = command("doctor")
    assert done.returncode == 0, said(done)
    assert "2 days from 2024-09-03 to 2024-09-04" in said(done)


def test_the_doctor_says_what_to_do(two_days, command):
    two_days.change(
        email={"enabled": True},
        alerts={"urls": ["nonsense"]},
        source={"kind": "files", "url": "nowhere"},
    )
    done = command("doctor", SMTP_URL="smtp://localhost")
    assert done.returncode == 1
    words = said(done)
    assert "is not there; correct the path" in words
    assert "email.from and email.recipients must be given" in words
    assert "no address that Apprise knows" in words


def test_the_doctor_names_the_terms_of_a_warehouse_that_is_another_populations(two_days, command):
    assert two_days.run(D1).success
    text = two_days.config.read_text()
    two_days.config.write_text(text.replace("2024FA", "F24").replace("2025SP", "S25"))
    done = command("doctor")
    assert "of none of the configured terms, but of 2024FA: if these are the example's" in said(
        done
    )


def test_a_home_that_is_no_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="DAGSTER_HOME"):
        prepare_home()


def test_a_writer_waits_a_bounded_time_and_says_for_whom(two_days):
    with writer_lock(two_days.settings.warehouse_path, "a long backfill"):
        done = enrollment(two_days, "run", "--date", D1, ENROLLMENT_LOCK_WAIT_SECONDS="1")
    assert done.returncode == 1
    assert f"being written by a long backfill (process {os.getpid()})" in said(done)
    assert enrollment(two_days, "run", "--date", D1).returncode == 0


def test_a_run_whose_process_was_killed_is_closed_at_the_next_start(two_days, dagster_instance):
    command = [
        sys.executable,
        "-c",
        "from enrollment_assets.cli import main; main()",
        "run",
        "--date",
        D1,
    ]
    environment = {**os.environ, "ENROLLMENT_CONFIG": str(two_days.config)}
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    with writer_lock(two_days.settings.warehouse_path, "the test"):  # so that the run waits
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while not dagster_instance.get_runs(started) and time.monotonic() < deadline:
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
    (killed,) = dagster_instance.get_runs(started)
    assert enrollment(two_days, "run", "--date", D1).returncode == 0
    assert dagster_instance.get_run_by_id(killed.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_run_that_lives_is_left_alone(dagster_instance):
    run = dagster_instance.create_run_for_job(
        _job(), tags=process_tags(), status=dg.DagsterRunStatus.STARTED
    )
    assert close_dead_runs(dagster_instance) == []
    assert dagster_instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED


def _job():
    @dg.op
    def nothing():
        pass

    @dg.job
    def small():
        nothing()

    return small


def test_commands_show_help_without_loading_dagster():
    code = (
        "import sys; from enrollment_assets.cli import cli; cli(['--help'], standalone_mode=False); "
        "sys.exit('dagster' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=False
    )
    assert done.returncode == 0
