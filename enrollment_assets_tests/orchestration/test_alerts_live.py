"""Alerts of a real daemon that is killed again and again: each message arrives, and once."""

import datetime as dt
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from enrollment_assets.cli.running import execute
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.runs import UNFINISHED, process_tags
from enrollment_assets.pipeline.names import (
    BACKFILL,
    BACKFILL_TAG,
    CORE,
    DAILY,
    PARTITION_TAG,
    WILL_RETRY_TAG,
)
from enrollment_assets_tests.conftest import CHECKOUT, student
from enrollment_assets_tests.support.daemons import (
    ask_for_backfill,
    daemon,
    kill_all,
    wait_until,
)
from enrollment_assets_tests.support.soak import count

# Seconds after its start at which the daemon is killed: while it starts, ticks, sends and rests.
MOMENTS = [5 + 2.5 * number for number in range(count(4, 10))]
CORE_ASSETS = ("enrollment_snapshots", "snapshot_log", "student_changes", "enrollment_metrics")
# Days from the start of the term; no other is without a file.
MISSING = 5
SECONDS_OF_A_TICK = 30


@pytest.fixture
def place(university, dagster_home, monkeypatch, channel):
    """A university some days into a term, with an address for alerts and no schedule that ticks."""
    today = dt.datetime.now(dt.UTC).date()
    opens = today - dt.timedelta(20)
    tick = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)
    term = {
        "code": "NOW",
        "registration_opens": opens,
        "starts": today + dt.timedelta(20),
        "census": today + dt.timedelta(34),
        "ends": today + dt.timedelta(90),
    }
    university.change(
        institution={"name": "Live", "timezone": "UTC"},
        start_date=opens,
        terms=[term],
        calendar={},
        schedule={"cron": f"{tick.minute} {tick.hour} * * *"},
        alerts={"urls": [channel.address]},
    )
    for offset in range(21):
        if offset != MISSING:
            date = opens + dt.timedelta(offset)
            university.write(
                date.isoformat(), [student(f"{n:03d}", term="NOW") for n in range(60 + offset)]
            )
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    # A run that dies before it began is closed sooner than after three minutes.
    instance = dagster_home / "dagster.yaml"
    hasty = instance.read_text().replace("start_timeout_seconds: 180", "start_timeout_seconds: 30")
    instance.write_text(hasty.replace("poll_interval_seconds: 60", "poll_interval_seconds: 10"))
    return university


def enrollment(*arguments):
    """A command in a process of its own, begun and not waited for."""
    program = Path(sys.executable).with_name("enrollment")
    return subprocess.Popen(
        [program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=CHECKOUT
    )


def started(instance):
    return {
        run.run_id
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    }


def ticks(instance):
    """When the sensor of alerts went well, the newest first."""
    for state in instance.all_instigator_state():
        if state.name == "alerts_sensor":
            found = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=5)
            return [
                tick.end_timestamp for tick in found if tick.is_completed and tick.end_timestamp
            ]
    return []


def make_news(place, instance):
    """Runs that failed, were killed, were canceled or went well; returns what must be said of each."""
    settings, opens = place.settings, place.settings.start_date
    missing = str(opens + dt.timedelta(MISSING))
    expected = []

    failed = execute(settings, DAILY, opens + dt.timedelta(MISSING), opens + dt.timedelta(MISSING))
    assert not failed.success
    expected.append(f"{DAILY} {missing} failed: {missing}: missing")

    went_well = execute(settings, CORE, opens, opens + dt.timedelta(3))
    assert went_well.success
    expected.append(f"{opens} to {opens + dt.timedelta(3)} ended")

    before = started(instance)
    process = enrollment("backfill", "--from", str(opens), "--to", str(opens + dt.timedelta(18)))
    wait_until(lambda: started(instance) - before or process.poll() is not None, "the command")
    process.send_signal(signal.SIGKILL)
    process.wait()
    (killed,) = started(instance) - before
    expected.append(f"/runs/{killed}")

    repository = build_defs(settings=settings).get_repository_def()
    canceled = instance.create_run_for_job(
        repository.get_job(DAILY),
        status=dg.DagsterRunStatus.STARTED,
        tags={**process_tags(), PARTITION_TAG: str(opens)},
    )
    instance.report_run_canceled(canceled)
    expected.append(f"{DAILY} {opens} was canceled")
    return expected


def ask_for_job_backfill(first, last):
    dagster = Path(sys.executable).with_name("dagster")
    workspace = CHECKOUT / "workspace.yaml"
    days = ("--from", str(first), "--to", str(last), "--noprompt")
    subprocess.run(
        [dagster, "job", "backfill", "-w", workspace, "-j", BACKFILL, *days],
        check=True,
        capture_output=True,
        cwd=CHECKOUT,
    )


def ended_badly(instance, known):
    """The links of the runs that failed, outside of backfills, that nobody runs again: but known ones."""
    runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    return [
        link
        for run in runs
        if (link := f"/runs/{run.run_id}") not in known
        and BACKFILL_TAG not in run.tags
        and run.tags.get(WILL_RETRY_TAG) != "true"
    ]


def test_each_message_arrives_once_although_the_daemon_is_killed_again_and_again(place, channel):
    opens = place.settings.start_date
    graph = build_defs(settings=place.settings).resolve_asset_graph()

    def said():
        return "\n".join(channel.sent)

    with dg.DagsterInstance.get() as instance:
        with daemon(place.folder):
            # What was before the first tick is history.
            wait_until(lambda: ticks(instance), "the first tick")
        expected = make_news(place, instance)
        of_assets = ask_for_backfill(
            instance, graph, opens, opens + dt.timedelta(MISSING + 2), CORE_ASSETS
        )
        ask_for_job_backfill(opens + dt.timedelta(MISSING), opens + dt.timedelta(MISSING + 1))
        backfills = [backfill.backfill_id for backfill in instance.get_backfills()]
        assert len(backfills) == 2
        assert of_assets in backfills
        expected += [f"Backfill {name} of " for name in backfills]

        for number, moment in enumerate(MOMENTS):
            with daemon(place.folder) as process:
                time.sleep(moment)
                if number % 2:
                    kill_all(process)
                else:
                    process.kill()
                process.wait()
        with daemon(place.folder):
            wait_until(
                lambda: not instance.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))),
                "the end of all runs",
            )
            expected += ended_badly(instance, expected)
            wait_until(
                lambda: all(words in said() for words in expected),
                f"news of each of {expected}",
                180,
            )
            rested = time.time() + 2 * SECONDS_OF_A_TICK
            wait_until(lambda: (ticks(instance) or [0])[0] > rested, "two more ticks")
    lines = [line for message in channel.sent for line in message.splitlines()[1:]]
    assert {line: times for line, times in Counter(lines).items() if times > 1} == {}
    assert {words: said().count(words) for words in expected} == dict.fromkeys(expected, 1)
    assert re.findall(r"could not be read", said()) == []
