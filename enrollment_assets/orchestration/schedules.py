"""The schedules. The date is the tick's, never the wall clock's."""

import datetime as dt
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.orchestration.dagster_internals import reverse_cron_string_iterator
from enrollment_assets.pipeline.names import DAILY, FRESHNESS, NOTIFY_TAG, PARTITION_TAG, PRUNE

# How long after its tick the day's snapshot may be loaded before it counts as late.
FRESHNESS_DELAY = dt.timedelta(minutes=30)
_FRESHNESS_STEP = dt.timedelta(minutes=5)


def decide(tick: dt.datetime, settings: Settings) -> dt.date | str:
    """The day to run at this tick, or the reason why there is none."""
    date = tick.astimezone(settings.zone).date()
    return settings.why_no_snapshot(date) or date


def late_tags(day: dt.date, now: dt.datetime, settings: Settings) -> dict[str, str]:
    """The tags of a run for a file that came after the day's tick: it replaces the tick's run.

    Before the tick there is nothing to replace: the tick itself will mail the recipients.
    """
    tick = next(
        reverse_cron_string_iterator(
            now.timestamp(), settings.schedule.cron, settings.institution.timezone
        )
    )
    is_late = day == now.date() and decide(tick, settings) == day
    return {NOTIFY_TAG: "email"} if is_late else {}


def due(tick: dt.datetime, settings: Settings) -> dt.date | None:
    """The day whose snapshot must be there by this tick, if one has just become due.

    Holds at one tick of every five minutes: the first at which `FRESHNESS_DELAY` is over.
    """
    before = tick - FRESHNESS_DELAY
    daily = next(
        reverse_cron_string_iterator(
            before.timestamp(), settings.schedule.cron, settings.institution.timezone
        )
    )
    if not before - _FRESHNESS_STEP < daily <= before:
        return None
    decision = decide(daily, settings)
    return decision if isinstance(decision, dt.date) else None


def is_due(now: dt.datetime, settings: Settings) -> bool:
    """Whether today's snapshot should be there by now: `FRESHNESS_DELAY` after its tick."""
    before = now - FRESHNESS_DELAY
    tick = next(
        reverse_cron_string_iterator(
            before.timestamp(), settings.schedule.cron, settings.institution.timezone
        )
    )
    today = now.astimezone(settings.zone).date()
    return decide(tick, settings) == today


def check_tags(day: dt.date) -> dict[str, str]:
    """The partition of a run that has only checks: such a job accepts no partition key."""
    return {PARTITION_TAG: day.isoformat()}


def build_schedules(settings: Settings, jobs: dict[str, Any]) -> list[dg.ScheduleDefinition]:
    """The daily run, the check that it came in time, and the monthly removal of old data."""
    zone = settings.institution.timezone
    running = dg.DefaultScheduleStatus.RUNNING

    @dg.schedule(
        name="daily_enrollment_schedule",
        job=jobs[DAILY],
        cron_schedule=settings.schedule.cron,
        execution_timezone=zone,
        default_status=running,
        description="Processes today; skips closures, and weekends if schedule.skip_weekends is set.",
    )
    def daily_enrollment_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        decision = decide(context.scheduled_execution_time, settings.renewed())
        if isinstance(decision, str):
            return dg.SkipReason(f"No snapshot is expected today: {decision}.")
        return dg.RunRequest(partition_key=decision.isoformat(), tags={NOTIFY_TAG: "email"})

    @dg.schedule(
        name="freshness_schedule",
        job=jobs[FRESHNESS],
        cron_schedule="*/5 * * * *",
        execution_timezone=zone,
        default_status=running,
        description="Half an hour after the daily tick, checks that the day's snapshot was loaded.",
    )
    def freshness_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        day = due(context.scheduled_execution_time, settings.renewed())
        if day is None:
            return dg.SkipReason("No snapshot is due at this tick.")
        return dg.RunRequest(tags=check_tags(day))

    @dg.schedule(
        name="monthly_prune_schedule",
        job=jobs[PRUNE],
        cron_schedule="0 3 1 * *",
        execution_timezone=zone,
        default_status=running,
        description="Removes data older than the periods under `retention`.",
    )
    def monthly_prune_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.astimezone(settings.zone).date()
        return dg.RunRequest(run_config={"ops": {"prune": {"config": {"as_of": day.isoformat()}}}})

    return [daily_enrollment_schedule, freshness_schedule, monthly_prune_schedule]
