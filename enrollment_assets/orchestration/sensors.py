"""What the daemon does by itself between the schedule's ticks."""

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.config.source import FilesKeys
from enrollment_assets.errors import (
    SnapshotMissingError,
    SourceUnavailableError,
    WarehouseBusyError,
)
from enrollment_assets.orchestration.dagster_internals import backfill
from enrollment_assets.orchestration.history import (
    backfill_facts,
    backfill_link,
    backfills_of_late,
    backfills_under_way,
    run_facts,
    run_link,
)
from enrollment_assets.orchestration.landing import Seen, find_landed
from enrollment_assets.orchestration.runs import UNFINISHED, close_dead_runs
from enrollment_assets.orchestration.schedules import late_tags
from enrollment_assets.pipeline.days import last_read, stale_ranges
from enrollment_assets.pipeline.names import (
    BACKFILL,
    BACKFILL_TAG,
    CLOSED_TAG,
    DAILY,
    INSIGHT,
    PART_TAG,
    PARTS,
    RESTATE,
    WILL_RETRY_TAG,
)
from enrollment_assets.pipeline.partitions import range_tags
from enrollment_assets.publishing.alerts.delivery import deliver, record_deliveries
from enrollment_assets.publishing.alerts.news import (
    News,
    news_of_backfill,
    news_of_run,
    restarted,
    unreported,
)
from enrollment_assets.sources.configured import source_for

if TYPE_CHECKING:
    from enrollment_assets.sources.files import FilesSource

# A failed restatement is tried again, but not at every tick.
_RETRY_SECONDS = 600
_MOST_RUNS = 50
_RUN_ENDS = (
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.RUN_SUCCESS,
)
_BACKFILLS = "backfills"  # in the cursor: backfills that have not ended


def build_sensors(
    settings: Settings, jobs: dict[str, Any], assets: Sequence[dg.AssetsDefinition]
) -> list[dg.SensorDefinition]:
    """Late data, alerts, and files that land where days come as files; all on from the first start."""
    sensors = [
        _late_data_sensor(settings, jobs[BACKFILL], assets),
        _alerts_sensor(settings),
    ]
    # Of memberships each extract holds every day, and none is the day's own.
    if isinstance(settings.source, FilesKeys) and not settings.source.dated:
        sensors.append(_landing_sensor(settings, jobs[DAILY]))
    return sensors


def _landing_sensor(settings: Settings, job: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name="landing_sensor",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Processes a day when its file arrives or is replaced; once per content.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        current = settings.renewed()
        source = cast("FilesSource", source_for(current))
        before = (
            {dt.date.fromisoformat(day): Seen(**seen) for day, seen in cursor.items()}
            if (cursor := json.loads(context.cursor or "null")) is not None
            else None
        )
        now = dt.datetime.now(settings.zone)
        try:
            landed = find_landed(
                current,
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


def _late_data_sensor(
    settings: Settings, job: Any, assets: Sequence[dg.AssetsDefinition]
) -> dg.SensorDefinition:
    parts = {
        part: [
            key
            for asset in assets
            for key, group in asset.group_names_by_key.items()
            if group in PARTS[part]
        ]
        for part in (RESTATE, INSIGHT)
    }

    @dg.sensor(
        name="late_data_sensor",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Restates days that depend on a late, corrected or rejected day or on a changed "
        "formula; closes runs whose process died.",
    )
    def late_data_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        close_dead_runs(context.instance)
        try:
            work = _range_to_restate(context.instance, settings)
        except WarehouseBusyError as error:
            return dg.SkipReason(str(error))
        if isinstance(work, str):
            return dg.SkipReason(work)
        part, first, last = work
        asked = f"{part} {first} to {last}"
        before = json.loads(context.cursor) if context.cursor else {}
        if before.get("asked") == asked and time.time() - before["at"] < _RETRY_SECONDS:
            return dg.SkipReason(
                f"{asked} is still stale after a run; the next try is in 10 minutes."
            )
        request = dg.RunRequest(
            asset_selection=parts[part],
            partition_key=first.isoformat() if first == last else None,
            tags={PART_TAG: part, **({} if first == last else range_tags(first, last))},
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
        description="Sends alerts about failures, failed checks, anomalies and restatements to "
        "alerts.urls, each once. A tick that cannot deliver fails, and the next one tries again.",
    )
    def alerts_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen, news = _collect(context.instance, settings, json.loads(context.cursor or "{}"))
        # An error here leaves the cursor unchanged: the same news are sent at the next tick.
        deliver(settings, news)
        if not context.instance.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))):
            record_deliveries(settings)
        return dg.SensorResult(cursor=json.dumps(seen))

    return alerts_sensor


def _collect(
    instance: dg.DagsterInstance, settings: Settings, cursor: Mapping[str, Any]
) -> tuple[dict[str, Any], list[News]]:
    """The new cursor and the news since the old one; what was before the first tick is history.

    A backfill may end before a slow machine gets to its first tick, and is no history.
    """
    seen = dict(cursor)
    news: list[News] = []
    known = seen[_BACKFILLS] if _BACKFILLS in seen else backfills_of_late(instance)
    backfills = {*known, *backfills_under_way(instance)}
    for kind in _RUN_ENDS:
        if kind.value not in seen:
            seen[kind.value] = instance.fetch_run_status_changes(kind, limit=1).cursor
            continue
        changes = instance.fetch_run_status_changes(
            kind, limit=_MOST_RUNS, cursor=seen[kind.value], ascending=True
        )
        if changes.records:
            seen[kind.value] = changes.cursor
        for record in changes.records:
            run = instance.get_run_by_id(record.run_id)
            if run is None:
                continue
            if BACKFILL_TAG in run.tags:
                backfills.add(run.tags[BACKFILL_TAG])
                continue
            # A run that is retried makes news when its last try has ended; a killed one at once, too.
            if run.tags.get(WILL_RETRY_TAG) == "true" and CLOSED_TAG not in run.tags:
                continue
            news += _of_run(instance, run, settings)
    backfills = {name for name in backfills if instance.get_backfill(name)}
    ended = {
        name: pieces
        for name in sorted(backfills)
        if (pieces := _of_backfill(instance, name, settings))
    }
    news += [piece for pieces in ended.values() for piece in pieces]
    seen[_BACKFILLS] = sorted(backfills - ended.keys())
    return seen, news


def _of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings) -> list[News]:
    """The news of a run."""

    def read() -> list[News]:
        facts = run_facts(instance, run, settings)
        if run.tags.get(WILL_RETRY_TAG) == "true":
            return [restarted(facts)]
        return news_of_run(facts)

    return _or_its_fault(f"run {run.run_id}", run_link(settings, run.run_id), read)


def _of_backfill(instance: dg.DagsterInstance, name: str, settings: Settings) -> list[News]:
    """The news of a backfill; none while it is running."""

    def read() -> list[News]:
        facts = backfill_facts(instance, name, settings)
        return [news_of_backfill(facts)] if facts else []

    return _or_its_fault(f"backfill {name}", backfill_link(settings, name), read)


def _or_its_fault(what: str, link: str, read: Callable[[], list[News]]) -> list[News]:
    """What was read; or that it cannot be read, which stops no other news.

    Raises:
        SQLAlchemyError: if Dagster's own database is out of reach: the next tick tries again.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return read()
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever Dagster stored, the channel goes on
        return [unreported(what, f"{type(error).__name__} while reading its events", link)]


def _range_to_restate(
    instance: dg.DagsterInstance, settings: Settings
) -> tuple[str, dt.date, dt.date] | str:
    """What to restate, part and range, or why there is nothing to do now."""
    # While runs write, the set of stale days still changes, and they hold the file.
    if instance.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))):
        return "Runs are not finished yet."
    requested = backfill.BulkActionsFilter(statuses=[backfill.BulkActionStatus.REQUESTED])
    if instance.get_backfills(filters=requested):
        return "A backfill is not finished yet."
    for part in (RESTATE, INSIGHT):
        ranges = stale_ranges(settings, patience=0, insight=part == INSIGHT)
        if ranges:
            return part, *ranges[0]
    return "All figures are current."
