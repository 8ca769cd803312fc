"""Runs the jobs from a command: in this process, in the instance that the UI shows.

No daemon is needed. An `Outcome` says what a run did.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseError
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.in_process import run_in_process
from enrollment_assets.orchestration.instance import instance, plain_state_errors, prepare_home
from enrollment_assets.orchestration.runs import failures, process_tags
from enrollment_assets.pipeline.days import (
    days_to_load,
    last_accepted,
    logged_days,
    others_waiting,
    stale_ranges,
)
from enrollment_assets.pipeline.ingest.quarantine import kept_by
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.pipeline.names import (
    BACKFILL,
    CORE,
    DAILY,
    INSIGHT,
    LENIENT_TAG,
    MAX_RUNTIME_TAG,
    NOTIFY_TAG,
    PART_TAG,
    PARTITION_TAG,
    PARTS,
    REPORTS,
    RESTATE,
    RESTATED_CHECK,
)
from enrollment_assets.pipeline.partitions import range_tags
from enrollment_assets.publishing.exports.files import check_formats
from enrollment_assets.support import progress
from enrollment_assets.support.ranges import as_ranges

# A range run of many years takes longer than `run_monitoring` allows an ordinary run.
_RANGE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed on one day."""

    name: str
    day: str | None
    is_error: bool
    figures: Mapping[str, Any]


@dataclass
class Outcome:
    """What a run did."""

    run_id: str
    success: bool
    failures: list[str] = field(default_factory=list)
    checks: list[FailedCheck] = field(default_factory=list)

    @property
    def failed_error_checks(self) -> list[FailedCheck]:
        """The checks that make a run's result unfit for use."""
        return [check for check in self.checks if check.is_error]


def execute(
    settings: Settings,
    job: str,
    first: dt.date | None = None,
    last: dt.date | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    ops: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> Outcome:
    """Run a job for one day, for a range of days in one run, or for no day; `ops` is their config.

    `job` may name one of `PARTS`, too.

    Raises:
        ConfigurationError: if exports are asked for in a format whose package is not installed.
    """
    check_formats(settings)
    all_tags = {**process_tags(), **(tags or {})}
    if job in PARTS:
        all_tags[PART_TAG] = job
    if first and first == last:
        all_tags[PARTITION_TAG] = first.isoformat()
    elif first and last:
        all_tags |= {**range_tags(first, last), MAX_RUNTIME_TAG: str(_RANGE_SECONDS)}
    level = "INFO" if verbose else "CRITICAL"
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": level}}}}
    if ops:
        config["ops"] = {name: {"config": settings_of} for name, settings_of in ops.items()}
    with (
        instance(settings) as dagster_instance,
        plain_state_errors(prepare_home(settings)),
    ):
        result = run_in_process(
            build_defs(settings=settings),
            BACKFILL if job in PARTS else job,
            dagster_instance,
            tags=all_tags,
            run_config=config,
            groups=PARTS.get(job, ()),
        )
    return _outcome(result)


def execute_and_restate(
    settings: Settings, job: str, first: dt.date, last: dt.date, **options: Any
) -> Outcome:
    """Run a job, and then restate whatever depends on a day that it changed.

    The outcome is the run's, with the checks as they are after the restatement.
    """
    if job in (DAILY, REPORTS):
        # A run that died may have left earlier days stale, and a report would show them.
        restate(settings, until=first)
    outcome = execute(settings, job, first, last, **options)
    restatements = restate(settings)
    if restatements:
        outcome.checks = [check for check in outcome.checks if check.name != RESTATED_CHECK]
    for restated in restatements:
        outcome.checks += restated.checks
        outcome.failures += restated.failures
        outcome.success = outcome.success and restated.success
    return outcome


def restate(settings: Settings, until: dt.date | None = None) -> list[Outcome]:
    """Restate stale days, before `until` if that is given, and then stale insight.

    Raises:
        WarehouseError: if days stay stale after that.
    """
    outcomes = _restate(settings, RESTATE, until)
    if until or any(not outcome.success for outcome in outcomes):
        return outcomes
    return outcomes + _restate(settings, INSIGHT)


def _restate(settings: Settings, job: str, until: dt.date | None = None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    done: set[tuple[dt.date, dt.date]] = set()
    while True:
        ranges = stale_ranges(settings, insight=job == INSIGHT)
        if until:
            ranges = [r for r in ranges if r[0] < until]
        if not ranges or any(not outcome.success for outcome in outcomes):
            return outcomes
        if ranges[0] in done:
            raise WarehouseError(
                f"The figures of {ranges[0][0]} to {ranges[0][1]} are still stale after a restatement; "
                "see the run in Dagster's UI, and try `enrollment rebuild`."
            )
        done.add(ranges[0])
        first, last = ranges[0]
        what = "comparisons and forecasts" if job == INSIGHT else "figures"
        progress.note(
            f"Restating {what} of {first} to {last}: a day or formula that they depend on changed."
        )
        outcomes.append(execute(settings, job, first, last))


def decide(
    settings: Settings, day: dt.date, kind: DecisionKind, term: str | None, reason: str, by: str
) -> Outcome:
    """Accept a snapshot that waits or reject one, and restate what depends on it."""
    return execute_and_restate(settings, CORE, day, day, ops=_decision(kind, term, reason, by))


def accept(
    settings: Settings, days: Sequence[dt.date], term: str | None, reason: str, by: str
) -> tuple[Outcome, bool]:
    """Accept snapshots that wait, and publish their days; says also whether the run mails.

    A day that has another term without an accepted snapshot is not reported. Only the newest day of
    all is mailed.
    """
    ops = _decision(DecisionKind.accept, term, reason, by)
    *earlier, last = days
    newest = last_accepted(settings)
    outcomes = [
        execute(settings, CORE, first, end, ops=ops) for first, end in as_ranges(earlier, 1)
    ]
    if any(not outcome.success for outcome in outcomes):
        return _together(outcomes), False
    accepted = [term] if term else list(kept_by(settings, last))
    is_reported = not others_waiting(settings, [last], accepted)
    is_mailed = is_reported and settings.email.enabled and (newest is None or newest < last)
    tags = {NOTIFY_TAG: "email"} if is_mailed else {}
    job = DAILY if is_reported else CORE
    outcomes.append(execute_and_restate(settings, job, last, last, ops=ops, tags=tags))
    reported = [day for day in earlier if not others_waiting(settings, [day])]
    if outcomes[-1].success:
        outcomes += [execute(settings, REPORTS, *days) for days in as_ranges(reported, 1)]
    return _together(outcomes), is_mailed


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of several runs; the run is the last one."""
    return Outcome(
        outcomes[-1].run_id if outcomes else "",
        all(done.success for done in outcomes),
        [failure for done in outcomes for failure in done.failures],
        [check for done in outcomes for check in done.checks if check.name != RESTATED_CHECK],
    )


def _decision(kind: DecisionKind, term: str | None, reason: str, by: str) -> dict[str, Any]:
    return {"load_snapshots": {"decision": kind.name, "term": term, "reason": reason, "by": by}}


def acknowledge(settings: Settings, day: dt.date, term: str, reason: str, by: str) -> Outcome:
    """Note that a person can explain an anomaly, and restate what learned from the day."""
    config = {"enrollment_anomalies": {"term": term, "reason": reason, "by": by}}
    return execute_and_restate(settings, INSIGHT, day, day, ops=config)


def census(settings: Settings, code: str, day: dt.date | None, reason: str, by: str) -> Outcome:
    """Freeze a term's official count by a person's decision, and restate what depends on it.

    Raises:
        WarehouseError: if nothing is accepted yet.
    """
    newest = last_accepted(settings)
    if newest is None:
        raise WarehouseError("No day is accepted yet; `enrollment status` shows the dates.")
    decision = {"term": code, "day": str(day) if day else None, "reason": reason, "by": by}
    ops = {"follow_cohorts": {name: value for name, value in decision.items() if value}}
    return execute_and_restate(settings, INSIGHT, newest, newest, ops=ops)


def rebuild(settings: Settings, code: str, by: str) -> Outcome:
    """Restate a whole term after its dates were edited.

    Days outside its new dates are removed, days newly inside them are loaded where the source has
    them, and everything of the term is computed again.

    Raises:
        ConfigurationError: if there is no such term.
    """
    term = settings.term(code)
    outcomes: list[Outcome] = []
    outside = [day for day in logged_days(settings, code) if not term.is_open(day)]
    trim = _decision(DecisionKind.trim, code, f"rebuild of {code}", by)
    for first, last in as_ranges(outside):
        progress.note(f"Removing {first} to {last} from {term.label}.")
        outcomes.append(execute(settings, CORE, first, last, ops=trim))
    for first, last in as_ranges(days_to_load(settings, term)):
        progress.note(f"Loading {first} to {last} from the source.")
        tags = {LENIENT_TAG: "rebuild"}
        outcomes.append(execute(settings, CORE, first, last, tags=tags))
    days = logged_days(settings, code)
    if days:
        outcomes.append(execute(settings, RESTATE, days[0], days[-1]))
        # The census is frozen again, by today's dates.
        again = {"follow_cohorts": {"refreeze": code}}
        outcomes.append(execute(settings, INSIGHT, days[-1], days[-1], ops=again))
    outcomes += restate(settings)
    return _together(outcomes)


def _outcome(result: dg.JobExecutionResult) -> Outcome:
    outcome = Outcome(result.run_id, result.success, failures(result.all_events))
    checks = result.get_asset_check_evaluations()
    detailed = {evaluation.check_name for evaluation in checks if evaluation.partition}
    for evaluation in checks:
        # The summary of a range repeats the results of its days.
        if evaluation.passed or (evaluation.check_name in detailed and not evaluation.partition):
            continue
        outcome.checks.append(
            FailedCheck(
                evaluation.check_name,
                evaluation.partition,
                evaluation.severity == dg.AssetCheckSeverity.ERROR,
                {name: value.value for name, value in evaluation.metadata.items()},
            )
        )
    return outcome
