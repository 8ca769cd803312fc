"""Mails the report of a day after everything else, if the run was asked to."""

import datetime as dt
from collections.abc import Collection, Mapping

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.names import BACKFILL_TAG, NOTIFY_TAG, OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions, days_of
from enrollment_assets.publishing.mail.delivery import mail_report
from enrollment_assets.schema.metric_files import custom_metrics, metric_faults
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse

# If one of these checks finds an error, the figures are wrong and are not mailed.
HOLDING_CHECKS = ("changes_reconcile", "baseline_is_current")


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The asset `report_email`."""

    @dg.asset(
        group_name="reports",
        kinds={"email"},
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        deps=["enrollment_report"],
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        # Last of all, since a failure anywhere else in the run holds the mail.
        op_tags={"dagster/priority": "-10"},
    )
    def report_email(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult[None]:
        """One mail a day to each recipient, only from the schedule or `enrollment run --email`."""
        days = days_of(context)
        reason = why_not_mailed(settings, context.run.tags, len(days))
        if reason:
            if NOTIFY_TAG in context.run.tags:
                progress.note(f"No mail was sent: {reason}.")
            return dg.MaterializeResult(metadata={"not_mailed": reason})
        if problem := _why_held(context, days[0], _custom_steps(settings)):
            raise dg.Failure(f"The mail of {days[0]} is held: {problem}.", allow_retries=False)
        with warehouse.connect() as connection:
            mailed = mail_report(
                connection,
                settings,
                days[0],
                run_id=context.run.run_id,
                job=context.run.job_name,
            )
        if mailed is None:
            return dg.MaterializeResult(metadata={"not_mailed": "this day has no report"})
        progress.note(f"The report of {days[0]} was {mailed.outcome}.")
        return dg.MaterializeResult(
            metadata={
                "mailed": mailed.accepted,
                "had_it_already": mailed.had_it,
                "refused": mailed.refusals or "none",
            }
        )

    return [report_email]


def why_not_mailed(settings: Settings, tags: Mapping[str, str], days: int) -> str | None:
    """Why a run over so many days sends no mail; None if it sends one."""
    if BACKFILL_TAG in tags or days != 1:
        return "a backfill or a range of days sends no mail"
    if tags.get(NOTIFY_TAG) != "email":
        return "the run was not asked to (use enrollment run --email, or the schedule)"
    if not settings.email.enabled:
        return "email.enabled is false"
    return None


def _custom_steps(settings: Settings) -> set[str]:
    metrics = custom_metrics(settings)
    return {*metrics, *(f"check_custom_{name}" for name in metrics), *metric_faults(settings)}


def _why_held(
    context: dg.AssetExecutionContext, day: dt.date, custom: Collection[str]
) -> str | None:
    """The step that failed in this run, or the check that found an error in the day's figures.

    A custom metric that fails stops itself alone: nothing that is mailed is made of it.
    """
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    records = context.instance.get_records_for_run(context.run.run_id, of_type=kinds).records
    failed, wrong = set(), set()
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            if event.step_key not in custom:
                failed.add(str(event.step_key))
            continue
        check = event.asset_check_evaluation_data
        is_of_day = check.partition in (None, day.isoformat())
        is_error = not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
        if check.check_name in HOLDING_CHECKS and is_of_day and is_error:
            wrong.add(check.check_name)
    if failed:
        return f"{', '.join(sorted(failed))} failed"
    return f"{', '.join(sorted(wrong))} found an error in the figures" if wrong else None
