"""The figures of one day's report, read from the warehouse once and passed around as they are."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd

from enrollment_assets.config import Settings, Term
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement


@dataclass(frozen=True)
class DayFigures:
    """What a report of `day` shows; nothing in it is from after that day.

    `history`: the columns of `enrollment_metrics`, for the day's terms and their comparison terms.
    `same_point`: term, comparison_term, comparison_date, comparison_total.
    `continuation`: term, date, continuation_pct, from each census on.
    `segments`: term, dimension, segment, total_enrollment, without small cells.
    """

    day: dt.date
    terms: tuple[Term, ...]
    history: pd.DataFrame
    same_point: pd.DataFrame
    continuation: pd.DataFrame
    segments: pd.DataFrame

    def of(self, term: Term) -> pd.DataFrame:
        """The term's daily figures, in order of their dates."""
        return self.history[self.history["term"] == term.code]

    def latest(self, term: Term) -> pd.Series:
        """The term's figures on the day."""
        return self.of(term).iloc[-1]


def read_frame(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str, **binds: Any
) -> pd.DataFrame:
    """What `sql/warehouse/<name>.sql` gives, with its dates as timestamps."""
    with plain_errors(f"Reading {name}"):
        found = connection.execute(statement(name, settings), binds).df()
    for column in found.columns.intersection(["date", "baseline_date", "comparison_date"]):
        found[column] = pd.to_datetime(found[column])
    return found


def read_figures(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> DayFigures | None:
    """The figures of one day, or None where no snapshot of it stands."""

    def frame(name: str, **binds: Any) -> pd.DataFrame:
        return read_frame(connection, settings, name, **binds)

    with plain_errors("Reading the day"):
        codes = connection.execute(
            "SELECT term FROM enrollment.enrollment_metrics WHERE date = ?", [day]
        ).fetchall()
    # In the order of the configuration, so that the term that started last is told last.
    terms = tuple(term for term in settings.terms if (term.code,) in codes)
    if not terms:
        return None
    shown = [term.code for term in terms]
    compared = [term.comparison for term in terms if term.comparison]
    return DayFigures(
        day=day,
        terms=terms,
        history=frame("report_history", day=day, terms=shown + compared),
        same_point=frame("report_same_point", day=day),
        continuation=frame("report_continuation", day=day, terms=shown),
        segments=frame("report_segments", day=day, small_cell=settings.privacy.small_cell),
    )
