"""The commands: exit codes, words, and some of them as processes of their own, as people run them."""

import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace

import dagster as dg
import pytest

from enrollment_assets.errors import ConfigurationError
from enrollment_assets.orchestration.in_process import CODE_LOCATION, run_in_process
from enrollment_assets.orchestration.instance import prepare_home
from enrollment_assets.orchestration.runs import close_dead_runs, process_tags
from enrollment_assets.pipeline.names import WILL_RETRY_TAG
from enrollment_assets.warehouse.lock import writer_lock
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
    assert "none of the days could be loaded" in said(done)


@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        (["run", "--date", D3], "enrollment_snapshot_20240905.csv is not in", 1),
        (["run", "--date", "2020-01-01"], "is before start_date 2024-04-01", 2),
        (["run", "--date", "2199-01-01"], "is in the future", 2),
        (["run", "--date", "yesterday"], "is not a date; write it as", 2),
        (["backfill", "--from", D2, "--to", D1], "is after --to", 2),
        (["backfill", "--from", D1], "Missing option '--to'", 2),
        (["demo"], "the demo would fill it with invented students", 2),
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


def test_reading_the_status_does_not_disturb_a_run(two_days):
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


def test_a_new_try_that_is_rejected_is_listed_although_older_rows_are_kept(two_days, command):
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


def test_status_shows_missing_rejected_and_stale_days(two_days, command):
    command("backfill", "--from", D1, "--to", D2)
    two_days.file("2024-09-06").write_bytes(b"<html>")
    command("backfill", "--from", D3, "--to", "2024-09-06")
    with two_days.warehouse().connect() as connection:
        connection.execute("DELETE FROM operations.derivations WHERE date = DATE '2024-09-04'")
    words = said(command("status"))
    assert "Fall 2024, missing: 2024-09-05" in words
    assert "Fall 2024, rejected: 2024-09-06" in words
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
    assert "does not exist; correct the path" in words
    assert "To send mail, set email.from and email.recipients" in words
    assert "is not an address that Apprise supports" in words


def test_the_doctor_warns_of_secrets_that_others_can_read(two_days):
    path = two_days.folder / ".env"
    path.write_text("ALERT_URL=json://localhost\n")
    path.chmod(0o640)
    done = enrollment(two_days, "doctor")
    assert done.returncode == 1
    assert f"Other users can read {path}; run: chmod 600 {path}" in said(done)
    path.chmod(0o600)
    done = enrollment(two_days, "doctor")
    assert done.returncode == 0, said(done)
    assert "alerts: 1 addresses" in said(done)


def test_the_doctor_names_the_terms_of_a_warehouse_that_is_another_populations(two_days, command):
    assert two_days.run(D1).success
    text = two_days.config.read_text()
    two_days.config.write_text(text.replace("2024FA", "F24").replace("2025SP", "S25"))
    done = command("doctor")
    assert (
        "these rows belong to terms that are not configured (2024FA); if they are the example's"
        in said(done)
    )


def test_a_home_that_is_no_folder_is_refused(monkeypatch, university):
    monkeypatch.setenv("DAGSTER_HOME", str(university.folder / "nowhere"))
    with pytest.raises(
        ConfigurationError, match=r"DAGSTER_HOME is .* not the absolute path of a folder"
    ):
        prepare_home(university.settings)


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_home_without_dagster_yaml_is_refused_and_nothing_is_changed(two_days, command):
    home = two_days.folder / "bare"
    home.mkdir()
    done = enrollment(two_days, command, DAGSTER_HOME=str(home))
    assert done.returncode != 0
    sentence = f"DAGSTER_HOME is {home}, which has no dagster.yaml; copy "
    assert sentence in " ".join(said(done).split())
    assert list(home.iterdir()) == []
    assert not two_days.settings.warehouse_path.exists()


def test_each_configuration_of_a_folder_has_a_history_of_its_own(two_days, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    other = replace(two_days, config=two_days.folder / "other.yaml")
    other.config.write_text(two_days.config.read_text())
    other.change(data_dir="other")
    found = {}
    for university, date in ((two_days, D1), (other, D2), (two_days, D2)):
        assert university.run(date).success
        home = prepare_home(university.settings)
        with dg.DagsterInstance.get() as instance:
            found[home.name] = sorted(run.tags["dagster/partition"] for run in instance.get_runs())
        assert home.stat().st_mode & 0o077 == 0
    assert found == {".dagster": [D1, D2], ".dagster-other": [D2]}


def test_the_default_home_follows_the_dagster_yaml_beside_the_configuration(
    university, monkeypatch
):
    monkeypatch.delenv("DAGSTER_HOME")
    link = university.folder / ".dagster" / "dagster.yaml"
    own = university.folder / "dagster.yaml"
    prepare_home(university.settings)
    assert link.read_text() == (CHECKOUT / "dagster.yaml").read_text()
    own.write_text("telemetry: {enabled: false}\n")
    prepare_home(university.settings)
    assert link.resolve() == own
    own.unlink()
    prepare_home(university.settings)
    assert link.read_text() == (CHECKOUT / "dagster.yaml").read_text()
    link.unlink()
    link.write_text("nux: {enabled: false}\n")  # somebody's own stays
    prepare_home(university.settings)
    assert link.read_text() == "nux: {enabled: false}\n"


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
        "from enrollment_assets.cli.main import main; main()",
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


def test_a_run_that_is_begun_again_is_not_taken_for_the_one_that_died(dagster_instance):
    host, pid, _ = process_tags()["enrollment/process"].rsplit("/", 2)
    dead, other = (
        {"enrollment/process": f"{host}/{pid}/{created}"} for created in ("1.00", "2.00")
    )
    failed = dagster_instance.create_run_for_job(
        _job(), tags=dead, status=dg.DagsterRunStatus.FAILURE
    )
    again = dagster_instance.create_run_for_job(
        _job(),
        tags=dead,
        status=dg.DagsterRunStatus.STARTED,
        parent_run_id=failed.run_id,
        root_run_id=failed.run_id,
    )
    assert close_dead_runs(dagster_instance) == []
    dagster_instance.add_run_tags(again.run_id, other)
    assert close_dead_runs(dagster_instance) == [again.run_id]


def test_a_run_that_a_person_stops_is_not_begun_again_by_a_daemon(dagster_instance):
    @dg.op
    def stopped():
        raise KeyboardInterrupt

    @dg.job
    def small():
        stopped()

    definitions = dg.Definitions(jobs=[small])
    result = run_in_process(definitions, "small", dagster_instance, tags={}, run_config={})
    run = dagster_instance.get_run_by_id(result.run_id)
    assert (run.status, run.tags[WILL_RETRY_TAG]) == (dg.DagsterRunStatus.FAILURE, "false")
    assert run.remote_job_origin.location_name == CODE_LOCATION


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
        "import sys; from enrollment_assets.cli.main import cli; cli(['--help'], standalone_mode=False); "
        "sys.exit('dagster' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=False
    )
    assert done.returncode == 0
