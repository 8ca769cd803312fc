"""Commands that answer questions: status, explain, and lists of students."""

import datetime as dt
import getpass
import sys
from collections.abc import Sequence

import click

from enrollment_assets.cli.explanation import show
from enrollment_assets.cli.options import Day, check_days
from enrollment_assets.cli.printing import bars, console, plain, table_of
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.config.terms import term_to_come
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.orchestration.instance import instance
from enrollment_assets.orchestration.schedules import is_due
from enrollment_assets.orchestration.ticks import failing_ticks, in_words, silent_since
from enrollment_assets.pipeline.days import TermStatus, days_status, stale_formulas
from enrollment_assets.pipeline.insight.cohorts import changed_censuses, pending_censuses
from enrollment_assets.pipeline.insight.findings import census_as_frozen
from enrollment_assets.publishing import explanation as bridges
from enrollment_assets.publishing.alerts.delivery import undelivered
from enrollment_assets.publishing.student_lists import write_lists
from enrollment_assets.support.ranges import ranges
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.writing import writing


@click.command()
def status() -> None:
    """Show which dates are accepted, missing, held, rejected or stale.

    The exit code is 1 if today's snapshot is due and not accepted, or if the daemon's sensors fail.
    """
    settings = load_settings()
    with bars():
        terms = days_status(settings)
    columns = ("term", "first", "last", "accepted", "missing", "held", "rejected", "stale")
    table = table_of(f"{settings.institution.name}: snapshots", columns)
    for term in terms:
        table.add_row(
            term.label,
            str(term.first or ""),
            str(term.last or ""),
            *(
                str(len(days))
                for days in (term.accepted, term.missing, term.held, term.rejected, term.stale)
            ),
        )
    console.print(table)
    for term in terms:
        for what, days in (
            ("missing", term.missing),
            ("held", term.held),
            ("rejected", term.rejected),
            ("stale", term.stale),
        ):
            if days:
                console.print(f"{term.label}, {what}: {ranges(days)}")
    for code, words in _open_censuses(settings):
        console.print(f"{settings.term(code).label}: {plain(words)}")
    if to_come := term_to_come(settings.terms, settings.today()):
        console.print(f"[yellow]Terms:[/] {plain(to_come)}")
    _print_stale(settings, terms)
    if problem := undelivered(settings):
        console.print(f"[bold red]Alerts:[/] {plain(problem)}")
    fails = _print_daemon(settings)
    absent = _absent_today(settings, terms)
    if absent:
        console.print(f"[bold red]Today:[/] {plain(absent)}")
    sys.exit(1 if fails or absent else 0)


def _print_stale(settings: Settings, terms: Sequence[TermStatus]) -> None:
    """Why days are stale, and who restates them."""
    formulas = stale_formulas(settings)
    for name, (first, last) in formulas.items():
        console.print(f"stale: formula ({plain(name)}, {first} to {last})")
    if formulas:
        console.print(
            "Stale by formula are days of tables that are computed in another way now: the program, a "
            "metric, a setting, or a table that they are computed from has changed."
        )
    if formulas or any(term.stale for term in terms):
        console.print(
            "Stale days depend on a snapshot or a formula that has changed since. The daemon restates "
            "them, and so does every `enrollment run`."
        )


def _print_daemon(settings: Settings) -> bool:
    """Say whether the daemon is there; returns whether one of its sensors or schedules fails."""
    with instance(settings) as dagster_instance:
        failing, silent = failing_ticks(dagster_instance), silent_since(dagster_instance)
    if silent:
        console.print(f"Daemon: {plain(in_words(silent))}")
    for ticks in failing:
        console.print(f"[bold red]Daemon:[/] {plain(str(ticks))}")
    return bool(failing)


def _open_censuses(settings: Settings) -> list[tuple[str, str]]:
    """The terms whose census waits for a person, or differs from what was frozen: what to do."""
    with Warehouse(settings).read() as connection:
        if connection is None:
            return []
        changed = changed_censuses(connection, settings)
        pending = pending_censuses(connection, settings, settings.today())
    figures = census_as_frozen(changed, pending).figures
    return [(term.code, str(figures[term.code])) for term in settings.terms if term.code in figures]


def _absent_today(settings: Settings, terms: Sequence[TermStatus]) -> str | None:
    """Which terms lack today's snapshot, once it is due."""
    now = dt.datetime.now(settings.zone)
    if not is_due(now, settings):
        return None
    today = now.date()
    # Before its first snapshot a term may simply have nobody in it.
    absent = [
        f"{status.label} is {status.of(today)}"
        for term, status in zip(settings.terms, terms, strict=True)
        if term.is_open(today) and status.first and today not in status.accepted
    ]
    return f"{today}: {', '.join(absent)}." if absent else None


@click.command()
@click.option("--term", "code", required=True, help="Code of the term.")
@click.option("--from", "first", type=Day(), required=True, help="Day of the first headcount.")
@click.option("--to", "last", type=Day(), required=True, help="Day of the second headcount.")
@click.option("--dimension", default=None, help="Show segments of this dimension only.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="How many segments to show.",
)
def explain(code: str, first: dt.date, last: dt.date, dimension: str | None, top: int) -> None:
    """Show what changed a term's headcount between two days."""
    settings = load_settings()
    if first > last:
        raise click.UsageError(f"--from {first} is after --to {last}.")
    check_days(settings, first, last)
    if dimension is not None and dimension not in settings.dimensions:
        raise ConfigurationError(
            f"{dimension} is not a dimension in {settings.path}; choose one of "
            f"{', '.join(settings.dimensions)}."
        )
    dimensions = settings.dimensions if dimension is None else (dimension,)
    with bars():
        explanation = bridges.explain(settings, settings.term(code), first, last, dimensions)
    show(settings, explanation, (first, last), top)


@click.command()
@click.option("--date", "day", type=Day(), required=True, help="Day of the changes.")
@click.option("--term", default=None, help="Code of the term; default: all terms of the day.")
@click.option("--reason", required=True, help="Why; kept in operations.student_list_access.")
@click.option("--by", default=getpass.getuser, help="Who asks for it; default: your login.")
def students(day: dt.date, term: str | None, reason: str, by: str) -> None:
    """Write lists of a day's added, dropped and moved students.

    The files hold names. Only you can read them.
    """
    settings = load_settings()
    check_days(settings, day)
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
        f"Written to {lists[0].path.parent}, readable by you only; operations.student_list_access "
        "keeps who asked for them and why."
    )
