"""The figures of one day's report, read from the warehouse once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from enrollment_assets.config import Settings, Term
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# Of the largest open term: a smaller one has no section, or does not lead.
_MATTERS, _LEADS = 0.1, 0.5
# Earlier terms in the pace chart.
EARLIER_TERMS = 3
# How long a report mentions a day that was not accepted.
_RECENT_DAYS = 14
_DATES = (
    "date",
    "baseline_date",
    "comparison_date",
    "comparison_day",
    "target_date",
    "as_of",
    "since",
)


@dataclass(frozen=True)
class OfficialCount:
    """The headcount that was frozen at a census, and the day of its snapshot."""

    day: dt.date
    students: int


@dataclass(frozen=True)
class DayFigures:
    """What a report of `day` shows; nothing in it is from after that day.

    `terms`: the terms with a snapshot of the day, in the order of the configuration; most of the
    report is about `main`, and the pace chart draws `earlier` beside it. `others` have a section, too.
    `unduplicated`: students of the day in all terms, each counted once; None where rows were pruned.
    `history`: the columns of `enrollment_metrics`, for the terms, their comparison and earlier terms.
    `same_point`: the columns of `point_in_time`, for the day.
    `continuation`: term, date, days_since_census, continuation_pct, from each census on.
    `segments`: the day's rows of `published_segments.sql`, which withholds small cells.
    `dimensions`: dimension, since and is_read of `report_dimensions.sql`, for the main term.
    `forecast`, `anomalies`, `scorecard`: the day's rows of these tables; empty without insight.
    `quality`: the day's rows of `quality_facts.sql`.
    `log`: date, term, problem of `report_index.sql`, for the last two weeks.
    `censuses`: term, snapshot_date, student_count of the frozen censuses, by term.
    """

    day: dt.date
    terms: tuple[Term, ...]
    main: Term
    others: tuple[Term, ...]
    unduplicated: int | None
    earlier: tuple[Term, ...]
    history: pd.DataFrame
    same_point: pd.DataFrame
    continuation: pd.DataFrame
    segments: pd.DataFrame
    dimensions: pd.DataFrame
    forecast: pd.DataFrame
    anomalies: pd.DataFrame
    scorecard: pd.DataFrame
    quality: pd.DataFrame
    log: pd.DataFrame
    censuses: Mapping[str, OfficialCount]

    @cached_property
    def _by_term(self) -> Mapping[str, pd.DataFrame]:
        return {str(term): rows for term, rows in self.history.groupby("term", sort=False)}

    def history_of(self, term: Term) -> pd.DataFrame:
        """The term's daily figures, sorted by date."""
        rows = self._by_term.get(term.code)
        return self.history.head(0) if rows is None else rows

    def latest(self, term: Term) -> pd.Series:
        """The term's figures on the day."""
        return self.history_of(term).iloc[-1]

    def comparison(self, term: Term) -> pd.Series | None:
        """The term's row of `point_in_time`, if there is something to compare with."""
        rows = self.same_point[self.same_point["term"] == term.code]
        rows = rows[rows["comparison_date"].notna()]
        return None if rows.empty else rows.iloc[0]

    def at_same_point(self, term: Term) -> pd.Series | None:
        """The figures of the comparison term at the same point."""
        row = self.comparison(term)
        if row is None:
            return None
        past = self.history[
            (self.history["term"] == row["comparison_term"])
            & (self.history["date"] == row["comparison_date"])
        ]
        return None if past.empty else past.iloc[0]

    def at_census(self, term: Term) -> pd.Series | None:
        """The term's figures on its census, or on the last day before it that has a snapshot."""
        rows = self.history_of(term)
        rows = rows[rows["date"] <= pd.Timestamp(term.census)]
        return None if rows.empty else rows.iloc[-1]

    def about(self, term: Term, settings: Settings) -> DayFigures:
        """The same figures, for a section about another term."""
        return replace(self, main=term, earlier=_ended_terms(settings, term, self.day))

    def official(self, term: Term) -> OfficialCount | None:
        """The term's frozen census, once it is behind."""
        official = self.censuses.get(term.code)
        is_behind = term.census <= self.day and official is not None and official.day <= self.day
        return official if is_behind else None

    def live(self, term: Term, day: dt.date) -> int | None:
        """The term's headcount of a day by the current snapshots."""
        rows = self.history_of(term)
        rows = rows[rows["date"] == pd.Timestamp(day)]
        return None if rows.empty else int(rows["total_enrollment"].iloc[0])

    def continuation_of(self, code: str) -> pd.DataFrame:
        """The term's continuation since its census; empty before it."""
        return self.continuation[self.continuation["term"] == code]

    def forecast_of(self, term: Term) -> pd.DataFrame:
        """The term's forecasts, without the rows that only say why there is none."""
        rows = self.forecast[self.forecast["term"] == term.code]
        return rows[rows["forecast"].notna()]

    def census_forecast(self, term: Term) -> pd.Series | None:
        """The term's forecast of its census, if there is one."""
        rows = self.forecast_of(term)
        rows = rows[rows["target_date"] == pd.Timestamp(term.census)]
        return None if rows.empty else rows.iloc[0]


def order_of_terms(
    terms: Sequence[Term],
    history: pd.DataFrame,
    same_point: pd.DataFrame,
    day: dt.date,
    lead: str | None,
) -> tuple[Term, ...]:
    """The terms that matter on a day, in the order in which a report is about them.

    Before its census comes first, then the larger one. A term is as large as its headcount, or as its
    comparison term became: registration starts with few. Parts of another open term and terms of less
    than a tenth of the largest one are left out; so is, from the lead, one of less than half of it.
    `lead` is the code of a term that comes first in any case.
    """
    sizes = {term.code: _size(term, history, same_point) for term in terms}
    codes = set(sizes)
    whole = [term for term in terms if term.parent not in codes] or list(terms)
    largest = max(sizes[term.code] for term in whole)
    matter = [t for t in whole if sizes[t.code] >= _MATTERS * largest or t.code == lead]

    def rank(term: Term) -> tuple[bool, bool, float, dt.date]:
        size = sizes[term.code]
        may_lead = day < term.census and size >= _LEADS * largest
        return term.code != lead, not may_lead, -size, term.starts

    chosen = [term for term in terms if term.code == lead and term not in matter]
    return tuple(sorted([*matter, *chosen], key=rank))


def _size(term: Term, history: pd.DataFrame, same_point: pd.DataFrame) -> float:
    now = history.loc[history["term"] == term.code, "total_enrollment"]
    row = same_point[same_point["term"] == term.code]
    known = [row[name].max() for name in ("comparison_census", "comparison_final")]
    return max(float(size) for size in (now.iloc[-1], *known) if pd.notna(size))


def _ended_terms(settings: Settings, main: Term, day: dt.date) -> tuple[Term, ...]:
    """Earlier terms to draw beside the main one; one that is still open is no earlier one."""
    return tuple(
        term for term in settings.earlier_terms(main, EARLIER_TERMS) if not term.is_open(day)
    )


def read_frame(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str, **binds: Any
) -> pd.DataFrame:
    """The rows of `<name>.sql`, with dates as timestamps."""
    with plain_errors(f"Reading {name}"):
        rows = connection.execute(statement(name, settings), binds).df()
    for column in rows.columns.intersection(list(_DATES)):
        rows[column] = pd.to_datetime(rows[column])
    return rows


def read_figures(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> DayFigures | None:
    """The figures of one day, or None if it has no accepted snapshot."""

    def frame(name: str, **binds: Any) -> pd.DataFrame:
        return read_frame(connection, settings, name, **binds)

    with plain_errors("Reading the day"):
        codes = connection.execute(
            "SELECT term FROM enrollment.enrollment_metrics WHERE date = ?", [day]
        ).fetchall()
        official = connection.execute(
            "SELECT term, snapshot_date, student_count FROM operations.census_snapshots"
        ).fetchall()
    terms = tuple(term for term in settings.terms if (term.code,) in codes)
    if not terms:
        return None
    shown = [term.code for term in terms]
    compared = [term.comparison for term in terms if term.comparison]
    past = [
        earlier.code for term in terms for earlier in settings.earlier_terms(term, EARLIER_TERMS)
    ]
    history = frame("report_history", day=day, terms=sorted({*shown, *past}))
    # The query, not its table, so that a report without insight has the comparison too.
    same_point = frame("point_in_time", first=day, last=day)
    main, *others = order_of_terms(terms, history, same_point, day, settings.reports.lead_term)
    together = frame("report_unduplicated", day=day)["unduplicated_enrollment"].dropna()
    recent = frame("report_index", first=day - dt.timedelta(_RECENT_DAYS - 1), last=day)
    return DayFigures(
        day=day,
        terms=terms,
        main=main,
        others=tuple(others),
        unduplicated=int(together.iloc[0]) if len(together) else None,
        earlier=_ended_terms(settings, main, day),
        history=history,
        same_point=same_point,
        continuation=frame("report_continuation", day=day, terms=sorted({*shown, *compared})),
        segments=frame("published_segments", first=day, last=day),
        dimensions=frame("report_dimensions", term=main.code, day=day),
        forecast=frame("report_forecast", day=day),
        anomalies=frame("report_anomalies", first=day, last=day),
        scorecard=frame("report_scorecard", day=day),
        quality=frame("quality_facts", first=day, last=day),
        log=recent[recent["problem"].notna()],
        censuses={term: OfficialCount(date, count) for term, date, count in official},
    )
