"""The wiring: what is there under which name, and what importing it costs."""

import datetime as dt
import json
import subprocess
import sys

import dagster as dg
import pytest

from enrollment_assets.config import load_settings
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.pipeline.names import NOTIFY_TAG
from enrollment_assets_tests.conftest import CHECKOUT

GROUPS = {"ingest", "changes", "metrics", "insight", "custom", "reports", "exports"}
# Views and ledgers over all days.
WITHOUT_DAYS = {
    *(
        "weekly_enrollment_summary",
        "enrollment_totals",
        "monthly_enrollment_summary",
        "enrollment_trend",
    ),
    *("metric_restatements", "term_persistence", "deposit_melt", "term_survival"),
    *("dim_date", "dim_segment", "dim_term", "fact_anomaly", "fact_enrollment_daily"),
    *("fact_total_daily", "enrollment_totals"),
    *("fact_forecast", "fact_segment_daily"),
}


@pytest.fixture(scope="module")
def settings():
    return load_settings(CHECKOUT / "enrollment.yaml")


@pytest.fixture(scope="module")
def definitions(settings):
    return build_defs(settings=settings)


def test_assets_checks_jobs_and_schedules_are_these(definitions):
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    assert {
        "assets": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
        "checks": sorted(
            f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys
        ),
        "jobs": sorted(
            job.name for job in repository.get_all_jobs() if not job.name.startswith("__")
        ),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    } == {
        "assets": [
            "deposit_melt",
            "dim_date",
            "dim_segment",
            "dim_term",
            "enrollment_anomalies",
            "enrollment_charts",
            "enrollment_forecast",
            "enrollment_metrics",
            "enrollment_report",
            "enrollment_snapshots",
            "enrollment_totals",
            "enrollment_trend",
            "fact_anomaly",
            "fact_enrollment_daily",
            "fact_forecast",
            "fact_segment_daily",
            "fact_total_daily",
            "forecast_scorecard",
            "headcount_by_program",
            "metric_restatements",
            "monthly_enrollment_summary",
            "point_in_time",
            "programs_at_risk",
            "report_email",
            "segment_disclosure",
            "segment_metrics",
            "segment_point_in_time",
            "snapshot_log",
            "student_changes",
            "term_persistence",
            "term_survival",
            "weekly_enrollment_summary",
        ],
        "checks": [
            "enrollment_anomalies: no_anomalies",
            "enrollment_metrics: baseline_is_current",
            "enrollment_snapshots: duplicate_student_ids",
            "enrollment_snapshots: enrollment_count_validation",
            "enrollment_snapshots: invalid_data_formats",
            "enrollment_snapshots: missing_required_fields",
            "enrollment_snapshots: snapshot_differs",
            "enrollment_snapshots: snapshot_not_in_doubt",
            "enrollment_snapshots: snapshot_on_time",
            "enrollment_snapshots: snapshot_present",
            "enrollment_snapshots: spells_are_canonical",
            "forecast_scorecard: forecast_beats_naive",
            "forecast_scorecard: interval_coverage",
            "headcount_by_program: headcount_by_program_key_is_unique",
            "headcount_by_program: share_in_range",
            "programs_at_risk: programs_at_risk_key_is_unique",
            "programs_at_risk: risk_is_told",
            "student_changes: changes_reconcile",
            "term_persistence: census_as_frozen",
        ],
        "jobs": [
            "backfill_job",
            "daily_enrollment_job",
            "freshness_job",
            "prune_job",
            "reports_job",
        ],
        "schedules": [
            "daily_enrollment_schedule",
            "freshness_schedule",
            "monthly_prune_schedule",
        ],
        "sensors": ["alerts_sensor", "landing_sensor", "late_data_sensor"],
    }


def test_every_asset_carries_what_a_reader_of_the_ui_needs(definitions):
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = key.to_user_string()
        assert node.group_name in GROUPS, name
        assert node.owners, name
        assert node.description, name
        assert node.kinds, name
        assert node.tags.get("domain") == "enrollment", name
        assert "dagster/code_references" in node.metadata, name
        if node.group_name != "reports":
            columns = node.metadata["dagster/column_schema"].columns
            assert all(column.description for column in columns), name
        if name not in WITHOUT_DAYS:
            assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition), name
            assert node.backfill_policy == dg.BackfillPolicy.single_run(), name


def test_no_check_blocks(definitions):
    graph = definitions.resolve_asset_graph()
    assert not any(graph.get(key).blocking for key in graph.asset_check_keys)


def test_importing_the_definitions_loads_no_heavy_package():
    code = (
        "import sys, json, enrollment_assets.definitions; "
        "print(json.dumps([m for m in ('matplotlib', 'statsmodels', 'apprise', 'pandas') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )
    assert json.loads(done.stdout) == []


@pytest.mark.usefixtures("dagster_home")
def test_dagsters_own_commands_work_in_the_checkout(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


def tick(definitions, text):
    schedule = definitions.get_schedule_def("daily_enrollment_schedule")
    context = dg.build_schedule_context(
        scheduled_execution_time=dt.datetime.fromisoformat(text),
        repository_def=definitions.get_repository_def(),
    )
    found = schedule.evaluate_tick(context)
    return (found.run_requests or [None])[0] or found.skip_message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-09-10T08:00-04:00", "2025-09-10"),
        # across both changes of the clock it is 08:00 there, and that day's partition
        ("2025-11-02T08:00-05:00", "2025-11-02"),
        ("2026-03-08T08:00-04:00", "2026-03-08"),
        # the date is the institution's, wherever the daemon counts
        ("2025-09-10T12:00+00:00", "2025-09-10"),
    ],
)
def test_the_date_comes_from_the_tick(definitions, text, expected):
    request = tick(definitions, text)
    assert request.partition_key == expected
    assert request.tags[NOTIFY_TAG] == "email"


def test_todays_partition_exists_at_eight(settings):
    from enrollment_assets.pipeline.partitions import daily_partitions

    now = dt.datetime(2026, 3, 8, 8, 0, tzinfo=settings.zone)
    assert daily_partitions(settings).get_partition_keys(current_time=now)[-1] == "2026-03-08"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("2025-11-27T08:00-05:00", "is a closure"), ("2027-06-01T08:00-04:00", "no term is open")],
)
def test_a_day_without_a_snapshot_is_skipped_with_a_reason(definitions, text, reason):
    assert reason in tick(definitions, text)


def test_weekends_are_skipped_only_if_set(settings):
    saturday = "2025-09-13T08:00-04:00"
    assert tick(build_defs(settings=settings), saturday).partition_key == "2025-09-13"
    off = settings.model_copy(
        update={"schedule": settings.schedule.model_copy(update={"skip_weekends": True})}
    )
    assert "weekend" in tick(build_defs(settings=off), saturday)
