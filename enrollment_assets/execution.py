"""Runs the jobs from a command: in this process, in the instance that the UI shows.

No daemon is needed. What a run did comes back in words and figures.
"""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._check import CheckError
from dagster_shared.error import DagsterError

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.locking import close_dead_runs, process_tags
from enrollment_assets.warehouse.connection import make_private_folder

CHECKOUT = Path(__file__).resolve().parents[1]

# A range run of many years takes longer than `run_monitoring` allows an ordinary run.
_RANGE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class FailedCheck:
    """A check that found something, on one day."""

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


def prepare_home() -> Path:
    """The Dagster instance's folder: `DAGSTER_HOME`, by default the checkout's `.dagster`.

    Raises:
        ConfigurationError: if `DAGSTER_HOME` names no folder.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        home = Path(named).expanduser()
        if not (home.is_absolute() and home.is_dir()):
            raise ConfigurationError(
                f"DAGSTER_HOME is {named}, which is no absolute path of a folder; make it, and copy "
                "dagster.yaml into it."
            )
        return home
    home = make_private_folder(CHECKOUT / ".dagster")
    link = home / "dagster.yaml"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..") / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def instance() -> dg.DagsterInstance:
    """The Dagster instance, with the runs closed whose process is gone."""
    home = prepare_home()
    try:
        found = dg.DagsterInstance.get()
    except (DagsterError, CheckError, yaml.YAMLError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{home / 'dagster.yaml'}: {reason}") from None
    close_dead_runs(found)
    return found


def execute(
    settings: Settings,
    job: str,
    first: dt.date,
    last: dt.date,
    *,
    tags: Mapping[str, str] | None = None,
    verbose: bool = False,
) -> Outcome:
    """Run a job for one day, or for a range of days in one run."""
    from enrollment_assets.definitions import build_defs

    definition = build_defs(settings=settings).resolve_job_def(job)
    all_tags = {**process_tags(), **(tags or {})}
    single = first == last
    if not single:
        all_tags |= {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
            "dagster/max_runtime_seconds": str(_RANGE_SECONDS),
        }
    level = "INFO" if verbose else "CRITICAL"
    with instance() as found:
        result = definition.execute_in_process(
            instance=found,
            partition_key=first.isoformat() if single else None,
            tags=all_tags,
            run_config={"loggers": {"console": {"config": {"log_level": level}}}},
            raise_on_error=False,
        )
    return _outcome(result)


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    outcome = Outcome(result.run_id, result.success)
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                outcome.failures.append(data.user_failure_data.description)
            else:
                outcome.failures.append(_words(data.error, event.step_key))
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE and not outcome.failures:
            outcome.failures.append(_words(event.job_failure_data.error, None))
    checks = result.get_asset_check_evaluations()
    detailed = {evaluation.check_name for evaluation in checks if evaluation.partition}
    for evaluation in checks:
        # The roll-up of a range repeats what its days say.
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


def _words(error: Any, step: str | None) -> str:
    """The innermost error's own words; the stack is in the UI."""
    while error is not None and error.cause is not None:
        error = error.cause
    where = f" in step {step}" if step else ""
    if error is None:
        return f"The run failed{where} without a message."
    kind, _, message = error.message.strip().partition(": ")
    if kind.startswith("enrollment_assets.errors."):
        return str(message)
    return f"An unexpected error{where}: {error.message.strip()}"
