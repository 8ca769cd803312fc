"""What the people who run this are told of: pure, from what a run left behind to words.

Nothing here knows Dagster or a channel. News carry an id of what they are about, by which those who
were told are not told again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Lines in one message; a channel shows no more, and nobody reads more.
MOST_LINES = 20
_MOST_ANOMALIES = 5
_LONGEST_LINE = 600

# The most pressing first: this is what the title of a message says.
KINDS = (
    ("held", "the mail is held"),
    ("failed", "a run failed"),
    ("late", "a snapshot is late"),
    ("error", "a check found an error"),
    ("cancelled", "a run was cancelled"),
    ("refused", "recipients were refused"),
    ("restated", "reported figures changed"),
    ("unusual", "an unusual change"),
    ("warning", "a check warns"),
    ("summary", "a backfill ended"),
)


@dataclass(frozen=True)
class News:
    """One thing to tell, and what it is about."""

    id: str
    kind: str
    words: str


@dataclass(frozen=True)
class CheckFacts:
    """What a check found; `figures` are its metadata."""

    name: str
    asset: str
    day: str | None
    passed: bool
    is_error: bool
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """What a run that ended left behind.

    `days` is its partition or range in words. `is_daily`: it is the morning's run, or a range that
    somebody asked for, and not one that only brings figures up to date. `mails`: it was to mail its
    day, and has not. A run that is part of a backfill is told of with the backfill.
    """

    run_id: str
    job: str
    days: str
    status: str
    is_range: bool = False
    is_daily: bool = False
    in_backfill: bool = False
    mails: bool = False
    failures: tuple[str, ...] = ()
    checks: tuple[CheckFacts, ...] = ()
    restated_figures: int = 0
    restated_days: str = ""
    refused: str = ""


@dataclass(frozen=True)
class BackfillFacts:
    """A backfill that ended: how many of its runs did what, and why the first failed ones did."""

    id: str
    days: str
    status: str
    runs: Mapping[str, int]
    failures: tuple[str, ...] = ()


def news_of_run(run: RunFacts) -> list[News]:
    """What a run has to tell; a range of days has one piece of news at most."""
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
        yield News(f"run {run.run_id}", "failed", f"{_named(run)} failed: {why} (run {run.run_id})")
    else:
        yield News(
            f"run {run.run_id}", "cancelled", f"{_named(run)} was cancelled (run {run.run_id})"
        )
    if run.mails:
        yield held(run.days, "its run did not get that far")


def held(day: str, why: str) -> News:
    """The notice that a day's mail is held; a day has one, however often it is tried."""
    return News(
        f"held {day}",
        "held",
        f"The mail of {day} is held: {why}. Recipients who do not have it get it once a run with mail "
        f"succeeds (enrollment run --date {day} --email).",
    )


def _of_checks(run: RunFacts) -> Iterator[News]:
    for check in run.checks:
        if check.passed:
            continue
        day = check.day or run.days
        about = f"check {run.run_id} {check.asset} {check.name} {day}"
        if check.name == "snapshot_on_time":
            if check.is_error:
                words = (
                    f"The snapshot of {day} was not taken in on time: {check.figures.get('status')}"
                )
                yield News(f"late {day}", "late", words)
        elif check.is_error:
            yield News(about, "error", f"{check.name} failed on {check.asset} {day}")
        elif check.name == "no_anomalies":
            if run.is_daily:
                yield from _of_anomalies(day, check.figures)
        elif run.is_daily:
            yield News(about, "warning", f"{check.name} warns on {check.asset} {day}")


def _of_anomalies(day: str, figures: Mapping[str, Any]) -> Iterator[News]:
    """Each unusual series with its cause. The check names no segment that is withheld."""
    series = [
        (name, words)
        for name, words in figures.items()
        if isinstance(words, str) and " Acknowledged by " not in words
    ]
    for name, words in series[:_MOST_ANOMALIES]:
        yield News(f"anomaly {day} {name}", "unusual", f"{day}, {name}: {words}")
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
        f"{run.restated_figures:,} figures that had been reported changed, of {run.restated_days}; "
        "their reports say so"
    )


def _of_range(run: RunFacts) -> Iterator[News]:
    """One summary of a range of days."""
    found = [check for check in run.checks if not check.passed and check.day is None]
    failed = [f"{check.name} ({_days_of(check)})" for check in found if check.is_error]
    parts = list(run.failures)
    if failed:
        parts.append(f"errors of {', '.join(failed)}")
    if run.restated_figures:
        parts.append(_restated(run))
    if run.status == "success" and not run.is_daily and not parts:
        return
    end = {"success": "ended", "failure": "failed"}.get(run.status, "was cancelled")
    kind = "failed" if run.status == "failure" else "error" if failed else "summary"
    said = f": {'; '.join(parts)}" if parts else ""
    yield News(f"run {run.run_id}", kind, f"{_named(run)} {end}{said} (run {run.run_id})")


def _days_of(check: CheckFacts) -> str:
    days = check.figures.get("failed_days")
    return f"{days} days" if days != 1 else "1 day"


def news_of_backfill(backfill: BackfillFacts) -> News:
    """The one thing that is told of a backfill: how it ended."""
    counts = ", ".join(f"{number} {status}" for status, number in backfill.runs.items() if number)
    why = f": {'; '.join(backfill.failures)}" if backfill.failures else ""
    return News(
        f"backfill {backfill.id}",
        "failed" if backfill.failures or backfill.status != "completed" else "summary",
        f"Backfill {backfill.id} of {backfill.days} {backfill.status}; runs: {counts or 'none'}{why}",
    )


def worded(news: Sequence[News]) -> tuple[str, list[str]]:
    """The title and the lines of one message about all of it."""
    order = [kind for kind, _ in KINDS]
    ranked = sorted(news, key=lambda piece: order.index(piece.kind))
    title = dict(KINDS)[ranked[0].kind]
    if len(ranked) > 1:
        title += f", and {len(ranked) - 1} more"
    lines = [
        piece.words if len(piece.words) <= _LONGEST_LINE else piece.words[: _LONGEST_LINE - 1] + "…"
        for piece in ranked[:MOST_LINES]
    ]
    if len(ranked) > MOST_LINES:
        lines.append(f"and {len(ranked) - MOST_LINES} more; see the runs in Dagster's UI.")
    return title, lines
