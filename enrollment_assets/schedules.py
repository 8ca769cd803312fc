"""The daily schedule. The date is the tick's, never the wall clock's."""

import datetime as dt
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings

NOTIFY_TAG = "enrollment/notify"


def decide(tick: dt.datetime, settings: Settings) -> dt.date | str:
    """The day to run at this tick, or in words why there is none."""
    date = tick.astimezone(settings.zone).date()
    return settings.why_no_snapshot(date) or date


def build_schedules(settings: Settings, daily_job: Any) -> list[dg.ScheduleDefinition]:
    """`daily_enrollment_schedule`, on from the first start."""

    @dg.schedule(
        name="daily_enrollment_schedule",
        job=daily_job,
        cron_schedule=settings.schedule.cron,
        execution_timezone=settings.institution.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Runs today's partition; closures, and weekends if set so, are skipped.",
    )
    def daily_enrollment_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        decision = decide(context.scheduled_execution_time, settings)
        if isinstance(decision, str):
            return dg.SkipReason(f"No snapshot is expected: {decision}.")
        return dg.RunRequest(partition_key=decision.isoformat(), tags={NOTIFY_TAG: "email"})

    return [daily_enrollment_schedule]
