"""The `enrollment` command. Dagster is imported only by commands that need it."""

import datetime as dt
import getpass
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from enrollment_assets import progress
from enrollment_assets.config import Settings, load_settings, origins
from enrollment_assets.config.reference import SCHEMA_FILE
from enrollment_assets.errors import ConfigurationError, EnrollmentError
from enrollment_assets.terminal import bars, console, listed, plain, ranges, table_of

if TYPE_CHECKING:
    from enrollment_assets.execution import Outcome


class _Day(click.ParamType[dt.date]):
    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date; write it as 2026-09-08.", param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="enrollment-assets")
def cli() -> None:
    """Watches who is enrolled from day to day."""


def main() -> None:
    """Run the command; errors are told in words, with a non-zero exit."""
    try:
        cli()
    except EnrollmentError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[bold red]Error:[/] {plain(str(error))}"
        )
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except KeyboardInterrupt:
        console.print("Interrupted; every day is as it was or as it should be.")
        sys.exit(130)


def _check_days(settings: Settings, *days: dt.date) -> None:
    """Refuse days that have no partition."""
    today = settings.today()
    for day in days:
        if day < settings.start_date:
            raise ConfigurationError(
                f"{day} is before start_date {settings.start_date} in {settings.path}; give a later "
                "date, or set start_date earlier."
            )
        if day > today:
            raise ConfigurationError(
                f"{day} is in the future: it is {today} in {settings.institution.timezone}."
            )


@cli.command()
@click.option("--until", type=_Day(), default=None, help="Last day of the example.")
def demo(until: dt.date | None) -> None:
    """Build the made-up university and run everything over it."""
    from enrollment_assets.jobs import FIGURES, REPORTS

    settings = load_settings()
    example = _example(settings)
    until = min(until or example.UNTIL, settings.today())
    _check_days(settings, until)
    with bars():
        total = (until - settings.start_date).days + 1
        folder = settings.base / settings.source.url
        with progress.task("making snapshots", total) as advance:
            example.generate(settings, folder, until=until, on_day=advance)
        outcome = _execute(settings, FIGURES, settings.start_date, until)
    failed = _tell(settings, outcome, settings.start_date, until)
    day = _last_accepted(settings)
    if day is None:
        raise ConfigurationError("No day of the example was accepted.")
    with bars():
        report = _execute(settings, REPORTS, day, day)
    failed = _tell(settings, report, day, day) or failed
    _headlines(settings, day)
    console.print("[bold]make ui[/] opens Dagster on the same data.")
    sys.exit(1 if failed else 0)


def _example(settings: Settings) -> Any:
    """The generator of the example that the configuration points to."""
    path = Path(__file__).resolve().parents[1] / "examples" / "university" / "generate.py"
    if (settings.base / settings.source.url).resolve() != path.parent / "snapshots":
        raise ConfigurationError(
            f"source.url in {settings.path} is not the example's folder, and the demo would fill it "
            "with made-up students; use `enrollment run` or `enrollment backfill` on your own data."
        )
    spec = importlib.util.spec_from_file_location("university_example", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} cannot be loaded; is the checkout complete?")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cli.command()
@click.option("--date", "day", type=_Day(), default=None, help="Day to run; today if left out.")
@click.option("--email", is_flag=True, help="Mail the report; if it is held, tell alerts.urls.")
@click.option("--verbose", is_flag=True, help="Show Dagster's log.")
def run(day: dt.date | None, email: bool, verbose: bool) -> None:
    """Run everything for one day."""
    from enrollment_assets.jobs import DAILY
    from enrollment_assets.schedules import NOTIFY_TAG

    settings = load_settings()
    day = day or settings.today()
    _check_days(settings, day)
    if not email:
        with bars():
            outcome = _execute(settings, DAILY, day, day, verbose=verbose)
    else:
        try:
            with bars():
                tags = {NOTIFY_TAG: "email"}
                outcome = _execute(settings, DAILY, day, day, tags=tags, verbose=verbose)
        except EnrollmentError as error:  # before there was a run: nobody else would tell of it
            _tell_alerts(settings, day, str(error))
            raise
        _tell_alerts(settings, day, outcome)
    failed = _tell(settings, outcome, day, day)
    if outcome.success:
        _headlines(settings, day)
    sys.exit(1 if failed else 0)


def _tell_alerts(settings: Settings, day: dt.date, ended: "Outcome | str") -> None:
    """Tell alerts.urls what a run with mail left behind, or why it never began; no daemon is needed.

    A daemon that looks at the same run finds that it was told.
    """
    from enrollment_assets import alerts
    from enrollment_assets.execution import instance
    from enrollment_assets.history import run_facts
    from enrollment_assets.news import News, held, news_of_run

    mail_is_on = settings.email.enabled
    try:
        news: list[News] = []
        if isinstance(ended, str):
            news = [held(str(day), ended)] if mail_is_on else []
        else:
            with instance() as found:
                run = found.get_run_by_id(ended.run_id)
                if run is not None:
                    news = news_of_run(run_facts(found, run, mail_is_on=mail_is_on))
        if alerts.deliver(settings, news):
            console.print("alerts.urls were told.")
        alerts.record_deliveries(settings)
    except EnrollmentError as error:  # what became of the run is told next, and decides on the exit
        console.print(f"[bold red]Alert:[/] {plain(str(error))}")


@cli.command()
@click.option("--from", "first", type=_Day(), required=True, help="First day.")
@click.option("--to", "last", type=_Day(), required=True, help="Last day, included.")
@click.option("--only", type=click.Choice(["core"]), default=None, help="Leave insight out.")
@click.option("--reports", is_flag=True, help="Also charts and a report for each day.")
@click.option("--verbose", is_flag=True, help="Show Dagster's log.")
def backfill(first: dt.date, last: dt.date, only: str | None, reports: bool, verbose: bool) -> None:
    """Take a range of historical days through, in one run. Never sends mail."""
    from enrollment_assets.jobs import CORE, DAILY, FIGURES
    from enrollment_assets.partitions import LENIENT_TAG

    settings = load_settings()
    if first > last:
        raise click.UsageError(f"--from {first} is after --to {last}.")
    if only and reports:
        raise click.UsageError("--only core leaves reports out; give one of the two.")
    _check_days(settings, first, last)
    with bars():
        job = DAILY if reports else CORE if only else FIGURES
        outcome = _execute(
            settings, job, first, last, tags={LENIENT_TAG: "backfill"}, verbose=verbose
        )
    failed = _tell(settings, outcome, first, last)
    sys.exit(1 if failed else 0)


@cli.command()
def status() -> None:
    """Show which dates are there, missing, refused or stale."""
    from enrollment_assets.operations import days_status, undelivered

    settings = load_settings()
    with bars():
        found = days_status(settings)
    columns = ("term", "first", "last", "accepted", "missing", "refused", "stale")
    table = table_of(f"{settings.institution.name}: snapshots", columns)
    for term in found:
        table.add_row(
            term.label,
            str(term.first or ""),
            str(term.last or ""),
            *(str(len(days)) for days in (term.accepted, term.missing, term.rejected, term.stale)),
        )
    console.print(table)
    for term in found:
        for what, days in (
            ("missing", term.missing),
            ("refused", term.rejected),
            ("stale", term.stale),
        ):
            if days:
                console.print(f"{term.label}, {what}: {ranges(days)}")
    if any(term.stale for term in found):
        console.print(
            "Stale days depend on a snapshot that changed since: the daemon computes them again, and "
            "so does every `enrollment run`."
        )
    if words := undelivered(settings):
        console.print(f"[bold red]Alerts:[/] {plain(words)}")


@cli.command()
@click.option("--term", "code", required=True, help="Code of the term.")
@click.option("--from", "first", type=_Day(), required=True, help="Day of the first total.")
@click.option("--to", "last", type=_Day(), required=True, help="Day of the second total.")
@click.option("--dimension", default=None, help="Segments of this dimension only.")
@click.option(
    "--top", type=click.IntRange(min=1), default=12, show_default=True, help="Segments to show."
)
def explain(code: str, first: dt.date, last: dt.date, dimension: str | None, top: int) -> None:
    """Show what took a term's headcount from one day to another."""
    from enrollment_assets import explain as bridges
    from enrollment_assets.explain_words import show

    settings = load_settings()
    if first > last:
        raise click.UsageError(f"--from {first} is after --to {last}.")
    _check_days(settings, first, last)
    if dimension is not None and dimension not in settings.dimensions:
        raise ConfigurationError(
            f"{dimension} is none of the dimensions in {settings.path}: "
            f"{', '.join(settings.dimensions)}."
        )
    dimensions = settings.dimensions if dimension is None else (dimension,)
    with bars():
        found = bridges.explain(settings, settings.term(code), first, last, dimensions)
    show(settings, found, (first, last), top)


@cli.command()
def doctor() -> None:
    """Test configuration, source, warehouse, instance and mail; say what to do."""
    from enrollment_assets.operations import diagnose

    healthy = True
    for finding in diagnose():
        healthy = healthy and finding.ok
        mark = "[green]OK[/]" if finding.ok else "[bold red]!![/]"
        console.print(f"{mark}  [bold]{finding.subject}[/]: {plain(finding.words)}")
    sys.exit(0 if healthy else 1)


@cli.command()
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@click.option("--schema", is_flag=True, help="Print the JSON schema for editors instead.")
def config(changed: bool, schema: bool) -> None:
    """Print what is configured, and where each value comes from; secrets are hidden."""
    if schema:
        click.echo(SCHEMA_FILE.read_text(encoding="utf-8"), nl=False)
        return
    settings = load_settings()
    console.print(plain(f"# {settings.path}"))
    shown = [value for value in origins.values(settings) if not (changed and value.is_default)]
    for value in shown:
        console.print(plain(f"{value.key}: {value.shown}") + f"  [dim]# {plain(value.origin)}[/]")
    console.print("# Variables that are read by name")
    for value in origins.variables():
        console.print(plain(f"{value.key}  # {value.origin}"))


def _decision_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--by", default=getpass.getuser, help="Who decides; your login if left out."),
        click.option("--reason", required=True, help="Why; kept in operations.snapshot_attempts."),
        click.option("--term", default=None, help="Code of the term; all of the day if left out."),
        click.option("--date", "day", type=_Day(), required=True, help="Day of the snapshot."),
    ):
        function = option(function)
    return function


@cli.command()
@_decision_options
def accept(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Take in a snapshot that was refused or thrown out, from the rows that were kept."""
    _decide("accept", day, term, reason, by)


@cli.command()
@_decision_options
def reject(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Throw out a snapshot that stands; its rows are kept in quarantine."""
    _decide("reject", day, term, reason, by)


def _decide(kind: str, day: dt.date, term: str | None, reason: str, by: str) -> None:
    from enrollment_assets.execution import decide
    from enrollment_assets.warehouse.verdicts import DecisionKind

    settings = load_settings()
    _check_days(settings, day)
    if term is not None:
        settings.term(term)
    with bars():
        outcome = decide(settings, day, DecisionKind(kind), term, reason, by)
    failed = _tell_outcome(outcome, day)
    if outcome.success:
        console.print(f"{day}: {kind}ed. What depends on it has been computed again.")
    sys.exit(1 if failed else 0)


@cli.command()
@click.option("--date", "day", type=_Day(), required=True, help="Day of the anomaly.")
@click.option("--term", required=True, help="Code of the term.")
@click.option("--reason", required=True, help="Why; kept in operations.acknowledged_anomalies.")
@click.option("--by", default=getpass.getuser, help="Who says so; your login if left out.")
def acknowledge(day: dt.date, term: str, reason: str, by: str) -> None:
    """Say why a day was unusual; it is not learned from, and not warned of any more."""
    from enrollment_assets import execution

    settings = load_settings()
    _check_days(settings, day)
    settings.term(term)
    with bars():
        outcome = execution.acknowledge(settings, day, term, reason, by)
    failed = _tell_outcome(outcome, day)
    if outcome.success:
        console.print(f"{day}: acknowledged. Later days do not learn from it.")
    sys.exit(1 if failed else 0)


@cli.command()
@click.option("--date", "day", type=_Day(), required=True, help="Day of the changes.")
@click.option("--term", default=None, help="Code of the term; all of the day if left out.")
@click.option("--reason", required=True, help="Why; kept in operations.student_list_access.")
@click.option("--by", default=getpass.getuser, help="Who asks for it; your login if left out.")
def students(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Write lists of a day's added, dropped and moved students, with names, for you alone."""
    from enrollment_assets.resources import writing
    from enrollment_assets.warehouse.student_lists import write_lists

    settings = load_settings()
    _check_days(settings, day)
    if term is not None:
        settings.term(term)
    with bars(), writing(settings, f"lists of {day}") as warehouse:
        lists = write_lists(warehouse, day, term, reason=reason, by=by)
    table = table_of(
        plain(f"{settings.vocabulary.students.capitalize()} of {day}"), ("file", "rows")
    )
    for written in lists:
        table.add_row(plain(written.path.name), f"{written.rows:,}")
    console.print(table)
    console.print(
        f"In {lists[0].path.parent}, for you alone; operations.student_list_access says who took them."
    )


@cli.command()
@click.option("--term", required=True, help="Code of the term whose dates were edited.")
@click.option("--by", default=getpass.getuser, help="Who asks for it; your login if left out.")
def rebuild(term: str, by: str) -> None:
    """Bring everything of a term up to date after its dates were edited."""
    from enrollment_assets import execution

    settings = load_settings()
    with bars():
        outcome = execution.rebuild(settings, term, by)
    failed = _tell_outcome(outcome, settings.start_date)
    day = _last_accepted(settings)
    if day and outcome.success:
        _headlines(settings, day)
    sys.exit(1 if failed else 0)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only list what would go.")
def prune(dry_run: bool) -> None:
    """Remove what is older than the periods under `retention`; figures stay."""
    from enrollment_assets.execution import execute, instance
    from enrollment_assets.jobs import PRUNE
    from enrollment_assets.retention import find_old
    from enrollment_assets.warehouse.connection import Warehouse

    settings = load_settings()
    today = settings.today()
    with bars(), instance() as found, Warehouse(settings).read() as connection:
        words = find_old(connection, settings, found, today).in_words()
    if not words:
        console.print("Nothing is older than the periods under retention.")
        return
    console.print("Would go:" if dry_run else "Removing:")
    for what, how_much in words.items():
        console.print(f"  {plain(what)}: {how_much}")
    if not dry_run:
        outcome = execute(settings, PRUNE, ops={"prune": {"as_of": today.isoformat()}})
        sys.exit(1 if _tell_outcome(outcome, today) else 0)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8350, show_default=True)
def serve(host: str, port: int) -> None:
    """Serve the reports, and the exports as read-only JSON, until Ctrl-C."""
    from enrollment_assets.serving.server import serve as serve_on

    def told(address: str) -> None:
        console.print(f"Reports: {address}/  Interface: {address}/docs  Ctrl-C ends it.")

    serve_on(load_settings(), host, port, told)


def _execute(settings: Settings, job: str, first: dt.date, last: dt.date, **options: Any) -> Any:
    from enrollment_assets.execution import execute_and_restate

    return execute_and_restate(settings, job, first, last, **options)


def _tell(settings: Settings, outcome: "Outcome", first: dt.date, last: dt.date) -> bool:
    """Say what went wrong and what was found; True means a non-zero exit."""
    from enrollment_assets.operations import accepted_between, days_not_accepted, final_until

    if not outcome.success:
        return _tell_outcome(outcome, first)
    not_accepted = days_not_accepted(settings, first, last, outcome.run_id)
    listed("Not accepted", [plain(f"{day}: {words}") for day, (_, words) in not_accepted.items()])
    for term, until in final_until(settings).items():
        if first <= until:
            console.print(
                f"{term}: snapshots before {until} were pruned; the figures up to it are final, and "
                "nothing was taken in for these days."
            )
    refused = any(status == "rejected" for status, _ in not_accepted.values())
    unreadable = refused and not accepted_between(settings, first, last)
    if unreadable:
        console.print("[bold red]Failed:[/] not one day could be taken in.")
    return _tell_outcome(outcome, first) or unreadable


def _tell_outcome(outcome: "Outcome", first: dt.date) -> bool:
    """Say why a run failed and what its checks found; True means a non-zero exit."""
    for failure in outcome.failures:
        console.print(f"[bold red]Failed:[/] {plain(failure)}")
    if not outcome.success:
        console.print(f"The run is {outcome.run_id} in Dagster's UI.")
        return True
    by_check: dict[tuple[bool, str], list[str]] = {}
    for check in outcome.checks:
        by_check.setdefault((check.is_error, check.name), []).append(check.day or str(first))
    for (is_error, name), found in sorted(by_check.items(), reverse=True):
        word = "[bold red]ERROR[/]" if is_error else "[yellow]WARN[/]"
        console.print(f"{word} {name}: {ranges([dt.date.fromisoformat(day) for day in found])}")
    return bool(outcome.failed_error_checks)


def _last_accepted(settings: Settings) -> dt.date | None:
    from enrollment_assets.operations import last_accepted

    return last_accepted(settings)


def _headlines(settings: Settings, day: dt.date) -> None:
    """The figures of the day, and where its report is."""
    from enrollment_assets.operations import headlines

    columns = ("term", "days", "highest", "on", "now", "net", "gross")
    table = table_of(f"{settings.institution.name} on {day}", columns)
    for row in headlines(settings, day):
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    console.print(table)
    report = settings.report_path(day) / "report.html"
    if report.exists():
        console.print(f"Report: {report}")


if __name__ == "__main__":
    main()
