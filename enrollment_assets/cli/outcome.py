"""What a command prints about its run: failures, failed checks, the day's figures."""

import datetime as dt

from enrollment_assets.cli.printing import console, listed, plain, table_of
from enrollment_assets.cli.running import Outcome
from enrollment_assets.config import Settings
from enrollment_assets.errors import EnrollmentError
from enrollment_assets.orchestration.history import closed_runs, run_facts
from enrollment_assets.orchestration.instance import instance
from enrollment_assets.pipeline.days import (
    accepted_between,
    days_not_accepted,
    final_until,
    headlines,
)
from enrollment_assets.publishing.alerts import delivery as alerts
from enrollment_assets.publishing.alerts.news import News, news_of_run, not_mailed
from enrollment_assets.support.ranges import ranges


def send_alerts(settings: Settings, day: dt.date, ended: "Outcome | str") -> None:
    """Alert alerts.urls to how a run with mail ended, or why it never began; no daemon is needed.

    A daemon that sees the same run finds the alert in the ledger and sends none.
    """
    mail_is_on = settings.email.enabled
    try:
        news: list[News] = []
        if isinstance(ended, str):
            news = [not_mailed(str(day), ended)] if mail_is_on else []
        else:
            with instance(settings) as dagster_instance:
                run = dagster_instance.get_run_by_id(ended.run_id)
                # Without a daemon nobody else says that an earlier command was killed.
                ended_runs = [*closed_runs(dagster_instance), *([run] if run else [])]
                for ended_run in ended_runs:
                    news += news_of_run(run_facts(dagster_instance, ended_run, settings))
        if alerts.deliver(settings, news):
            console.print("Alert sent.")
        alerts.record_deliveries(settings)
    except EnrollmentError as error:
        # The run's own result comes next, and decides on the exit code.
        console.print(f"[bold red]Alert:[/] {plain(str(error))}")


def print_run(settings: Settings, outcome: "Outcome", first: dt.date, last: dt.date) -> bool:
    """Print what went wrong and which checks failed; True means a non-zero exit."""
    if not outcome.success:
        return print_outcome(outcome, first)
    not_accepted = days_not_accepted(settings, first, last, outcome.run_id)
    listed("Not accepted", [plain(f"{day}: {why}") for day, (_, why) in not_accepted.items()])
    for term, until in final_until(settings).items():
        if first <= until:
            console.print(
                f"{term}: snapshots before {until} were pruned. Figures up to that day are final, so "
                "these days were not loaded."
            )
    any_rejected = any(status in ("held", "rejected") for status, _ in not_accepted.values())
    none_loaded = any_rejected and not accepted_between(settings, first, last)
    if none_loaded:
        console.print("[bold red]Failed:[/] none of the days could be loaded.")
    return print_outcome(outcome, first) or none_loaded


def print_outcome(outcome: "Outcome", first: dt.date) -> bool:
    """Print why a run failed and which checks failed; True means a non-zero exit."""
    for failure in outcome.failures:
        console.print(f"[bold red]Failed:[/] {plain(failure)}")
    if not outcome.success:
        console.print(f"See run {outcome.run_id} in Dagster's UI.")
        return True
    by_check: dict[tuple[bool, str], list[str]] = {}
    for check in outcome.checks:
        by_check.setdefault((check.is_error, check.name), []).append(check.day or str(first))
    for (is_error, name), days in sorted(by_check.items(), reverse=True):
        severity = "[bold red]ERROR[/]" if is_error else "[yellow]WARN[/]"
        console.print(f"{severity} {name}: {ranges([dt.date.fromisoformat(day) for day in days])}")
    return bool(outcome.failed_error_checks)


def print_headlines(settings: Settings, day: dt.date) -> None:
    """The figures of the day, and where its report is."""
    columns = ("term", "days", "highest", "on", "now", "net", "gross")
    table = table_of(f"{settings.institution.name} on {day}", columns)
    for row in headlines(settings, day):
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    console.print(table)
    report = settings.report_path(day) / "report.html"
    if report.exists():
        console.print(f"Report: {report}")
