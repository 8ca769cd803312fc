"""After the last stage: the report of a day is mailed, where the run was asked to tell people."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.names import BACKFILL_TAG, NOTIFY_TAG, OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions, days_of
from enrollment_assets.publishing.mail.delivery import mail_report
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import Warehouse

# Figures for which one of these found an error are wrong: nobody is mailed them.
HOLDING_CHECKS = ("changes_reconcile", "baseline_is_current")


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`report_email`, the mail of a day."""

    @dg.asset(
        group_name="reports",
        kinds={"email"},
        owners=list(OWNERS),
        tags={"domain": "enrollment"},
        deps=["enrollment_report"],
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        # After everything else that can run: what fails there holds the mail.
        op_tags={"dagster/priority": "-10"},
    )
    def report_email(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult[None]:
        """One mail a day to each recipient, from the schedule or `enrollment run --email` only."""
        days = days_of(context)
        why = why_no_mail(settings, context.run.tags, len(days))
        if why:
            if NOTIFY_TAG in context.run.tags:
                progress.note(f"No mail: {why}.")
            return dg.MaterializeResult(metadata={"not_mailed": why})
        if held := _why_held(context, days[0]):
            raise dg.Failure(f"The mail of {days[0]} is held: {held}.", allow_retries=False)
        with warehouse.connect() as connection:
            mailed = mail_report(
                connection,
                settings,
                days[0],
                run_id=context.run.run_id,
                job=context.run.job_name,
            )
        if mailed is None:
            return dg.MaterializeResult(metadata={"not_mailed": "there is no report of this day"})
        progress.note(f"The report of {days[0]}: {mailed.words}.")
        return dg.MaterializeResult(
            metadata={
                "mailed": mailed.accepted,
                "had_it_already": mailed.had_it,
                "refused": mailed.refusals or "none",
            }
        )

    return [report_email]


def why_no_mail(settings: Settings, tags: Mapping[str, str], days: int) -> str | None:
    """Why a run over so many days mails nothing, or None where it does."""
    if BACKFILL_TAG in tags or days != 1:
        return "a backfill or a range of days mails nothing"
    if tags.get(NOTIFY_TAG) != "email":
        return "the run was not asked to (enrollment run --email, or the schedule)"
    if not settings.email.enabled:
        return "email.enabled is false"
    return None


def _why_held(context: dg.AssetExecutionContext, day: dt.date) -> str | None:
    """What failed in this run, or which check found an error in the figures of the day."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    records = context.instance.get_records_for_run(context.run.run_id, of_type=kinds).records
    failed, wrong = set(), set()
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            failed.add(str(event.step_key))
            continue
        check = event.asset_check_evaluation_data
        is_of_day = check.partition in (None, day.isoformat())
        is_error = not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
        if check.check_name in HOLDING_CHECKS and is_of_day and is_error:
            wrong.add(check.check_name)
    if failed:
        return f"{', '.join(sorted(failed))} failed"
    return f"{', '.join(sorted(wrong))} found an error in its figures" if wrong else None
