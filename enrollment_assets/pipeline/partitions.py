"""One partition a day, in the institution's timezone.

No exclusions: closures are skipped by the schedule, since Dagster launches future partitions where
a definition has exclusions.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.names import LENIENT_TAG, RANGE_END_TAG, RANGE_START_TAG


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from `start_date` to today: at 08:00 the newest partition is today's."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(),
        timezone=settings.institution.timezone,
        end_offset=1,
    )


def days_of(context: Any) -> Sequence[dt.date]:
    """The days of a run of a partitioned asset or check, in order."""
    return [dt.date.fromisoformat(key) for key in context.partition_keys]


def is_strict(context: Any) -> bool:
    """Whether a day that cannot be loaded fails the run: in runs of one day, except in backfills."""
    return len(context.partition_keys) == 1 and LENIENT_TAG not in context.run.tags


def range_tags(first: dt.date | str, last: dt.date | str) -> dict[str, str]:
    """The tags of a run over a range of days."""
    return {
        RANGE_START_TAG: str(first),
        RANGE_END_TAG: str(last),
    }
