"""One partition a day, in the institution's timezone.

No exclusions: closures are skipped by the schedule, since Dagster launches future partitions where
a definition has exclusions.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from `start_date` to today: at 08:00 the newest partition is today's."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(),
        timezone=settings.institution.timezone,
        end_offset=1,
    )


def days_of(context: Any) -> Sequence[dt.date]:
    """The days that a run of a partitioned asset or check is about, in order."""
    return [dt.date.fromisoformat(key) for key in context.partition_keys]
