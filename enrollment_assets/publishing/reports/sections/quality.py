"""What readers should know about the day's data, with the probable cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import at_most, count, label_of, percent
from enrollment_assets.publishing.reports.sections.status import problems
from enrollment_assets.support.lazy import lazy
from enrollment_assets.support.ranges import as_ranges

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# What the ledger counts, the most serious first: column, what happened to the rows, probable cause.
_COUNTED = (
    ("duplicate_count", "{were} duplicates; one of each was kept", "a join in the query"),
    ("missing_count", "had no ID and {were} excluded", "a query that also reads other people"),
    (
        "unknown_status_count",
        "had a status that is neither counted nor ignored and {were} excluded",
        "a new code in the source system",
    ),
    ("invalid_count", "had an ID in an unexpected format", "another kind of ID"),
    ("blank_count", "had no value in at least one dimension", "incomplete records"),
    (
        "outside_count",
        "fell outside the term's dates and {were} excluded",
        "the term's dates in the configuration",
    ),
)


def remarks(figures: DayFigures, settings: Settings) -> tuple[str, ...]:
    """Problems of the day's snapshots first, days without a snapshot last."""
    return at_most(_remarks(figures, settings))


def _remarks(figures: DayFigures, settings: Settings) -> Iterator[str]:
    for problem in problems(figures, settings):
        yield f"{problem}."
    for _, row in figures.quality.iterrows():
        yield from _of_snapshot(row, settings)
    yield from _recent_gaps(figures, settings)


def _of_snapshot(row: pd.Series, settings: Settings) -> Iterator[str]:
    if pd.isna(row["term"]):
        yield (
            f"{_rows(row['row_count'])} of unknown terms {_were(row['row_count'])} excluded. Probable "
            "cause: a new term that is not configured yet."
        )
        return
    name = label_of(row["term"], settings)
    if row["is_unchanged"] is True and row["usually_differs"] is True:
        yield f"{name}: same rows as on the previous business day. Probable cause: an old extract."
    for column, happened, cause in _COUNTED:
        number = row[column]
        if pd.notna(number) and number > 0:
            share = percent(100 * number / max(row["row_count"], number), 2)
            yield (
                f"{name}: {_rows(number)} ({share}) {happened.format(were=_were(number))}. Probable "
                f"cause: {cause}."
            )


def _recent_gaps(figures: DayFigures, settings: Settings) -> Iterator[str]:
    earlier = figures.log[figures.log["date"] < pd.Timestamp(figures.day)]
    first_days = figures.history.groupby("term")["date"].min()
    for term, of_term in earlier.groupby("term", sort=False):
        # No change covers days before the first snapshot.
        rows = of_term[~(of_term["date"] < first_days.get(term, pd.NaT))]
        if rows.empty:
            continue
        gaps = sorted(
            (span, str(problem))
            for problem, of_kind in rows.groupby("problem")
            for span in _spans(of_kind["date"])
        )
        dates = ", ".join(f"{span} ({problem})" for span, problem in gaps)
        yield (
            f"{label_of(str(term), settings)}: not accepted in the last two weeks: {dates}. The next "
            "snapshot's changes cover more than one day."
        )


def _spans(dates: pd.Series[Any]) -> Iterator[str]:
    for first, last in as_ranges([date.date() for date in dates], gap_days=1):
        yield str(first) if first == last else f"{first} to {last}"


def _rows(number: Any) -> str:
    return "1 row" if number == 1 else f"{count(number)} rows"


def _were(number: Any) -> str:
    return "was" if number == 1 else "were"
