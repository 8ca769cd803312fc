"""What Dagster remembers about runs and backfills that ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.orchestration.dagster_internals import backfill as backfills
from enrollment_assets.orchestration.runs import failures
from enrollment_assets.pipeline.names import (
    AUTO_RETRY_RUN_ID_TAG,
    BACKFILL_TAG,
    CLOSED_TAG,
    DAILY,
    INSIGHT,
    NOTIFY_TAG,
    PART_TAG,
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    RESTATE,
)
from enrollment_assets.publishing.alerts.news import BackfillFacts, CheckFacts, RunFacts

# How many materializations of an asset are searched for a run's own: the run has just ended.
_RECENT = 50
_MOST_FAILURES = 3
_MOST_CLOSED, _CLOSED_SINCE = 10, dt.timedelta(days=7)
_OF_LATE = dt.timedelta(hours=1)


def _is_under_way(status: backfills.BulkActionStatus) -> bool:
    return status in (
        backfills.BulkActionStatus.REQUESTED,
        backfills.BulkActionStatus.CANCELING,
        backfills.BulkActionStatus.FAILING,
    )


def run_link(settings: Settings, run_id: str) -> str:
    """The run's page in Dagster's interface."""
    return f"{settings.alerts.dagster_url.rstrip('/')}/runs/{run_id}"


def backfill_link(settings: Settings, backfill_id: str) -> str:
    """The backfill's page in Dagster's interface."""
    return f"{settings.alerts.dagster_url.rstrip('/')}/runs/b/{backfill_id}"


def run_facts(instance: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings) -> RunFacts:
    """What a run that ended left behind, as facts for alerts."""
    part = run.tags.get(PART_TAG)
    bounds = [run.tags[tag] for tag in (RANGE_START_TAG, RANGE_END_TAG) if tag in run.tags]
    restated = _metadata(instance, run, "metric_restatements")
    mail = _metadata(instance, run, "report_email")
    refused = str(mail.get("refused", "none"))
    failed = list(_events(instance, run.run_id, _FAILURES))
    return RunFacts(
        run_id=run.run_id,
        job=f"{run.job_name} ({part})" if part else run.job_name,
        days=run.tags.get(PARTITION_TAG) or " to ".join(bounds),
        status=_ENDS.get(run.status, "cancelled"),
        is_range=len(bounds) > 1,
        is_daily=part not in (RESTATE, INSIGHT) if bounds else run.job_name == DAILY,
        in_backfill=BACKFILL_TAG in run.tags,
        mails=settings.email.enabled
        and run.tags.get(NOTIFY_TAG) == "email"
        and not bounds
        and "mailed" not in mail,
        is_held=any(map(_is_held, failed)),
        link=run_link(settings, run.run_id),
        failures=tuple(failures(failed)),
        checks=tuple(_checks(instance, run.run_id)),
        restated_figures=int(restated.get("restated_figures") or 0),
        restated_days=str(restated.get("restated_days") or ""),
        refused="" if refused == "none" else refused,
    )


def backfills_under_way(instance: dg.DagsterInstance) -> list[str]:
    """The ids of backfills that have not ended."""
    filters = backfills.BulkActionsFilter(
        statuses=[status for status in backfills.BulkActionStatus if _is_under_way(status)]
    )
    return [backfill.backfill_id for backfill in instance.get_backfills(filters=filters)]


def backfills_of_late(instance: dg.DagsterInstance) -> list[str]:
    """The ids of backfills that were asked for within the last hour, whether they have ended or not."""
    filters = backfills.BulkActionsFilter(created_after=dt.datetime.now(dt.UTC) - _OF_LATE)
    return [backfill.backfill_id for backfill in instance.get_backfills(filters=filters)]


def backfill_facts(
    instance: dg.DagsterInstance, backfill_id: str, settings: Settings
) -> BackfillFacts | None:
    """How a backfill ended, or None while it is running or where Dagster no longer knows it.

    For Dagster a backfill of a job is completed once its runs are launched: they must have ended, too.
    One that is killed after that is not begun again, although its tags say so: Dagster looks at the
    backfill, which is completed.
    """
    backfill = instance.get_backfill(backfill_id)
    if backfill is None or _is_under_way(backfill.status):
        return None
    tries = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill_id}))
    if not all(run.is_finished for run in tries):
        return None
    # A failed run that was begun again counts as its last try.
    runs = [run for run in tries if AUTO_RETRY_RUN_ID_TAG not in run.tags]
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.status.value.lower()] = counts.get(run.status.value.lower(), 0) + 1
    failed = [run for run in runs if run.status == dg.DagsterRunStatus.FAILURE]
    why = [
        failure
        for run in failed[:_MOST_FAILURES]
        for failure in failures(_events(instance, run.run_id, _FAILURES))
    ]
    end = backfill.status.value.lower().removesuffix("_success")
    link = backfill_link(settings, backfill_id)
    return BackfillFacts(backfill_id, _span(backfill), end, counts, tuple(dict.fromkeys(why)), link)


def closed_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs of the last days whose process died, and which nobody has run again.

    Older ones are history: the ledger of alerts forgets in time that they were reported.
    """
    filters = dg.RunsFilter(
        tags={CLOSED_TAG: "true"},
        statuses=[dg.DagsterRunStatus.FAILURE],
        updated_after=dt.datetime.now(dt.UTC) - _CLOSED_SINCE,
    )
    runs = instance.get_runs(filters, limit=_MOST_CLOSED)
    return [run for run in runs if AUTO_RETRY_RUN_ID_TAG not in run.tags]


def _is_held(event: dg.DagsterEvent) -> bool:
    """Whether a step failed because its day is held."""
    if not event.is_step_failure:
        return False
    failure = event.step_failure_data.user_failure_data
    return bool(failure and "held" in failure.metadata)


_ENDS = {dg.DagsterRunStatus.SUCCESS: "success", dg.DagsterRunStatus.FAILURE: "failure"}
_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def _span(backfill: backfills.PartitionBackfill) -> str:
    names = sorted(backfill.partition_names or [])
    if not names:
        return "assets"
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _events(
    instance: dg.DagsterInstance, run_id: str, kinds: set[dg.DagsterEventType]
) -> Iterator[dg.DagsterEvent]:
    for record in instance.get_records_for_run(run_id, of_type=kinds).records:
        if (event := record.event_log_entry.dagster_event) is not None:
            yield event


def _checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[CheckFacts]:
    for event in _events(instance, run_id, {dg.DagsterEventType.ASSET_CHECK_EVALUATION}):
        evaluation = event.asset_check_evaluation_data
        yield CheckFacts(
            evaluation.check_name,
            evaluation.asset_key.to_user_string(),
            evaluation.partition,
            evaluation.passed,
            evaluation.severity == dg.AssetCheckSeverity.ERROR,
            {name: value.value for name, value in evaluation.metadata.items()},
        )


def _metadata(instance: dg.DagsterInstance, run: dg.DagsterRun, asset: str) -> Mapping[str, Any]:
    """The metadata of an asset that a run materialized; empty where it did not."""
    newest = instance.fetch_materializations(dg.AssetKey(asset), limit=_RECENT).records
    for record in newest:
        if record.run_id == run.run_id and (made := record.asset_materialization):
            return {name: value.value for name, value in made.metadata.items()}
    return {}
