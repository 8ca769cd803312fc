"""Turns what a run left behind into the texts of alerts: pure functions.

Nothing here knows Dagster or a channel. Each piece of news has an id of what it is about, so that no
address gets it twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Lines in one message; channels cut longer ones, and nobody reads them.
MOST_LINES = 20
_MOST_ANOMALIES = 5
# Enough for the reasons of a held day and the command that resolves it.
_LONGEST_LINE = 1_500

# The most urgent first: the title of a message names it.
KINDS = (
    ("held", "a day is held until somebody decides"),
    ("not_mailed", "the report was not mailed"),
    ("unreported", "alerts could not be made of a run"),
    ("failed", "a run failed"),
    ("late", "a snapshot is late"),
    ("error", "a check failed"),
    ("cancelled", "a run was canceled"),
    ("restarted", "a run died and is run again"),
    ("refused", "the mail server refused recipients"),
    ("restated", "reported figures were restated"),
    ("unusual", "an unusual change"),
    ("warning", "a check raised a warning"),
    ("summary", "a backfill ended"),
    ("test", "a test"),
)
_FAILURES = {"not_mailed", "unreported", "failed", "late", "error"}
_NEWS_ONLY = {"summary", "test"}


@dataclass(frozen=True)
class News:
    """One alert: what it is about, how urgent it is, and its text."""

    id: str
    kind: str
    text: str


@dataclass(frozen=True)
class CheckFacts:
    """The result of a check; `figures` are its metadata."""

    name: str
    asset: str
    day: str | None
    passed: bool
    is_error: bool
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """What a run that ended left behind.

    `days` is its partition or range as text. `is_daily`: it is the morning's run, or a range that
    somebody asked for, and not a restatement. `mails`: it should have mailed its day and did not.
    `is_held`: it failed because its day looks like a fault. `link` leads to the run in Dagster's UI. A
    run of a backfill is reported with the backfill.
    """

    run_id: str
    job: str
    days: str
    status: str
    is_range: bool = False
    is_daily: bool = False
    in_backfill: bool = False
    mails: bool = False
    is_held: bool = False
    link: str = ""
    failures: tuple[str, ...] = ()
    checks: tuple[CheckFacts, ...] = ()
    restated_figures: int = 0
    restated_days: str = ""
    refused: str = ""

    @property
    def where(self) -> str:
        """Where to look the run up."""
        return self.link or f"run {self.run_id}"


@dataclass(frozen=True)
class BackfillFacts:
    """A backfill whose runs have ended: how many ended how, and why the first failed ones failed.

    A run that was tried again counts as its last try.
    """

    id: str
    days: str
    status: str
    runs: Mapping[str, int]
    failures: tuple[str, ...] = ()
    link: str = ""


def news_of_run(run: RunFacts) -> list[News]:
    """The news of a run; a range of days has one piece at most."""
    if run.in_backfill:
        return []
    if run.is_range:
        return list(_of_range(run))
    return [*_of_end(run), *_of_checks(run), *_of_metadata(run)]


def _named(run: RunFacts) -> str:
    # Dagster's own names begin so: somebody clicked on Materialize.
    job = "A run from Dagster's UI" if run.job.startswith("__") else run.job
    return f"{job} {run.days}".strip()


def _of_end(run: RunFacts) -> Iterator[News]:
    if run.status == "success":
        return
    if run.status == "failure":
        why = "; ".join(run.failures) or "no reason was given"
        kind = "held" if run.is_held else "failed"
        yield News(f"run {run.run_id}", kind, f"{_named(run)} failed: {why} ({run.where})")
    else:
        yield News(f"run {run.run_id}", "cancelled", f"{_named(run)} was canceled ({run.where})")
    if run.mails:
        yield not_mailed(run.days, "its run ended before the mail")


def unreported(what: str, why: str, link: str) -> News:
    """The notice that the news of a run or backfill could not be made; all others are sent as ever."""
    text = f"A {what.partition(' ')[0]} ended, and its result could not be read: {why} ({link})"
    return News(f"unreported {what}", "unreported", text)


def restarted(run: RunFacts) -> News:
    """The notice that the process of a run died, and that Dagster runs it again by itself."""
    text = f"The process of {_named(run)} died; Dagster runs it again ({run.where})"
    return News(f"restarted {run.run_id}", "restarted", text)


def not_mailed(day: str, why: str) -> News:
    """The notice that a day's report was not mailed; a day has one, however often it is tried."""
    return News(
        f"not mailed {day}",
        "not_mailed",
        f"The report of {day} was not mailed: {why}. Recipients still waiting for it get it from the "
        f"next successful run with mail (enrollment run --date {day} --email).",
    )


def _of_checks(run: RunFacts) -> Iterator[News]:
    # A run may make many days stale: one line for all, or it would crowd out all other news.
    errors: dict[tuple[str, str], list[str]] = {}
    for check in run.checks:
        if check.passed:
            continue
        day = check.day or run.days
        if check.name == "snapshot_on_time":
            if check.is_error:
                text = (
                    f"The snapshot of {day} was not loaded on time: {check.figures.get('status')}"
                )
                yield News(f"late {day}", "late", text)
        elif check.is_error:
            errors.setdefault((check.name, check.asset), []).append(day)
        elif check.name == "no_anomalies":
            if run.is_daily:
                yield from _of_anomalies(day, check.figures)
        elif run.is_daily:
            about = f"check {run.run_id} {check.asset} {check.name} {day}"
            text = f"{check.name} raised a warning on {check.asset} {day}{_doubts(check)} ({run.where})"
            yield News(about, "warning", text)
    for (name, asset), days in errors.items():
        about = f"check {run.run_id} {asset} {name} {min(days)}"
        yield News(about, "error", f"{name} failed on {asset} {_span_of(days)} ({run.where})")


def _span_of(days: Sequence[str]) -> str:
    different = sorted(set(days))
    if len(different) == 1:
        return different[0]
    return f"{len(different)} days from {different[0]} to {different[-1]}"


def _doubts(check: CheckFacts) -> str:
    """Why a snapshot was accepted in doubt: the reader decides by it."""
    if check.name != "snapshot_not_in_doubt":
        return ""
    doubts = [str(text) for name, text in check.figures.items() if name.startswith("doubt_")]
    return f": {' '.join(doubts)}"


def _of_anomalies(day: str, figures: Mapping[str, Any]) -> Iterator[News]:
    """Each unusual series with its cause. The check names no segment that is withheld."""
    series = [
        (name, explanation)
        for name, explanation in figures.items()
        if isinstance(explanation, str) and " Acknowledged by " not in explanation
    ]
    for name, explanation in series[:_MOST_ANOMALIES]:
        yield News(f"anomaly {day} {name}", "unusual", f"{day}, {name}: {explanation}")
    if len(series) > _MOST_ANOMALIES:
        rest = len(series) - _MOST_ANOMALIES
        yield News(
            f"anomaly {day} and {rest} more", "unusual", f"{day}: {rest} more unusual series"
        )


def _of_metadata(run: RunFacts) -> Iterator[News]:
    if run.refused:
        yield News(f"refused {run.days} {run.refused}", "refused", f"{run.days}: {run.refused}")
    if run.restated_figures:
        yield News(f"restated {run.run_id}", "restated", _restated(run))


def _restated(run: RunFacts) -> str:
    return (
        f"{run.restated_figures:,} reported figures of {run.restated_days} were restated; the reports "
        "of these days say so"
    )


def _of_range(run: RunFacts) -> Iterator[News]:
    """One summary of a range of days."""
    unsuccessful = [check for check in run.checks if not check.passed and check.day is None]
    failed = [f"{check.name} ({_days_of(check)})" for check in unsuccessful if check.is_error]
    parts = list(run.failures)
    if failed:
        parts.append(f"failed checks: {', '.join(failed)}")
    if run.restated_figures:
        parts.append(_restated(run))
    if run.status == "success" and not run.is_daily and not parts:
        return
    end = {"success": "ended", "failure": "failed"}.get(run.status, "was canceled")
    kind = "failed" if run.status == "failure" else "error" if failed else "summary"
    details = f": {'; '.join(parts)}" if parts else ""
    yield News(f"run {run.run_id}", kind, f"{_named(run)} {end}{details} ({run.where})")


def _days_of(check: CheckFacts) -> str:
    days = check.figures.get("failed_days")
    return f"{days} days" if days != 1 else "1 day"


def news_of_backfill(backfill: BackfillFacts) -> News:
    """The one piece of news about a backfill: how it ended."""
    counts = ", ".join(f"{number} {status}" for status, number in backfill.runs.items() if number)
    details = [*backfill.failures]
    kind = "failed"
    if backfill.status.startswith("cancel"):
        kind = "cancelled"
    elif not backfill.runs.get("failure"):
        kind = "summary"
        if backfill.status == "completed_failed":
            details.append(
                "days without an accepted snapshot were left out; `enrollment status` lists them"
            )
    end = {"completed_failed": "ended", "canceled": "was canceled"}.get(
        backfill.status, backfill.status
    )
    why = f": {'; '.join(details)}" if details else ""
    link = f" ({backfill.link})" if backfill.link else ""
    return News(
        f"backfill {backfill.id}",
        kind,
        f"Backfill {backfill.id} of {backfill.days} {end}; runs: {counts or 'none'}{why}{link}",
    )


def severity_of(news: Sequence[News]) -> str:
    """How urgent a message is, in the words of Apprise: failure, warning or info."""
    kinds = {piece.kind for piece in news}
    if kinds & _FAILURES:
        return "failure"
    return "info" if kinds <= _NEWS_ONLY else "warning"


def message_about(news: Sequence[News]) -> tuple[str, list[str]]:
    """The title and the lines of one message about all news."""
    order = [kind for kind, _ in KINDS]
    ranked = sorted(news, key=lambda piece: order.index(piece.kind))
    title = dict(KINDS)[ranked[0].kind]
    if len(ranked) > 1:
        title += f", and {len(ranked) - 1} more"
    lines = [
        piece.text if len(piece.text) <= _LONGEST_LINE else piece.text[: _LONGEST_LINE - 1] + "…"
        for piece in ranked[:MOST_LINES]
    ]
    if len(ranked) > MOST_LINES:
        lines.append(f"and {len(ranked) - MOST_LINES} more; see the runs in Dagster's UI.")
    return title, lines
