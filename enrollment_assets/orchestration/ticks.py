"""Whether the daemon's sensors and schedules work: what their own ticks say."""

import datetime as dt
import time
from dataclasses import dataclass
from itertools import takewhile

import dagster as dg

from enrollment_assets.orchestration.dagster_internals import (
    InstigatorState,
    InstigatorTick,
    TickStatus,
)

# Ticks that are searched for the first failed one in a row, half a day of a sensor's; and those among
# which the newest that has ended is.
_RECENT, _FEW = 1_500, 3
_FORGOTTEN_SECONDS = 7 * 24 * 3600
# A daemon says every 30 seconds that it is there.
_SILENT_SECONDS = 300


@dataclass(frozen=True)
class FailingTicks:
    """A sensor or schedule whose newest tick failed: since when, and why."""

    name: str
    since: dt.datetime
    reason: str

    def __str__(self) -> str:
        since = self.since.astimezone().strftime("%Y-%m-%d %H:%M")
        return f"{self.name} has failed since {since}: {self.reason}"


def failing_ticks(instance: dg.DagsterInstance) -> list[FailingTicks]:
    """The sensors and schedules that fail now, in order of their names."""
    return sorted(
        (ticks for state in instance.all_instigator_state() if (ticks := _of(instance, state))),
        key=lambda ticks: ticks.name,
    )


def silent_since(instance: dg.DagsterInstance) -> dt.datetime | None:
    """When the daemon was last there, if it is not now and was within a week; else None.

    Who leaves the mornings to cron has no daemon, and none is missed.
    """
    seen = [heartbeat.timestamp for heartbeat in instance.get_daemon_heartbeats().values()]
    silent = time.time() - max(seen, default=0.0)
    if not _SILENT_SECONDS < silent < _FORGOTTEN_SECONDS:
        return None
    return dt.datetime.fromtimestamp(max(seen), dt.UTC)


def in_words(silent: dt.datetime) -> str:
    """What a daemon that is not there means."""
    since = silent.astimezone().strftime("%Y-%m-%d %H:%M")
    return (
        f"Dagster's daemon has not run since {since}: the schedule, alerts and files that arrive wait "
        "for it. Mornings that cron runs need none."
    )


def _of(instance: dg.DagsterInstance, state: InstigatorState) -> FailingTicks | None:
    def ended(most: int) -> list[InstigatorTick]:
        newest = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=most)
        return [tick for tick in newest if tick.status != TickStatus.STARTED]

    # One that has not ticked for days is switched off, or of a configuration that is gone.
    newest = ended(_FEW)[:1]
    if not newest or newest[0].timestamp < time.time() - _FORGOTTEN_SECONDS:
        return None
    if newest[0].status != TickStatus.FAILURE:
        return None
    failed = list(takewhile(lambda tick: tick.status == TickStatus.FAILURE, ended(_RECENT)))
    reason = failed[0].error.message.strip() if failed[0].error else "no reason was given"
    kind, _, message = reason.partition(": ")
    is_ours = kind.startswith("enrollment_assets.errors.")
    since = dt.datetime.fromtimestamp(failed[-1].timestamp, dt.UTC)
    return FailingTicks(state.instigator_name, since, message if is_ours else reason)
