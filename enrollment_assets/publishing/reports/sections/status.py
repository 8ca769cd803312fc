"""Whether the day's data is complete, and the dates that the figures refer to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import count, distance, label, label_of, plain
from enrollment_assets.publishing.reports.texts import OK, PROVISIONAL, Tile
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_PROBLEMS = {
    "missing": "has no snapshot for this day",
    "held": "has a held snapshot for this day, which waits for a decision",
    "rejected": "has a rejected snapshot for this day",
    "doubtful": "has a snapshot for this day that was accepted although it looks like a fault",
}


def status(figures: DayFigures, settings: Settings) -> tuple[str, str]:
    """Whether every expected term has an accepted snapshot, and which terms have none."""
    found = list(problems(figures, settings))
    if not found:
        return OK, "Every expected term has an accepted snapshot for this day."
    words = f"{'; '.join(found)}."
    waiting = int((_of_day(figures)["problem"] != "doubtful").sum())
    if waiting:
        words += f" Figures will change once {'it is' if waiting == 1 else 'they are'} accepted."
    return PROVISIONAL, words


def problems(figures: DayFigures, settings: Settings) -> Iterator[str]:
    """The terms whose snapshot of the day is missing, held, rejected or in doubt."""
    for term, problem in _of_day(figures)[["term", "problem"]].to_numpy().tolist():
        yield f"{label_of(term, settings)} {_PROBLEMS.get(problem, problem)}"


def _of_day(figures: DayFigures) -> pd.DataFrame:
    return figures.log[figures.log["date"] == pd.Timestamp(figures.day)]


def facts(figures: DayFigures, settings: Settings) -> tuple[Tile, ...]:
    """The day, the day that it is compared with, and how far away start and census are."""
    main, now = figures.main, figures.latest(figures.main)
    past = figures.comparison(main)
    if past is None:
        compared = Tile("Compared with", "none", why_not_compared(figures))
    else:
        note = plain(past["note"]) if pd.notna(past["note"]) else ""
        name = label_of(past["comparison_term"], settings)
        compared = Tile("Compared with", f"{name} on {past['comparison_date'].date()}", note)
    return (
        Tile("As of", str(figures.day)),
        *_together(figures, settings),
        compared,
        Tile("Term start", distance(int(now["days_to_start"]), main.starts)),
        Tile("Census", distance(int(now["days_to_census"]), main.census)),
    )


def _together(figures: DayFigures, settings: Settings) -> tuple[Tile, ...]:
    """The unduplicated headcount, where several terms are open."""
    if len(figures.terms) == 1 or figures.unduplicated is None:
        return ()
    students = plain(settings.vocabulary.students)
    total = sum(int(figures.latest(term)["total_enrollment"]) for term in figures.terms)
    note = f"each counted once; the {len(figures.terms)} open terms add up to {count(total)}"
    return (Tile(f"{students.capitalize()} in all terms", count(figures.unduplicated), note),)


def why_not_compared(figures: DayFigures) -> str:
    """Why the main term has nothing to be compared with."""
    notes = figures.same_point.loc[figures.same_point["term"] == figures.main.code, "note"].dropna()
    text = plain(notes.iloc[0]) if len(notes) else "there is no earlier snapshot to compare with"
    return text.replace(figures.main.code, label(figures.main))
