"""Alerts: what is told and how, at least once and not twice, over a real channel that can fail."""

import json
from dataclasses import replace

import dagster as dg
import pytest

from enrollment_assets.cli.doctor import diagnose
from enrollment_assets.cli.running import execute, execute_and_restate
from enrollment_assets.definitions import build_defs
from enrollment_assets.errors import AlertError, ConfigurationError
from enrollment_assets.orchestration.history import run_facts
from enrollment_assets.orchestration.schedules import check_tags
from enrollment_assets.pipeline.names import (
    CORE,
    DAILY,
    FRESHNESS,
    NOTIFY_TAG,
    REPORTS,
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
    assert "127.0.0.1" not in finding.message
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
    assert max(map(len, lines)) <= 600


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
    facts = run_facts(dagster_instance, ended, mail_is_on=True)
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
