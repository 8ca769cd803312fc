"""A live daemon: the schedule and backfills at once, late days, kills; the tables are right in the end."""

import datetime as dt

import dagster as dg
import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG

from enrollment_assets.cli.running import execute
from enrollment_assets.config import load_settings
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.runs import UNFINISHED, failures
from enrollment_assets.pipeline.days import stale_ranges
from enrollment_assets.pipeline.names import CORE
from enrollment_assets_tests.conftest import CHECKOUT, student
from enrollment_assets_tests.support.daemons import (
    ask_for_backfill,
    daemon,
    kill_all,
    wait_until,
)
from enrollment_assets_tests.support.soak import IS_SOAK

TABLES = ("enrollment_snapshots", "student_changes", "enrollment_metrics", "segment_metrics")
# One morning has no file.
WITHOUT_FILE = 17
PARTITIONED = (
    *("enrollment_snapshots", "snapshot_log"),
    *("student_changes", "enrollment_metrics", "segment_metrics"),
)

TRIALS = [("embedded", "not killed"), ("postgresql", "daemon killed")]
if IS_SOAK:
    TRIALS += [("embedded", "daemon killed"), ("embedded", "everything killed")]
    TRIALS += [("postgresql", "not killed"), ("postgresql", "everything killed")]


@pytest.fixture
def home(request, tmp_path, monkeypatch):
    """A Dagster home, with its state in SQLite or on a real PostgreSQL server."""
    folder = tmp_path / "home"
    folder.mkdir()
    name = "dagster.yaml"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_database")
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url.replace("://", "+psycopg2://", 1))
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
        name = "deploy/dagster.yaml"
    (folder / "dagster.yaml").write_text((CHECKOUT / name).read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.fixture
def place(university, home, monkeypatch, channel):
    """A university in the middle of a term today, whose schedule ticks within two minutes."""
    today = dt.datetime.now(dt.UTC).date()
    tick = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=70)
    term = {
        "code": "NOW",
        "registration_opens": today - dt.timedelta(40),
        "starts": today - dt.timedelta(20),
        "census": today - dt.timedelta(6),
        "ends": today + dt.timedelta(90),
    }
    university.change(
        institution={"name": "Live", "timezone": "UTC"},
        start_date=term["registration_opens"],
        terms=[term],
        calendar={},
        schedule={"cron": f"{tick.minute} {tick.hour} * * *"},
        alerts={"urls": [channel.address]},
    )
    for offset in range(41):
        date = term["registration_opens"] + dt.timedelta(offset)
        if offset != WITHOUT_FILE:
            rows = [
                student(f"{n:04d}", term="NOW", program=f"P{(n + offset // 9 * (n % 5 == 0)) % 5}")
                for n in range(offset * 3, 300 + offset * 5)
                if (n + offset) % 37
            ]
            university.write(date.isoformat(), rows)
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    return university


def in_order(university):
    """The tables of a warehouse that one plain range run filled."""
    settings = load_settings(university.config)
    content = yaml.safe_load(university.config.read_text())
    other = university.folder / "reference.yaml"
    other.write_text(yaml.safe_dump({**content, "data_dir": "reference"}))
    reference = load_settings(other)
    assert execute(reference, CORE, settings.start_date, settings.today()).success
    return tables(reference)


def why(instance, runs):
    """In words, why runs failed."""
    return [
        words
        for run in runs
        for words in failures(
            e.dagster_event for e in instance.all_logs(run.run_id) if e.dagster_event
        )
    ]


def tables(settings):
    import duckdb

    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        return {
            name: connection.execute(f"SELECT * FROM enrollment.{name} ORDER BY ALL").fetchall()
            for name in TABLES
        }


def only_one_day_is_not_green(settings, graph):
    missing = (settings.start_date + dt.timedelta(WITHOUT_FILE)).isoformat()
    with dg.DagsterInstance.get() as instance:
        for name in PARTITIONED:
            partitions = set(graph.get(dg.AssetKey(name)).partitions_def.get_partition_keys())
            materialized = instance.get_materialized_partitions(dg.AssetKey(name))
            assert partitions - materialized == {missing}, name


@pytest.mark.parametrize(("home", "killed"), TRIALS, indirect=["home"])
def test_the_schedule_and_two_backfills_at_once_leave_the_right_tables(
    place, home, killed, channel
):
    settings = place.settings
    today = settings.today()
    graph = build_defs(settings=settings).resolve_asset_graph()
    with dg.DagsterInstance.get() as instance:

        def said():
            return "\n".join(channel.sent)

        def backfills_are(status):
            return all(instance.get_backfill(b).status == status for b in asked)

        def count(*statuses):
            return instance.get_runs_count(dg.RunsFilter(statuses=list(statuses)))

        spans = [
            (settings.start_date, today - dt.timedelta(12)),
            (today - dt.timedelta(25), today - dt.timedelta(1)),
        ]
        asked = [ask_for_backfill(instance, graph, *span, PARTITIONED) for span in spans]

        def everything_is_done():
            scheduled = dg.RunsFilter(
                tags={"dagster/schedule_name": "daily_enrollment_schedule"},
                statuses=[dg.DagsterRunStatus.SUCCESS],
            )
            wait_until(lambda: instance.get_runs_count(scheduled), "the scheduled run")
            # One of their days has no file, and is all that counts as failed in them.
            wait_until(lambda: backfills_are(BulkActionStatus.COMPLETED_FAILED), "the backfills")
            wait_until(
                lambda: not count(*UNFINISHED) and not stale_ranges(settings), "the restatement"
            )
            all_are_in = lambda: all(f"Backfill {b}" in said() for b in asked)  # noqa: E731
            wait_until(all_are_in, "the summaries", shown=said)

        with daemon(place.folder) as process:
            if killed == "not killed":
                everything_is_done()
            else:
                wait_until(lambda: count(dg.DagsterRunStatus.STARTED), "the first run")
                process.kill()
                process.wait()
            if killed == "everything killed":
                kill_all(process)
            elif killed == "daemon killed":
                with daemon(place.folder):
                    everything_is_done()
        if killed == "everything killed":
            with daemon(place.folder):
                everything_is_done()
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        if killed == "everything killed":
            # what was under way when the machine went down was closed, and begun again
            assert all(run.tags.get(AUTO_RETRY_RUN_ID_TAG) for run in failed)
        else:
            assert why(instance, failed) == []
    assert tables(settings) == in_order(place)
    only_one_day_is_not_green(settings, graph)
    assert said().count("days without an accepted snapshot were left out") == len(asked)
    # each backfill in one line, and no single run or day of it
    assert [said().count(f"Backfill {b} of ") for b in asked] == [1, 1]
    page = settings.data_path / "reports" / today.isoformat() / "report.html"
    assert page.exists()
