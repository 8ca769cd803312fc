"""What the daemon does by itself between the schedule's ticks."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.tags import BACKFILL_ID_TAG, WILL_RETRY_TAG

from enrollment_assets.alerts import addresses, deliver
from enrollment_assets.config import Settings
from enrollment_assets.config_source import FilesKeys
from enrollment_assets.errors import (
    SnapshotMissingError,
    SourceUnavailableError,
    WarehouseBusyError,
)
from enrollment_assets.execution import failures, range_tags
from enrollment_assets.jobs import DAILY, INSIGHT, RESTATE
from enrollment_assets.landing import Seen, look
from enrollment_assets.locking import UNFINISHED, close_dead_runs
from enrollment_assets.operations import last_read, stale_ranges
from enrollment_assets.schedules import late_tags
from enrollment_assets.sources.files import FilesSource

# A restatement that failed is tried again, but not at every tick.
_RETRY_SECONDS = 600
_MOST_RUNS = 50
_HEARD_OF = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS)


def build_sensors(settings: Settings, jobs: dict[str, Any]) -> list[dg.SensorDefinition]:
    """Late data, alerts, and files that land where days come as files; all on from the first start."""
    sensors = [
        _late_data_sensor(settings, [jobs[RESTATE], jobs[INSIGHT]]),
        _alerts_sensor(settings),
    ]
    if isinstance(settings.source, FilesKeys):
        sensors.append(_landing_sensor(settings, settings.source, jobs[DAILY]))
    return sensors


def _landing_sensor(settings: Settings, keys: FilesKeys, job: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name="landing_sensor",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a day's run when its file has arrived or was replaced; once per content.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        source = FilesSource(settings, keys)
        before = (
            {dt.date.fromisoformat(day): Seen(**seen) for day, seen in cursor.items()}
            if (cursor := json.loads(context.cursor or "null")) is not None
            else None
        )
        now = dt.datetime.now(settings.zone)
        try:
            landed = look(
                settings,
                now.date(),
                source.arrivals(),
                before,
                is_whole=source.is_whole,
                content_of=source.content_of,
                last_read=lambda day: last_read(settings, day),
            )
        except (SourceUnavailableError, SnapshotMissingError, WarehouseBusyError) as error:
            return dg.SkipReason(str(error))
        requests = [
            dg.RunRequest(
                run_key=f"{day} {landed.seen[day].mark} {content}",
                partition_key=day.isoformat(),
                tags=late_tags(day, now, settings),
            )
            for day, content in landed.contents.items()
        ]
        cursor = {str(day): asdict(seen) for day, seen in landed.seen.items()}
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(cursor))

    return landing_sensor


def _late_data_sensor(settings: Settings, jobs: list[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="late_data_sensor",
        jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Computes again what depends on a late, corrected or thrown out day; closes runs "
        "whose process is gone.",
    )
    def late_data_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        close_dead_runs(context.instance)
        try:
            found = _range_to_restate(context.instance, settings)
        except WarehouseBusyError as error:
            return dg.SkipReason(str(error))
        if isinstance(found, str):
            return dg.SkipReason(found)
        job, first, last = found
        asked = f"{job} {first} to {last}"
        before = json.loads(context.cursor) if context.cursor else {}
        if before.get("asked") == asked and time.time() - before["at"] < _RETRY_SECONDS:
            return dg.SkipReason(f"{asked} is still stale after a run; trying again later.")
        request = (
            dg.RunRequest(job_name=job, partition_key=first.isoformat())
            if first == last
            else dg.RunRequest(job_name=job, tags=range_tags(first, last))
        )
        return dg.SensorResult(
            run_requests=[request], cursor=json.dumps({"asked": asked, "at": time.time()})
        )

    return late_data_sensor


def _alerts_sensor(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="alerts_sensor",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells alerts.urls of failed runs and failed checks; tries until it is delivered.",
    )
    def alerts_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = context.instance
        if not context.cursor:  # history is no news
            newest = {kind: instance.fetch_run_status_changes(kind, limit=1) for kind in _HEARD_OF}
            seen = {kind.value: page.cursor for kind, page in newest.items() if page.records}
            return dg.SensorResult(cursor=json.dumps(seen))
        seen = json.loads(context.cursor)
        lines: list[str] = []
        for kind in _HEARD_OF:
            changes = instance.fetch_run_status_changes(
                kind, limit=_MOST_RUNS, cursor=seen.get(kind.value), ascending=True
            )
            if changes.records:
                seen[kind.value] = changes.cursor
            for record in changes.records:
                lines += _news(instance, record.run_id)
        if lines and addresses(settings):
            # An error here leaves the cursor where it was: the same news go out at the next tick.
            deliver(settings, f"{len(lines)} alerts" if len(lines) > 1 else "alert", lines)
        return dg.SensorResult(cursor=json.dumps(seen))

    return alerts_sensor


def _range_to_restate(
    instance: dg.DagsterInstance, settings: Settings
) -> tuple[str, dt.date, dt.date] | str:
    """What to compute again, job and range, or why there is nothing to do now."""
    # While others write, the stale days are still changing, and the file is theirs.
    if instance.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))):
        return "Runs are not finished yet."
    requested = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    if instance.get_backfills(filters=requested):
        return "A backfill is not finished yet."
    for job in (RESTATE, INSIGHT):
        ranges = stale_ranges(settings, patience=0, insight=job == INSIGHT)
        if ranges:
            return job, *ranges[0]
    return "All figures follow from the snapshots that stand."


def _news(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    """What a run that ended has to tell: why it failed, and which checks found an error."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.tags.get(WILL_RETRY_TAG) == "true":
        return
    day = run.tags.get("dagster/partition") or " to ".join(
        run.tags[tag] for tag in range_tags("", "") if tag in run.tags
    )
    if run.status == dg.DagsterRunStatus.FAILURE:
        events = [entry.dagster_event for entry in instance.all_logs(run_id)]
        words = "; ".join(failures(event for event in events if event))
        yield f"{run.job_name} {day} failed: {words} (run {run_id})".replace("  ", " ")
    if BACKFILL_ID_TAG in run.tags:
        return
    evaluations = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    for record in evaluations:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        found = event.asset_check_evaluation_data
        if not found.passed and found.severity == dg.AssetCheckSeverity.ERROR:
            asset = found.asset_key.to_user_string()
            yield f"{found.check_name} failed on {asset} {found.partition or day}"
