"""A term's days as arrays, and those of earlier terms beside them: what anomalies are looked for in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings, Term
from enrollment_assets.config.sections import Anchor
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Numbers = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]
else:
    np = lazy("numpy")
    pd = lazy("pandas")

SERIES = ("new_students", "dropped_students", "net_change")
ADDED, DROPPED, NET = range(3)

# A ratio of headcounts counts as if both terms had so many students more, and stays in bounds.
PRIOR, RATIOS = 30.0, (1 / 3, 3.0)

_STANDARD = ("registration opens", "the term starts", "census", "the term ends")
# No closure is followed further than this for the next business day.
_MOST_CLOSED_DAYS = 30
EPOCH = dt.date(1970, 1, 1)

Segment = tuple[str, str]


@dataclass(frozen=True)
class TermDays:
    """A term's n days with a snapshot; columns are the total and its segments, g together."""

    term: Term
    names: Sequence[Segment | None]  # of the columns
    day: Integers  # days since 1970
    relative: Integers  # days since the anchor
    gap: Integers  # days since the baseline; 0 on the term's first snapshot
    business: Integers  # of these, how many are business days
    learnable: Flags  # neither acknowledged nor the first
    events: Sequence[Mapping[str, int]]  # what may show on the day, and days since it
    before: Numbers  # n x g: students at the baseline
    rates: Numbers  # 3 x n x g: students a day, in the order of SERIES
    there: Flags  # n x g: whether the segment has a row
    returning: Numbers

    def row(self, day: int) -> int | None:
        """The row of a day, if it has a snapshot."""
        place = int(np.searchsorted(self.day, day))
        return place if place < len(self.day) and self.day[place] == day else None


@dataclass(frozen=True)
class EarlierTerm:
    """An earlier term in the columns of the tested one."""

    days: TermDays
    learnable: Flags
    before: Numbers
    rates: Numbers
    there: Flags

    def ratio(self, now: Numbers, rows: Integers) -> Numbers:
        """The tested headcount (g) over that of these rows; NaN for segments that they lack."""
        if not len(rows):
            return np.ones_like(now)
        ratio = np.clip((now + PRIOR) / (self.before[rows].mean(axis=0) + PRIOR), *RATIOS)
        return np.where(self.there[rows].any(axis=0), ratio, np.nan)


def days_of_terms(
    metrics: pd.DataFrame,
    segments: pd.DataFrame,
    settings: Settings,
    acknowledged: Collection[tuple[dt.date, str]],
) -> dict[str, TermDays]:
    """The days of each term that the settings name; for the arguments see `anomalies.detect`."""
    return {
        str(code): _days(settings, settings.terms_by_code[str(code)], rows, parts, acknowledged)
        for code, rows, parts in _by_term(metrics, segments)
        if code in settings.terms_by_code
    }


def _by_term(
    metrics: pd.DataFrame, segments: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    parts = dict(list(segments.groupby("term"))) if len(segments) else {}
    for code, rows in metrics.groupby("term"):
        yield str(code), rows.sort_values("date"), parts.get(code, segments.head(0))


def _days(
    settings: Settings,
    term: Term,
    rows: pd.DataFrame,
    parts: pd.DataFrame,
    acknowledged: Collection[tuple[dt.date, str]],
) -> TermDays:
    day = rows["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    gap = rows["days_since_baseline"].fillna(0).to_numpy(dtype=np.int64)
    n = len(day)
    of_dimension, dimensions = pd.factorize(parts["dimension"], sort=True)
    of_segment, segments = pd.factorize(parts["segment"], sort=True)
    pairs, column = np.unique(of_dimension * len(segments) + of_segment, return_inverse=True)
    names = [
        (str(dimensions[pair // len(segments)]), str(segments[pair % len(segments)]))
        for pair in pairs
    ]
    # a segment without a row on a day had nobody then and nobody at the baseline
    counts = np.zeros((4, n, 1 + len(names)))
    there = np.zeros((n, 1 + len(names)), dtype=bool)
    wanted = [*SERIES, "total_enrollment"]
    counts[:, :, 0] = rows[wanted].to_numpy(dtype=float).T
    days = parts["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    at = np.minimum(np.searchsorted(day, days), n - 1)
    known = day[at] == days
    counts[:, at[known], 1 + column[known]] = parts[wanted].to_numpy(dtype=float).T[:, known]
    there[at[known], 1 + column[known]] = True
    first, last = int(day[0] - gap[0]), int(day[-1])
    span = [EPOCH + dt.timedelta(number) for number in range(first, last + 1)]
    events = _events(settings, term)
    business = np.cumsum([_is_business(date, settings) for date in span])
    left_out = {(date - EPOCH).days for date, code in acknowledged if code == term.code}
    anchor = {
        Anchor.starts: term.starts,
        Anchor.registration_opens: term.registration_opens,
        Anchor.census: term.census,
    }[settings.point_in_time.anchor]
    return TermDays(
        term=term,
        names=[None, *names],
        day=day,
        relative=day - (anchor - EPOCH).days,
        gap=gap,
        business=business[day - first] - business[day - gap - first],
        learnable=(gap > 0) & ~np.isin(day, sorted(left_out)),
        events=[
            {
                name: since + back
                for back in range(since_baseline)
                for name, since in events.get(now - back, {}).items()
            }
            for now, since_baseline in zip(day.tolist(), gap.tolist(), strict=True)
        ],
        before=counts[3] - counts[2],
        rates=counts[:3] / np.maximum(gap, 1)[None, :, None],
        there=there,
        returning=rows["returning_students"].to_numpy(dtype=float),
    )


def _is_business(date: dt.date, settings: Settings) -> bool:
    return date.weekday() < 5 and date not in settings.calendar.closures  # noqa: PLR2004 - Saturday


def _events(settings: Settings, term: Term) -> dict[int, dict[str, int]]:
    """What is expected to move students, under each day on which it may show, with days since it.

    A list that is made in the morning shows an event's movement a business day later.
    """
    standard = (term.registration_opens, term.starts, term.census, term.ends)
    named = [(e.name, e.date) for e in settings.calendar.events if term.is_open(e.date)]
    events: dict[int, dict[str, int]] = {}
    for name, date in [*zip(_STANDARD, standard, strict=True), *named]:
        for since in range(_MOST_CLOSED_DAYS):
            shows = date + dt.timedelta(since)
            events.setdefault((shows - EPOCH).days, {})[name] = since
            if since and _is_business(shows, settings):
                break
    return events


def earlier_terms(
    settings: Settings, terms: Mapping[str, TermDays], tested: TermDays
) -> list[EarlierTerm]:
    """The earlier terms; days of an event that this term has too are compared by its name alone."""
    here = {name for names in _events(settings, tested.term).values() for name in names}
    earlier = []
    for term in settings.earlier_terms(tested.term):
        days = terms.get(term.code)
        if days is None:
            continue
        at = {name: column for column, name in enumerate(days.names)}
        column = np.array([at.get(name, -1) for name in tested.names])
        plain = np.array([not here & events.keys() for events in days.events], dtype=bool)
        there = days.there[:, column] & (column >= 0)
        there[:, 0] = True
        before, rates = days.before[:, column], days.rates[:, :, column]
        earlier.append(EarlierTerm(days, days.learnable & plain, before, rates, there))
    return earlier


def date_of(day: int) -> dt.date:
    """The date of a day, which counts from 1970."""
    return EPOCH + dt.timedelta(day)
