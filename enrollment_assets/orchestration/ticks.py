"""Whether the daemon's sensors and schedules work: what their own ticks say."""

import datetime as dt
from dataclasses import dataclass

import dagster as dg

from enrollment_assets.orchestration.dagster_internals import TickStatus

# Ticks that are searched for the first failed one in a row: half a day of a sensor's.
_RECENT = 1_500


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
    found = []
    for state in instance.all_instigator_state():
        ticks = [
            tick
            for tick in instance.get_ticks(
                state.instigator_origin_id, state.selector_id, limit=_RECENT
            )
            if tick.status != TickStatus.STARTED
        ]
        failed = []
        for tick in ticks:
            if tick.status != TickStatus.FAILURE:
                break
            failed.append(tick)
        if failed:
            since = dt.datetime.fromtimestamp(failed[-1].timestamp, dt.UTC)
            reason = failed[0].error.message.strip() if failed[0].error else "no reason was given"
            kind, _, message = reason.partition(": ")
            is_ours = kind.startswith("enrollment_assets.errors.")
            found.append(FailingTicks(state.instigator_name, since, message if is_ours else reason))
    return sorted(found, key=lambda ticks: ticks.name)
