"""What Dagster shows of each day: green where all of it is there, with its figures; else why not."""

import dagster as dg
import pytest

from enrollment_assets.cli.running import decide
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.pipeline.names import BACKFILL, DAILY, REPORTS
from enrollment_assets_tests.conftest import day, student

MISSING, CLOSED, REJECTED, HELD = "2024-08-29", "2024-09-02", "2024-09-03", "2024-09-04"
FIRST, LAST = "2024-08-28", "2024-09-05"
GOOD = {FIRST, "2024-08-30", LAST}
REPORT_ASSETS = {"enrollment_charts", "enrollment_report", "report_email"}
SPRING_OPENS = "2024-11-01"


def people(count, start=0, **others):
    return [student(f"{start + n:04d}", **others) for n in range(count)]


def week_with_bad_days(university):
    university.change(calendar={"closures": [CLOSED]})
    for date in sorted({*GOOD, REJECTED, HELD}):
        count = {REJECTED: 30, HELD: 160}.get(date, 200)
        university.write(date, people(count))
    university.change(schedule={"skip_weekends": True})
    assert university.run(FIRST, LAST, job=BACKFILL).success


@pytest.fixture
def week(filled_by):
    return filled_by(week_with_bad_days)


def names_of_daily_assets(university):
    graph = build_defs(settings=university.settings).resolve_asset_graph()
    return {
        key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).partitions_def
    }


def green(instance, name):
    return set(instance.get_materialized_partitions(dg.AssetKey(name)))


def metadata(instance, name):
    """Of each partition: what its newest materialization says."""
    records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
    return {
        record.partition_key: {
            key: value.value for key, value in record.asset_materialization.metadata.items()
        }
        for record in reversed(records)
    }


def test_only_complete_days_are_green_and_closed_days_are_complete(week, dagster_instance):
    closed = {CLOSED, "2024-08-31", "2024-09-01"}
    for name in names_of_daily_assets(week) - REPORT_ASSETS:
        assert green(dagster_instance, name) == GOOD | closed, name
    for name in REPORT_ASSETS:
        assert green(dagster_instance, name) == set(), name


def test_other_days_say_why_they_are_not(week, dagster_instance):
    records = dagster_instance.fetch_observations(
        dg.AssetKey("enrollment_snapshots"), limit=100
    ).records
    said = {
        record.partition_key: {
            key: value.value for key, value in record.asset_observation.metadata.items()
        }
        for record in records
    }
    assert {date: about["status"] for date, about in said.items()} == {
        MISSING: "missing",
        REJECTED: "rejected",
        HELD: "held",
    }
    assert "30 students, 15.0% of the 200" in said[REJECTED]["reason"]
    assert "40 of the 200 students" in said[HELD]["reason"]


def test_a_day_becomes_green_once_it_is_loaded_or_accepted(week, dagster_instance):
    week.write(MISSING, people(200))
    assert week.run(MISSING).success
    assert decide(week.settings, day(HELD), DecisionKind.accept, None, "planned", "ana").success
    for name in ("enrollment_snapshots", "snapshot_log", "enrollment_metrics"):
        assert green(dagster_instance, name) >= {MISSING, HELD}, name
        assert REJECTED not in green(dagster_instance, name)


def test_a_day_with_one_term_refused_has_figures_but_is_not_complete(week, dagster_instance):
    second = "2024-11-04"
    spring = people(100, start=5_000, term="2025SP")
    week.write(SPRING_OPENS, [*people(200), *spring])
    week.write(second, [*people(200), *spring[:20]])
    assert week.run(SPRING_OPENS, second).success
    assert {SPRING_OPENS} == green(dagster_instance, "enrollment_snapshots") & {
        SPRING_OPENS,
        second,
    }
    assert second in green(dagster_instance, "enrollment_metrics")


def test_each_partition_carries_its_figures_and_no_query(week, dagster_instance):
    metrics = metadata(dagster_instance, "enrollment_metrics")
    assert metrics[LAST]["total_enrollment_2024FA"] == 200
    assert metrics[LAST]["net_change_2024FA"] == 0
    assert metrics[CLOSED] == {"dagster/partition_row_count": 0}
    snapshots = metadata(dagster_instance, "enrollment_snapshots")
    assert snapshots[LAST]["students_2024FA"] == 200
    for name in names_of_daily_assets(week):
        for about in metadata(dagster_instance, name).values():
            assert not {"Query", "dagster/table_name"} & about.keys()


def test_reports_are_green_where_a_page_was_written_and_link_to_it(week, dagster_instance):
    assert week.run(FIRST, LAST, job=REPORTS).success
    for name in ("enrollment_charts", "enrollment_report"):
        assert green(dagster_instance, name) == GOOD
    links = {date: about["report"] for date, about in metadata(dagster_instance, name).items()}
    page = week.settings.data_path / "reports" / LAST / "report.html"
    assert links[LAST] == page.resolve().as_uri()


def test_a_range_without_any_page_makes_nothing_green(week, dagster_instance):
    assert week.run(REJECTED, HELD, job=REPORTS).success
    for name in ("enrollment_charts", "enrollment_report"):
        assert green(dagster_instance, name) == set()


def test_a_morning_is_green_in_all_its_assets_and_says_why_it_mailed_nothing(
    week, dagster_instance
):
    assert week.run(LAST, job=DAILY).success
    for name in names_of_daily_assets(week):
        assert LAST in green(dagster_instance, name), name
    (mail,) = metadata(dagster_instance, "report_email").values()
    assert "the run was not asked to" in mail["not_mailed"]


def test_a_refused_morning_leaves_its_day_open(week, dagster_instance):
    assert not week.run(HELD, job=DAILY).success
    for name in names_of_daily_assets(week):
        assert HELD not in green(dagster_instance, name)


def test_each_check_stands_on_its_day_once(week, dagster_instance):
    key = dg.AssetCheckKey(dg.AssetKey("enrollment_snapshots"), "snapshot_present")
    records = dagster_instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    days = [record.partition for record in records if record.partition]
    assert sorted(days) == sorted(set(days))
    assert {MISSING, REJECTED, HELD} | GOOD <= set(days)
