"""Alerts: what is told and how, at least once and not twice, over a real channel that can fail."""

import datetime as dt
import json
import socket
import threading
import time
from dataclasses import replace

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy.exc import OperationalError

from enrollment_assets.cli.doctor import diagnose
from enrollment_assets.cli.running import execute, execute_and_restate
from enrollment_assets.definitions import build_defs
from enrollment_assets.errors import AlertError, ConfigurationError, EnrollmentError
from enrollment_assets.orchestration.history import backfill_facts, run_facts
from enrollment_assets.orchestration.schedules import check_tags
from enrollment_assets.orchestration.ticks import failing_ticks
from enrollment_assets.pipeline.names import (
    AUTO_RETRY_RUN_ID_TAG,
    BACKFILL_TAG,
    CORE,
    DAILY,
    FRESHNESS,
    NOTIFY_TAG,
    PARTITION_TAG,
    REPORTS,
    WILL_RETRY_TAG,
)
from enrollment_assets.publishing.alerts.delivery import (
    addresses,
    check_addresses,
    deliver,
    undelivered,
)
from enrollment_assets.publishing.alerts.news import (
    BackfillFacts,
    CheckFacts,
    News,
    RunFacts,
    message_about,
    news_of_backfill,
    news_of_run,
)
from enrollment_assets_tests.conftest import day, student
from enrollment_assets_tests.support.channels import open_channel
from enrollment_assets_tests.support.mail_servers import FlakyServer, serving

FIRST, SECOND = "2024-08-26", "2024-08-27"


@pytest.fixture
def channels():
    with open_channel() as one, open_channel() as other:
        yield one, other


@pytest.fixture
def told(university, channels):
    """A university with one address for alerts, and what arrived there."""
    university.change(alerts={"urls": [channels[0].address]})
    return university


def tick(university, instance, cursor):
    """The cursor after an evaluation of the sensor."""
    repository = build_defs(settings=university.settings).get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
    return repository.get_sensor_def("alerts_sensor").evaluate_tick(context).cursor


def freshness(university, date):
    return execute(university.settings, FRESHNESS, tags=check_tags(day(date)))


def test_alerts_arrive_once_and_nothing_is_lost_while_the_channel_is_down(
    told, dagster_instance, channels, monkeypatch
):
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(told.config))
    service, _ = channels
    told.run(FIRST)  # history, before the first tick
    cursor = tick(told, dagster_instance, None)
    assert service.sent == []
    freshness(told, FIRST)
    told.run(SECOND)
    service.works = False
    with pytest.raises(AlertError, match="An alert was not delivered to 1 of 1"):
        tick(told, dagster_instance, cursor)
    assert "2 alerts have not been delivered since" in undelivered(told.settings)
    (finding,) = [found for found in diagnose() if found.subject == "alerts"]
    assert not finding.ok
    assert service.address not in finding.message
    service.works = True
    cursor = tick(told, dagster_instance, cursor)
    (message,) = service.sent
    assert message.startswith("Test University: a run failed, and 1 more\n")
    assert (
        "backfill_job (core) 2024-08-27 failed: 2024-08-27: missing. enrollment_snapshot_"
        in message
    )
    assert "The snapshot of 2024-08-26 was not loaded on time: no run has loaded it" in message
    assert tick(told, dagster_instance, cursor) == cursor
    assert len(service.sent) == 1
    assert undelivered(told.settings) is None
    assert told.query(
        "SELECT count(*), count(DISTINCT news_id), any_value(address[:5]) "
        "FROM operations.alert_deliveries"
    ) == [(2, 2, "json-")]


def test_an_address_that_took_it_is_not_told_again_because_of_another(
    told, dagster_instance, channels
):
    good, bad = channels
    told.change(alerts={"urls": [bad.address, good.address]})
    cursor = tick(told, dagster_instance, None)
    told.run(FIRST)
    bad.works = False
    for _ in range(3):
        with pytest.raises(AlertError, match="1 of 2 addresses"):
            tick(told, dagster_instance, cursor)
    told.run(SECOND)
    with pytest.raises(AlertError):
        tick(told, dagster_instance, cursor)
    assert [len(message.splitlines()) for message in good.sent] == [2, 2]
    assert bad.sent == []
    bad.works = True
    tick(told, dagster_instance, cursor)
    assert len(good.sent) == 2
    (message,) = bad.sent
    assert f"{FIRST} failed" in message
    assert f"{SECOND} failed" in message


def test_a_channel_that_flaps_gets_every_alert_once(told, dagster_instance, channels):
    service, _ = channels
    cursor = tick(told, dagster_instance, None)
    dates = [f"2024-08-{number}" for number in range(10, 26)]
    for number, date in enumerate(dates):
        told.run(date)
        service.works = number % 3 == 2
        try:
            cursor = tick(told, dagster_instance, cursor)
        except AlertError:
            assert not service.works
    service.works = True
    cursor = tick(told, dagster_instance, cursor)
    said = "\n".join(service.sent)
    assert [said.count(f"backfill_job (core) {date} failed") for date in dates] == [1] * len(dates)
    assert len(service.sent) == 6


def test_a_range_of_days_is_told_in_one_line(told, dagster_instance, channels):
    service, _ = channels
    for number in range(4):
        told.write(f"2024-09-{10 + number}", [student("A"), student("A"), student(str(number))])
    cursor = tick(told, dagster_instance, None)
    told.run("2024-09-10", "2024-09-13")
    cursor = tick(told, dagster_instance, cursor)
    (message,) = service.sent
    _title, *lines = message.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("backfill_job (core) 2024-09-10 to 2024-09-13 ended")


def test_the_held_notice_goes_to_the_alert_addresses_once_a_day(
    told, dagster_instance, channels, monkeypatch
):
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:9")
    told.change(
        email={"enabled": True, "from": "a@example.edu", "recipients": ["dean@example.edu"]}
    )
    service, _ = channels
    cursor = tick(told, dagster_instance, None)
    for _ in range(2):  # the file is missing, and missing still
        outcome = execute(told.settings, DAILY, day(FIRST), day(FIRST), tags={NOTIFY_TAG: "email"})
        assert not outcome.success
        cursor = tick(told, dagster_instance, cursor)
    first, second = service.sent
    assert first.startswith("Test University: the report was not mailed, and 1 more\n")
    assert f"The report of {FIRST} was not mailed" in first
    assert "was not mailed" not in second
    assert "failed: 2024-08-26: missing" in second
    assert told.query("SELECT count(*) FROM operations.report_deliveries") == [(0,)]


def a_run(**others):
    return replace(RunFacts("r1", DAILY, FIRST, "success", is_daily=True), **others)


def check(name, passed=False, is_error=False, **figures):
    return CheckFacts(name, "some_table", FIRST, passed, is_error, figures)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (a_run(), []),
        (a_run(checks=(check("fine", passed=True),)), []),
        (a_run(checks=(check("wrong", is_error=True),)), ["error"]),
        (a_run(checks=(check("odd"),)), ["warning"]),
        (
            a_run(checks=(check("odd"),), is_daily=False),
            [],
        ),  # warnings are for the morning's digest
        (a_run(status="cancelled", mails=True), ["cancelled", "not_mailed"]),
        (a_run(status="failure", mails=True), ["failed", "not_mailed"]),
        (a_run(status="failure"), ["failed"]),
        (a_run(status="failure", in_backfill=True), []),
        (a_run(restated_figures=3, restated_days="2024-08-01"), ["restated"]),
        (a_run(refused="the mail server refused 1 recipient"), ["refused"]),
        (a_run(is_range=True, is_daily=False), []),
        (a_run(is_range=True), ["summary"]),
        (a_run(is_range=True, status="failure"), ["failed"]),
    ],
)
def test_what_a_run_has_to_tell(run, expected):
    assert [piece.kind for piece in news_of_run(run)] == expected


def test_a_check_that_fails_on_many_days_is_one_line(told):
    checks = tuple(
        CheckFacts("baseline_is_current", "enrollment_metrics", f"2024-09-{n:02d}", False, True, {})
        for n in range(3, 16)
    )
    (news,) = news_of_run(a_run(checks=checks))
    assert "baseline_is_current failed on enrollment_metrics 13 days" in news.text
    assert "from 2024-09-03 to 2024-09-15" in news.text


def test_anomalies_are_told_with_their_cause_and_acknowledged_ones_are_not():
    figures = {
        "unusual_series": 3,
        "2024FA dropped_students": "60 a day, expected 5 (0 to 12), score 9.1: payment due",
        "2024FA withheld": "an unusual change in a small segment",
        "2024FA net_change": "-60 a day: x Acknowledged by ana: known",
    }
    found = news_of_run(a_run(checks=(check("no_anomalies", **figures),)))
    assert [piece.text for piece in found] == [
        f"{FIRST}, 2024FA dropped_students: 60 a day, expected 5 (0 to 12), score 9.1: payment due",
        f"{FIRST}, 2024FA withheld: an unusual change in a small segment",
    ]


def test_many_failures_make_one_message_with_an_end():
    news = [News(f"run {n}", "failed", f"number {n} " + "long " * 300) for n in range(50)]
    title, lines = message_about(
        [*news, News("not mailed 1", "not_mailed", "The report was not mailed")]
    )
    assert title == "the report was not mailed, and 50 more"
    assert lines[0] == "The report was not mailed"
    assert len(lines) == 21
    assert lines[-1] == "and 31 more; see the runs in Dagster's UI."
    assert max(map(len, lines)) <= 1_500


def test_a_backfill_has_one_summary():
    ended = BackfillFacts("abc", "a to b", "failed", {"success": 3, "failure": 1}, ("no file",))
    assert news_of_backfill(ended).text == (
        "Backfill abc of a to b failed; runs: 3 success, 1 failure: no file"
    )


def test_notes_that_are_damaged_are_told_of(told, dagster_instance):
    notes = told.settings.data_path / "alerts.json"
    notes.parent.mkdir(mode=0o700)
    notes.write_text("{")
    with pytest.raises(AlertError, match=r"alerts.json is damaged; remove it"):
        tick(told, dagster_instance, None)


def test_an_alert_that_waits_since_an_older_version_is_delivered_once(told, channels):
    (address,) = addresses(told.settings)
    old = {
        "news": "run 1",
        "address": address.name,
        "title": "t",
        "at": "2999-01-01",
        "is_recorded": True,
    }
    pieces = [
        {"id": "run 1", "kind": "failed", "words": "Run 1 failed."},
        {"id": "day 2", "kind": "held", "words": "Day 2 was not mailed."},
    ]
    path = told.settings.data_path / "alerts.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"told": [old], "waiting": pieces, "waits_since": "2026-01-01"}))
    assert deliver(told.settings, []) == 1
    assert [text.partition("\n")[2] for text in channels[0].sent] == ["Day 2 was not mailed."]
    assert deliver(told.settings, []) == 0


def test_a_run_that_was_closed_from_outside_has_its_reason(university, dagster_instance):
    repository = build_defs(settings=university.settings).get_repository_def()
    killed = dagster_instance.create_run_for_job(
        repository.get_job(DAILY), status=dg.DagsterRunStatus.STARTED
    )
    dagster_instance.report_run_failed(killed, "The process of this run ended.")
    ended = dagster_instance.get_run_by_id(killed.run_id)
    facts = run_facts(dagster_instance, ended, university.settings)
    assert facts.failures == ("The process of this run ended.",)


def test_notes_are_for_their_owner_only(told, dagster_instance, channels):
    cursor = tick(told, dagster_instance, None)
    told.run(FIRST)
    tick(told, dagster_instance, cursor)
    notes = told.settings.data_path / "alerts.json"
    assert notes.stat().st_mode & 0o077 == 0
    assert "127.0.0.1" not in notes.read_text()


def test_restated_figures_and_refused_recipients_are_told_without_a_student(
    told, dagster_instance, channels, monkeypatch
):
    service, _ = channels
    people = [student(f"SECRET{n:03d}", student_name=f"Hidden{n:03d}") for n in range(70)]
    dates = ("2024-09-09", "2024-09-10", "2024-09-11")
    for number, date in enumerate(dates):
        told.write(date, people[number : 60 + number])
    cursor = tick(told, dagster_instance, None)
    told.run(*dates[::2])
    with serving(FlakyServer()) as server:
        monkeypatch.setenv("SMTP_URL", server.url)
        server.refuses = {"gone@example.edu": 550}
        recipients = ["dean@example.edu", "gone@example.edu"]
        told.change(email={"enabled": True, "from": "ir@example.edu", "recipients": recipients})
        mailed = execute(
            told.settings, REPORTS, day(dates[1]), day(dates[1]), tags={NOTIFY_TAG: "email"}
        )
        assert mailed.success
    told.write(dates[0], people[5:40])
    assert execute_and_restate(told.settings, CORE, day(dates[0]), day(dates[0])).success
    tick(told, dagster_instance, cursor)
    said = "\n".join(service.sent)
    assert "2024-09-10: the mail server refused 1 recipient at example.edu (550 5.1.1)" in said
    assert "reported figures of 2024-09-10" in said
    for secret in ("SECRET", "Hidden", "gone@", "dean@"):
        assert secret not in said


def test_an_address_that_is_none_is_refused_and_its_password_told_to_nobody(told, caplog):
    told.change(alerts={"urls": ["slack://hunter2"]})
    with pytest.raises(
        ConfigurationError, match=r"alerts.urls: entry 1 is not an address"
    ) as refused:
        check_addresses(told.settings)
    assert "hunter2" not in str(refused.value) + caplog.text


def test_an_address_that_is_none_keeps_nothing_from_the_others(told, channels):
    service, _ = channels
    told.change(alerts={"urls": ["slack://hunter2", service.address]})
    news = [News("run 1", "failed", "A run failed")]
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="entry 1 is not an address"):
            deliver(told.settings, news)
    assert len(service.sent) == 1
    assert "1 alert has not been delivered" in undelivered(told.settings)


def test_one_run_that_cannot_be_read_stops_no_other_runs_alert(
    told, dagster_instance, channels, monkeypatch
):
    service, _ = channels
    cursor = tick(told, dagster_instance, None)
    first = told.run(FIRST).run_id
    told.run(SECOND)
    whole = dagster_instance.get_records_for_run

    def damaged(run_id, *arguments, **options):
        if run_id == first:
            raise ValueError("an event that nobody can read")
        return whole(run_id, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(dagster_instance, "get_records_for_run", damaged)
        cursor = tick(told, dagster_instance, cursor)
    (message,) = service.sent
    assert "A run ended, and its result could not be read: ValueError" in message
    assert f"http://127.0.0.1:3000/runs/{first}" in message
    assert f"{SECOND} failed" in message
    assert tick(told, dagster_instance, cursor) == cursor
    assert len(service.sent) == 1


def test_a_backfill_that_cannot_be_read_is_news_once_and_a_lost_database_is_tried_again(
    told, dagster_instance, channels, monkeypatch
):
    service, _ = channels
    cursor = tick(told, dagster_instance, None)
    backfill = PartitionBackfill("abc", BulkActionStatus.REQUESTED, False, {}, 0.0)
    dagster_instance.add_backfill(backfill)
    cursor = tick(told, dagster_instance, cursor)
    told.run(SECOND)
    dagster_instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED))

    def lost(*_, **__):
        raise OperationalError("select", {}, Exception("gone"))

    def damaged(*_, **__):
        raise ValueError("a backfill that nobody can read")

    with monkeypatch.context() as patch:
        patch.setattr("enrollment_assets.orchestration.sensors.backfill_facts", lost)
        with pytest.raises(OperationalError):
            tick(told, dagster_instance, cursor)
        assert service.sent == []
        patch.setattr("enrollment_assets.orchestration.sensors.backfill_facts", damaged)
        cursor = tick(told, dagster_instance, cursor)
    (message,) = service.sent
    assert "A backfill ended, and its result could not be read: ValueError" in message
    assert f"{SECOND} failed" in message
    assert tick(told, dagster_instance, cursor) == cursor
    assert len(service.sent) == 1


def test_a_backfill_that_ends_before_the_first_tick_has_its_summary_when_it_has_ended(
    told, dagster_instance, channels
):
    service, _ = channels
    backfill = PartitionBackfill("abc", BulkActionStatus.FAILING, False, {}, time.time())
    dagster_instance.add_backfill(backfill)
    assert backfill_facts(dagster_instance, "abc", told.settings) is None
    dagster_instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_FAILED))
    cursor = tick(told, dagster_instance, None)
    assert [message.count("Backfill abc of assets ended") for message in service.sent] == [1]
    assert tick(told, dagster_instance, cursor) == cursor
    assert len(service.sent) == 1


def test_a_held_day_arrives_with_its_reasons_and_the_command(told, dagster_instance, channels):
    service, _ = channels
    people = [student(f"{n:03d}", program="Law" if n < 40 else "Music") for n in range(200)]
    told.write(FIRST, people)
    told.write(SECOND, people[40:])
    told.run(FIRST)
    cursor = tick(told, dagster_instance, None)
    told.run(SECOND)
    tick(told, dagster_instance, cursor)
    (message,) = service.sent
    title, line = message.splitlines()
    assert title == "Test University: a day is held until somebody decides"
    assert "program Law is gone with its 40 students" in line
    assert "Gone by program: Law 40 of 40." in line
    assert f"enrollment accept --date {SECOND} --reason" in line
    assert service.severities == ["warning"]


def test_a_killed_command_is_told_by_the_next_one_once(told, dagster_instance, channels, command):
    service, _ = channels
    repository = build_defs(settings=told.settings).get_repository_def()
    dead = f"{socket.gethostname()}/1999999/1.00"
    killed = dagster_instance.create_run_for_job(
        repository.get_job(DAILY),
        status=dg.DagsterRunStatus.STARTED,
        tags={"enrollment/process": dead, PARTITION_TAG: FIRST},
    )
    told.write(SECOND, [student(str(n)) for n in range(60)])
    for _ in range(2):
        assert command("run", "--date", SECOND, "--email").returncode == 0
    said = "\n".join(service.sent)
    assert said.count(f"{DAILY} {FIRST} failed: The process of this run died") == 1
    assert said.count(f"/runs/{killed.run_id}") == 1


@pytest.mark.parametrize(
    ("status", "runs", "failures", "kind", "words"),
    [
        ("completed", {"success": 3}, (), "summary", "completed; runs: 3 success"),
        (
            "canceled",
            {"success": 1, "canceled": 2},
            (),
            "cancelled",
            "was canceled; runs: 1 success",
        ),
        ("completed_failed", {"success": 3}, (), "summary", "ended; runs: 3 success: days without"),
        (
            "completed_failed",
            {"failure": 1},
            ("no file",),
            "failed",
            "ended; runs: 1 failure: no file",
        ),
    ],
)
def test_how_a_backfill_ended_is_said_as_it_was(status, runs, failures, kind, words):
    news = news_of_backfill(BackfillFacts("abc", "a to b", status, runs, failures))
    assert news.kind == kind
    assert words in news.text


def test_a_backfill_is_over_when_its_last_runs_and_their_tries_are(university, dagster_instance):
    """For Dagster a backfill of a job is completed as soon as its runs are launched."""
    repository = build_defs(settings=university.settings).get_repository_def()
    job = repository.get_job(DAILY)
    backfill = PartitionBackfill(
        backfill_id="abc",
        status=BulkActionStatus.COMPLETED,
        from_failure=False,
        tags={},
        backfill_timestamp=0.0,
        partition_names=[FIRST, SECOND],
    )
    dagster_instance.add_backfill(backfill)
    runs = [
        dagster_instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags={BACKFILL_TAG: "abc", PARTITION_TAG: date}
        )
        for date in (FIRST, SECOND)
    ]

    def facts():
        return backfill_facts(dagster_instance, "abc", university.settings)

    assert facts() is None
    dagster_instance.report_run_failed(runs[0], "no answer")
    dagster_instance.add_run_tags(runs[0].run_id, {WILL_RETRY_TAG: "true"})
    dagster_instance.report_run_failed(runs[1], "no file")
    dagster_instance.add_run_tags(runs[1].run_id, {WILL_RETRY_TAG: "false"})
    # Dagster begins no run of a completed backfill again, whatever its tags say.
    assert facts().runs == {"failure": 2}
    again = dagster_instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.SUCCESS, tags={BACKFILL_TAG: "abc", PARTITION_TAG: FIRST}
    )
    dagster_instance.add_run_tags(runs[0].run_id, {AUTO_RETRY_RUN_ID_TAG: again.run_id})
    assert facts().runs == {"success": 1, "failure": 1}
    assert facts().failures == ("no file",)


def test_the_doctor_and_the_status_say_since_when_a_sensor_fails(
    told, dagster_instance, channels, command
):
    now = time.time()
    state = InstigatorState(an_origin(), InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
    dagster_instance.add_instigator_state(state)
    origin, selector = state.instigator_origin_id, state.selector_id
    error = SerializableErrorInfo("enrollment_assets.errors.AlertError: not delivered", [], None)
    for seconds, status in (
        (180, TickStatus.SUCCESS),
        (120, TickStatus.FAILURE),
        (60, TickStatus.FAILURE),
    ):
        tick_data = TickData(
            origin,
            "alerts_sensor",
            InstigatorType.SENSOR,
            status,
            now - seconds,
            error=error if status == TickStatus.FAILURE else None,
            selector_id=selector,
            run_ids=[],
        )
        dagster_instance.create_tick(tick_data)
    (failing,) = failing_ticks(dagster_instance)
    assert failing.since.timestamp() == pytest.approx(now - 120, abs=1)
    done = command("status")
    assert done.returncode == 1
    assert "alerts_sensor has failed since" in done.stdout
    assert "not delivered" in done.stdout
    (finding,) = [found for found in diagnose() if found.subject == "daemon"]
    assert not finding.ok
    tick_data = TickData(
        origin,
        "alerts_sensor",
        InstigatorType.SENSOR,
        TickStatus.SKIPPED,
        now,
        selector_id=selector,
        run_ids=[],
    )
    dagster_instance.create_tick(tick_data)
    assert failing_ticks(dagster_instance) == []


@pytest.mark.parametrize(("minutes", "is_told"), [(1, False), (30, True), (8 * 24 * 60, False)])
def test_a_daemon_that_stopped_is_told_by_doctor_and_status(
    told, dagster_instance, command, minutes, is_told
):
    seen = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    dagster_instance.add_daemon_heartbeat(
        DaemonHeartbeat(seen.timestamp(), "SENSOR", "abc", errors=[])
    )
    words = "daemon has not run since"
    for name in ("doctor", "status"):
        assert (words in " ".join(command(name).stdout.split())) == is_told


def test_a_sensor_that_has_not_ticked_for_a_week_does_not_fail_now(dagster_instance):
    state = InstigatorState(an_origin(), InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
    dagster_instance.add_instigator_state(state)
    for days, expected in ((8, 0), (6, 1)):
        dagster_instance.create_tick(
            TickData(
                state.instigator_origin_id,
                "alerts_sensor",
                InstigatorType.SENSOR,
                TickStatus.FAILURE,
                time.time() - days * 24 * 3600,
                error=SerializableErrorInfo("no answer", [], None),
                selector_id=state.selector_id,
                run_ids=[],
            )
        )
        assert len(failing_ticks(dagster_instance)) == expected


def an_origin():
    location = RegisteredCodeLocationOrigin("enrollment_assets")
    return RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(location, "__repository__"), "alerts_sensor"
    )


def test_the_doctor_sends_a_test_mail_and_a_test_alert(told, channels, command, monkeypatch):
    service, _ = channels
    with serving(FlakyServer()) as server:
        told.change(
            email={
                "enabled": True,
                "from": "ir@example.edu",
                "recipients": ["dean@example.edu"],
                "allowed_domains": ["example.edu"],
            }
        )
        monkeypatch.setenv("SMTP_URL", server.url)
        done = command("doctor", "--send", "--to", "ana@example.edu")
        assert "sent to ana@example.edu" in done.stdout
        assert [recipient for recipient, _ in server.taken] == ["ana@example.edu"]
        assert service.sent == ["Test University: a test\nThis is a test. Nothing is wrong."]
        assert service.severities == ["info"]
        done = command("doctor", "--send", "--to", "ana@elsewhere.example")
        assert done.returncode == 1
        assert "is not an address under email.allowed_domains" in " ".join(done.stdout.split())
    assert command("doctor", "--to", "ana@example.edu").returncode == 2


def test_two_threads_of_a_process_take_turns_at_the_warehouse(university):
    """Sensors share the process of the code server, and DuckDB refuses two ways of opening a file."""
    university.write(FIRST, [student("A")])
    university.run(FIRST)
    warehouse, faults = university.warehouse(), []

    def look(writes):
        try:
            for _ in range(10):
                with warehouse.connect() if writes else warehouse.read(patience=0):
                    time.sleep(0.01)
        except EnrollmentError as error:
            faults.append(str(error))

    threads = [threading.Thread(target=look, args=(n % 2 == 0,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
