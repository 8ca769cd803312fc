"""What runs beside the daily work: removal of what is old, lateness, the daemon's sensors."""

import datetime as dt
import json
import os
import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from enrollment_assets.cli.running import decide, execute, execute_and_restate, rebuild
from enrollment_assets.config import load_settings
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.retention import find_old
from enrollment_assets.orchestration.schedules import check_tags, due
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.pipeline.names import BACKFILL, CORE, DAILY, FRESHNESS, PRUNE, RESTATE
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets_tests.conftest import CHECKOUT, day, student

TABLES = ("student_changes", "enrollment_metrics", "segment_metrics", "snapshot_log")
FIRST, LAST, CENSUS = "2024-08-26", "2024-09-20", "2024-09-09"


def days(first, last):
    start, end = day(first), day(last)
    return [(start + dt.timedelta(n)).isoformat() for n in range((end - start).days + 1)]


def twenty_six_days(university):
    """Twenty-six days of a term, with its census in the middle."""
    for number, date in enumerate(days(FIRST, LAST)):
        # everybody leaves in turn; one of them comes back after the days that will be pruned
        present = [n for n in range(70) if n >= number or (n == 2 and number > 21)]
        rows = [student(f"{n:03d}", program=f"P{(n + number * (n % 4 == 0)) % 3}") for n in present]
        university.write(date, rows)
    assert university.run(FIRST, LAST).success


@pytest.fixture
def filled(filled_by):
    return filled_by(twenty_six_days)


def tables(university):
    return {name: university.query(f"FROM enrollment.{name} ORDER BY ALL") for name in TABLES}


def stored_days(university):
    rows = university.query(
        "SELECT DISTINCT snapshot_date::VARCHAR FROM enrollment.enrollment_snapshots ORDER BY 1"
    )
    return [date for (date,) in rows]


def prune(university, as_of):
    return execute(university.settings, PRUNE, ops={"prune": {"as_of": as_of}})


def test_old_snapshots_go_and_every_figure_stays(filled):
    filled.change(retention={"snapshots_days": 5})
    before = tables(filled)
    assert prune(filled, LAST).success
    # five days back, the one before as baseline, and the census
    assert stored_days(filled) == [CENSUS, *days("2024-09-15", LAST)]
    assert tables(filled) == before
    # a rerun, or a restatement, of days that lost their snapshots leaves their figures alone
    rerun = execute_and_restate(filled.settings, CORE, day(FIRST), day(LAST))
    assert rerun.success
    assert rerun.checks == []
    assert execute(filled.settings, RESTATE, day(FIRST), day(LAST)).success
    now = tables(filled)
    assert {name: now[name] for name in TABLES[:3]} == {name: before[name] for name in TABLES[:3]}
    assert stored_days(filled) == [CENSUS, *days("2024-09-15", LAST)]
    assert filled.query("SELECT count(*) FROM enrollment.metric_restatements") == [(0,)]


def test_days_after_the_kept_ones_are_still_corrected(filled):
    filled.change(retention={"snapshots_days": 5})
    assert prune(filled, LAST).success
    filled.write("2024-09-17", [student(f"{n:03d}") for n in range(21, 71)])
    assert execute_and_restate(filled.settings, CORE, day("2024-09-17"), day("2024-09-17")).success
    rows = filled.query(
        "SELECT date::VARCHAR, total_enrollment FROM enrollment.enrollment_metrics "
        "WHERE date BETWEEN DATE '2024-09-16' AND DATE '2024-09-18' ORDER BY 1"
    )
    assert rows == [("2024-09-16", 49), ("2024-09-17", 50), ("2024-09-18", 48)]


def test_a_pruned_day_cannot_be_decided_about(filled):
    filled.change(retention={"snapshots_days": 5})
    assert prune(filled, LAST).success
    outcome = decide(filled.settings, day(CENSUS), DecisionKind.reject, None, "why not", "ana")
    assert "the figures up to that day are final" in outcome.failures[0]


def test_the_newest_snapshot_of_a_term_is_never_removed(filled):
    filled.change(retention={"snapshots_days": 5})
    assert prune(filled, "2030-01-01").success
    assert stored_days(filled) == [CENSUS, LAST]


def test_old_reports_and_refused_rows_go_with_their_periods(filled):
    filled.change(retention={"snapshots_days": 5, "reports_days": 3})
    for kind in ("reports", "quarantine"):
        for name in (*days("2024-09-10", LAST), "notes"):
            folder = filled.settings.data_path / kind / name
            folder.mkdir(parents=True)
            if name != "notes":
                written = dt.datetime.fromisoformat(f"{name}T12:00:00Z").timestamp()
                (folder / "report.html").touch()
                os.utime(folder / "report.html", (written, written))
    # A backfill wrote this one only now.
    (filled.settings.data_path / "reports" / "2024-09-11" / "report.html").touch()
    assert prune(filled, LAST).success
    left = {
        kind: sorted(path.name for path in (filled.settings.data_path / kind).iterdir())
        for kind in ("reports", "quarantine")
    }
    assert left == {
        "reports": ["2024-09-11", *days("2024-09-17", LAST), "index.html", "notes"],
        "quarantine": [*days("2024-09-15", LAST), "notes"],
    }


def test_old_runs_go_but_for_the_newest_of_each_partition(filled, dagster_instance):
    for _ in range(2):
        filled.run(FIRST)
    filled.change(retention={"runs_days": 1, "reports_days": None})
    today = dt.datetime.now(dt.UTC).date()
    runs = {run.run_id for run in dagster_instance.get_runs()}
    assert find_old(None, filled.settings, dagster_instance, today).runs == []
    key = dg.AssetKey("enrollment_metrics")
    materialized = dagster_instance.get_materialized_partitions(key)
    later = (today + dt.timedelta(5)).isoformat()
    outcome = prune(filled, later)
    assert outcome.success
    left = {run.run_id for run in dagster_instance.get_runs()} - {outcome.run_id}
    assert len(runs - left) == 1
    assert dagster_instance.get_materialized_partitions(key) == materialized
    (gone,) = runs - left
    assert not list(filled.folder.glob(f"dagster_home/**/{gone}.db*"))


def shown(instance):
    """What Dagster's pages show of assets, partitions and checks, and of the newest run of each."""
    storage = instance.event_log_storage
    pages = {}
    for key in instance.all_asset_keys():
        ids = storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        records = (
            ids
            and instance.fetch_materializations(
                dg.AssetRecordsFilter(key, storage_ids=list(ids.values())), limit=1000
            ).records
        )
        planned = {
            partition: storage.get_latest_planned_materialization_info(key, partition).run_id
            for partition in ids
        }
        newest = instance.get_latest_materialization_event(key)
        pages[key] = (sorted(records, key=lambda r: r.storage_id), planned, newest)
    keys = build_defs().resolve_asset_graph().asset_check_keys
    for key in keys:
        newest = storage.get_latest_asset_check_execution_by_key([key]).get(key)
        pages[key] = (newest, storage.get_asset_check_execution_history(key, limit=1))
    return pages


def events(instance):
    with instance.event_log_storage.index_connection() as connection:
        return connection.exec_driver_sql(
            "SELECT count(*), (SELECT count(*) FROM asset_check_executions) FROM event_logs"
        ).fetchone()


def test_prune_keeps_what_dagsters_pages_show_and_makes_its_files_smaller(
    filled, dagster_instance, monkeypatch
):
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(filled.config))
    filled.run(FIRST, "2024-09-18")
    filled.change(retention={"runs_days": 1, "reports_days": None})
    kept = {run.run_id for run in dagster_instance.get_runs()}
    before, rows = shown(dagster_instance), events(dagster_instance)
    index = Path(dagster_instance.event_log_storage.path_for_shard("index"))
    with sqlite3.connect(index) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = index.stat().st_size
    today = dt.datetime.now(dt.UTC).date()
    later = today + dt.timedelta(5)
    found = find_old(None, filled.settings, dagster_instance, later)
    # Both runs are the newest of some days: the second of most of them.
    assert found.runs == []
    assert set(found.shown_runs) == kept
    assert found.logs == len(kept)
    assert found.long_events == 0
    outcome = prune(filled, later.isoformat())
    assert outcome.success
    assert shown(dagster_instance) == before
    left = events(dagster_instance)
    assert sum(rows) - sum(left) > found.events / 2
    assert left[1] < rows[1]
    assert index.stat().st_size < size
    assert {run.run_id for run in dagster_instance.get_runs()} == {*kept, outcome.run_id}
    logs = {path.stem for path in index.parent.glob("*.db")}
    assert logs == {"index", outcome.run_id}
    # Whatever is left is shown, and the page of a run without its log is an empty one.
    assert find_old(None, filled.settings, dagster_instance, later).events == 0
    assert dagster_instance.all_logs(kept.pop()) == []


def test_what_was_pruned_is_in_no_file_any_more(filled):
    name, folder = "Name 000", filled.settings.data_path

    def holding():
        files = [path for path in folder.rglob("*") if path.is_file()]
        return [path for path in files if name.encode() in path.read_bytes()]

    assert filled.settings.warehouse_path in holding()
    with filled.warehouse().connect() as connection:
        # Changes name people, too, and stay: this is about snapshots alone.
        connection.execute("DELETE FROM enrollment.student_changes")
    stored = filled.query("FROM enrollment.enrollment_metrics ORDER BY ALL")
    filled.change(retention={"snapshots_days": 5})
    assert prune(filled, "2030-01-01").success
    assert holding() == []
    assert filled.query("FROM enrollment.enrollment_metrics ORDER BY ALL") == stored
    assert filled.run(LAST).success


def test_prune_gives_the_space_of_old_snapshots_back(filled):
    filled.change(retention={"snapshots_days": 5})
    with Warehouse(filled.settings).connect() as connection:
        for table in ("waste", "after_it"):  # DuckDB gives back only what is at the end of the file
            connection.execute(
                f"CREATE TABLE operations.{table} AS SELECT hash(range) AS h FROM range(2000000)"
            )
            connection.execute("CHECKPOINT")
        connection.execute("DROP TABLE operations.waste")
    path = filled.settings.warehouse_path
    size, before = path.stat().st_size, tables(filled)
    assert prune(filled, LAST).success
    assert path.stat().st_size < size * 0.6
    assert path.with_suffix(".backup").stat().st_size < size * 0.6
    assert tables(filled) == before


@pytest.mark.parametrize(
    ("tick", "expected"),
    [
        ("2024-09-10T08:30-04:00", "2024-09-10"),
        ("2024-09-10T08:25-04:00", None),
        ("2024-09-10T08:35-04:00", None),
        ("2024-11-28T08:30-05:00", None),  # a closure
        ("2024-11-03T08:30-05:00", "2024-11-03"),  # the clock went back in the night
        ("2025-03-09T08:30-04:00", "2025-03-09"),  # and forward
    ],
)
def test_a_day_is_due_half_an_hour_after_its_tick(university, tick, expected):
    found = due(dt.datetime.fromisoformat(tick), university.settings)
    assert found == (day(expected) if expected else None)


def test_every_tick_of_a_day_has_one_moment_at_which_it_is_due(university):
    university.change(schedule={"cron": "7,41 6-8 * * 1-5"})
    settings = university.settings
    start = dt.datetime(2024, 9, 10, tzinfo=settings.zone)
    ticks = [start + dt.timedelta(minutes=5 * n) for n in range(24 * 12)]
    assert [str(tick.time()) for tick in ticks if due(tick, settings)] == [
        *("06:40:00", "07:15:00", "07:40:00", "08:15:00", "08:40:00", "09:15:00"),
    ]


def freshness(university, date):
    return execute(university.settings, FRESHNESS, tags=check_tags(day(date)))


def test_a_day_that_is_not_there_in_time_fails_its_check(university):
    university.write(FIRST, [student("A")])
    late = freshness(university, FIRST)
    assert [(check.name, check.is_error) for check in late.checks] == [("snapshot_on_time", True)]
    assert university.run(FIRST).success
    assert freshness(university, FIRST).checks == []
    assert not university.run("2024-08-27").success  # no file: the run fails
    assert len(freshness(university, "2024-08-27").checks) == 1


def evaluate(university, name, instance, cursor):
    repository = build_defs(settings=university.settings).get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
    return repository.get_sensor_def(name).evaluate_tick(context)


def test_the_daemon_restates_late_days_once_nobody_else_writes(university, dagster_instance):
    for number, date in enumerate(days(FIRST, "2024-08-28")):
        university.write(date, [student(str(n)) for n in range(3 + number)])
    for date in (FIRST, "2024-08-28", "2024-08-27"):
        assert university.run(date).success
    tick = evaluate(university, "late_data_sensor", dagster_instance, None)
    (request,) = tick.run_requests
    assert request.partition_key == "2024-08-28"
    assert {key.to_user_string() for key in request.asset_selection} == {
        *("student_changes", "enrollment_metrics", "segment_metrics"),
        *("weekly_enrollment_summary", "enrollment_totals", "metric_restatements"),
    }
    # the same range is not asked for again at once, even if its run failed
    again = evaluate(university, "late_data_sensor", dagster_instance, tick.cursor)
    assert "the next try is in 10 minutes" in again.skip_message
    asked = {**json.loads(tick.cursor), "at": 0}
    assert evaluate(
        university, "late_data_sensor", dagster_instance, json.dumps(asked)
    ).run_requests
    waiting = dagster_instance.create_run_for_job(
        build_defs(settings=university.settings).resolve_job_def(BACKFILL),
        status=dg.DagsterRunStatus.STARTING,
    )
    tick = evaluate(university, "late_data_sensor", dagster_instance, None)
    assert tick.skip_message == "Runs are not finished yet."
    dagster_instance.delete_run(waiting.run_id)
    assert execute(university.settings, RESTATE, day("2024-08-28"), day("2024-08-28")).success
    tick = evaluate(university, "late_data_sensor", dagster_instance, None)
    assert "All figures are current" in tick.skip_message


def test_a_backfill_writes_no_report_and_leaves_those_that_are_there(university):
    dates = days(FIRST, "2024-08-28")
    for number, date in enumerate(dates):
        university.write(date, [student(str(n)) for n in range(3 + number)])
    assert university.run(dates[0], job=DAILY).success
    pages = university.settings.data_path / "reports"
    page = pages / dates[0] / "report.html"
    before = page.stat().st_mtime_ns
    assert university.run(dates[0], dates[-1], job=BACKFILL).success
    assert [path.name for path in pages.glob("20*")] == [dates[0]]
    assert page.stat().st_mtime_ns == before


def test_both_instance_files_differ_in_nothing_but_the_storage():
    import yaml

    embedded, server = (
        yaml.safe_load((CHECKOUT / name).read_text())
        for name in ("dagster.yaml", "deploy/dagster.yaml")
    )
    assert embedded.pop("storage") != server.pop("storage")
    assert embedded == server


def test_the_prune_command_lists_first(filled, command):
    filled.change(retention={"snapshots_days": 5, "runs_days": None})

    def prune_command(*arguments):
        done = command("prune", *arguments)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    assert (
        "Would remove: snapshots of 2024FA: 24 days from 2024-08-26 to 2024-09-19; kept from 2024-09-20"
        in prune_command("--dry-run")
    )
    assert len(stored_days(filled)) == 26
    assert "Removing: snapshots of 2024FA: 24 days" in prune_command()
    assert len(stored_days(filled)) == 2
    assert "Nothing to prune" in prune_command()


def test_a_report_of_a_pruned_day_can_still_be_made(filled):
    filled.change(retention={"snapshots_days": 5})
    assert prune(filled, LAST).success
    assert execute_and_restate(filled.settings, DAILY, day("2024-09-01"), day("2024-09-01")).success
    folder = load_settings(filled.config).data_path / "reports" / "2024-09-01"
    assert (folder / "report.html").exists()


def test_a_rebuild_leaves_pruned_days_alone(filled):
    filled.change(retention={"snapshots_days": 5})
    assert prune(filled, LAST).success
    before = tables(filled)
    terms = filled.settings.model_dump(mode="json")["terms"]
    filled.change(terms=[{**terms[0], "registration_opens": "2024-08-30", "starts": "2024-08-30"}])
    assert rebuild(filled.settings, "2024FA", "ana").success
    now = tables(filled)
    assert now["student_changes"] == before["student_changes"]
    figures = "date, new_students, returning_students, gross_enrollment, total_enrollment"
    assert filled.query(f"SELECT {figures} FROM enrollment.enrollment_metrics ORDER BY 1") == [
        (row[0], row[5], row[6], row[13], row[4]) for row in before["enrollment_metrics"]
    ]


def test_the_census_of_a_term_that_is_not_configured_any_more_stays(filled):
    terms = filled.settings.model_dump(mode="json")["terms"]
    filled.change(retention={"snapshots_days": 5}, terms=[{**terms[1], "comparison": None}])
    assert prune(filled, LAST).success
    assert stored_days(filled) == days(FIRST, LAST)


def test_days_before_a_start_that_was_moved_later_are_left_alone(filled):
    terms = filled.settings.model_dump(mode="json")["terms"]
    filled.change(start_date="2024-09-10", terms=[{**terms[0], "starts": "2024-08-28"}, terms[1]])
    assert execute_and_restate(filled.settings, CORE, day(LAST), day(LAST)).success
