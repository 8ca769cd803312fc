"""Tells unusual movement from a term's rhythm: pure functions on the figures of the core.

For each tested day and term: what earlier days and earlier terms let one expect of the added students,
the dropped ones and the net change, in total and in each segment, and how far off the day is.
Nothing after the tested day is used, and no day's rows depend on which other days are tested.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
COLUMNS = (
    *("date", "term", "series", "dimension", "segment", "observed", "expected", "lower", "upper"),
    *("score", "is_anomaly", "kind", "explanation"),
)

# How many comparable days make an expected value, and how far off they may be.
LEAST_DAYS, OWN_DAYS, NEAR_DAYS = 5, 56, 2
# The level is that of the latest so many comparable days; all of them tell the scatter.
LATEST_DAYS = 10
# What the same weekday reached in the last eight weeks counts from so many of them on.
LEAST_WEEKS = 4
# A day scatters by 1.5 times the root of its count, and by 0.3 % of the headcount, at the least.
ROOT, SHARE = 1.5, 0.003
# Few comparable days tell the scatter badly: the scale grows by this many days over their number.
FEW_DAYS = 5.0
# Around a calendar event whose size no earlier term shows, eight times the usual scale is usual: with
# the threshold of 4 a purge of up to a tenth of all students. One whose size is known scatters by 30 %.
UNKNOWN_EVENT, EVENT_SHARE = 8.0, 0.3
# A ratio of headcounts counts as if both terms had so many students more, and stays in bounds.
PRIOR, RATIOS = 30.0, (1 / 3, 3.0)
# Share of false ones among the segments that are shown, and how many are shown.
FALSE_DISCOVERIES, MOST_SEGMENTS = 0.01, 5

# A segment explains a deviation if it has this share of it.
MOST_OF_IT = 0.6
# The least share that is called missing everywhere, and the least loss of a segment that tells one.
LOST_EVERYWHERE, ENOUGH_LOST = 0.02, 8

_STANDARD = ("registration opens", "the term starts", "census", "the term ends")
# No closure is followed further than this for the next business day.
_MOST_CLOSED_DAYS = 30
_EPOCH = dt.date(1970, 1, 1)

Segment = tuple[str, str]


@dataclass(frozen=True)
class _Days:
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
        found = int(np.searchsorted(self.day, day))
        return found if found < len(self.day) and self.day[found] == day else None


@dataclass(frozen=True)
class _Earlier:
    """An earlier term in the columns of the tested one."""

    days: _Days
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


@dataclass(frozen=True)
class _Usual:
    """What is usual on a day: arrays of 3 series by g columns, in students a day."""

    expected: Numbers
    scale: Numbers
    lower: Numbers
    upper: Numbers
    event: str = ""


def detect(
    metrics: pd.DataFrame,
    segments: pd.DataFrame,
    days: Sequence[dt.date],
    settings: Settings,
    acknowledged: Collection[tuple[dt.date, str]] = (),
) -> pd.DataFrame:
    """The rows of `enrollment_anomalies` of these days.

    Args:
        metrics: rows of `enrollment_metrics`, of any dates, of the terms to test and the earlier
            terms that they are compared with.
        segments: rows of `segment_metrics` of the same terms; may be empty.
        days: the tested days; those without a row in `metrics` give none.
        settings: dates, earlier terms, calendar, threshold and least number of students.
        acknowledged: days and terms that are not learned from.

    Returns:
        The table's columns, ordered by date and term: three rows for each term's total, then at
        most five for unusual segments. Figures are students a day.

    The expected value is a median of comparable days: the last ten of the term's last eight weeks
    that cover as many business and other days, and those of earlier terms within two days of the
    same distance to the anchor, in the ratio of the headcounts. Where both are there, the middle
    between the two medians. Scatter is the scaled median absolute deviation (1.4826 x MAD; Rousseeuw
    and Croux 1993, doi:10.1080/01621459.1993.10476408), more where few days are comparable.

    A figure is unusual if it is off by more than the threshold times the scatter, by the least
    number of students, and outside what was reached near the same point of earlier terms and on the
    same weekday of the last weeks, the most extreme one left out. On days of a calendar event, up
    to the next business day, what the event of that name did in earlier terms is usual as well.
    What was tried and what it finds: `bench/anomaly_faults.py`.
    """
    terms = {
        str(code): _days(settings, settings.terms_by_code[str(code)], rows, parts, acknowledged)
        for code, rows, parts in _by_term(metrics, segments)
        if code in settings.terms_by_code
    }
    rows: list[dict[str, Any]] = []
    earlier = {code: _earlier_terms(settings, terms, tested) for code, tested in terms.items()}
    for date in sorted(set(days)):
        for code in sorted(terms):
            row = terms[code].row((date - _EPOCH).days)
            if row is not None:
                rows += _judge(terms[code], row, earlier[code], settings)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["observed", "expected", "lower", "upper", "score"]
    texts = ["term", "series", "dimension", "segment", "kind", "explanation"]
    kinds = dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "object")
    return frame.astype({"date": "datetime64[us]", "is_anomaly": "bool", **kinds})


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
) -> _Days:
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
    span = [_EPOCH + dt.timedelta(number) for number in range(first, last + 1)]
    events = _events(settings, term)
    business = np.cumsum([_is_business(date, settings) for date in span])
    left_out = {(date - _EPOCH).days for date, code in acknowledged if code == term.code}
    anchor = {
        Anchor.starts: term.starts,
        Anchor.registration_opens: term.registration_opens,
        Anchor.census: term.census,
    }[settings.point_in_time.anchor]
    return _Days(
        term=term,
        names=[None, *names],
        day=day,
        relative=day - (anchor - _EPOCH).days,
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
    found: dict[int, dict[str, int]] = {}
    for name, date in [*zip(_STANDARD, standard, strict=True), *named]:
        for since in range(_MOST_CLOSED_DAYS):
            shows = date + dt.timedelta(since)
            found.setdefault((shows - _EPOCH).days, {})[name] = since
            if since and _is_business(shows, settings):
                break
    return found


def _earlier_terms(settings: Settings, terms: Mapping[str, _Days], tested: _Days) -> list[_Earlier]:
    """The earlier terms; days of an event that this term has too are compared by its name alone."""
    here = {name for names in _events(settings, tested.term).values() for name in names}
    found = []
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
        found.append(_Earlier(days, days.learnable & plain, before, rates, there))
    return found


def _median(values: Numbers) -> Numbers:
    """The median along the second axis; NaN are left out, and the result where there are only NaN."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.maximum((~np.isnan(values)).sum(axis=1, keepdims=True), 1)
    low = np.take_along_axis(ordered, (count - 1) // 2, axis=1)
    high = np.take_along_axis(ordered, count // 2, axis=1)
    middle: Numbers = ((low + high) / 2)[:, 0]
    return middle


def _centre_and_spread(own: Numbers, early: Numbers) -> tuple[Numbers, Numbers]:
    """Expected value and scatter of the days of the term (3 x n x g) and of earlier ones."""
    pool = np.concatenate([own, early], axis=1)
    latest = own[:, -LATEST_DAYS:]
    centre = _median(np.concatenate([latest, early], axis=1))
    if min(own.shape[1], early.shape[1]) > NEAR_DAYS:
        both = (_median(latest) + _median(early)) / 2
        centre = np.where(np.isnan(both), centre, both)
    spread = 1.4826 * _median(np.abs(pool - centre[:, None]))
    return centre, spread * (1 + FEW_DAYS / pool.shape[1])


def _usual(tested: _Days, row: int, earlier: Sequence[_Earlier], threshold: float) -> _Usual | str:
    """What is usual on a day, or why that cannot be said."""
    today, gap, business = (int(a[row]) for a in (tested.day, tested.gap, tested.business))
    plain = np.array([not names for names in tested.events[:row]], dtype=bool)
    recent = np.flatnonzero(
        tested.learnable[:row] & plain & (tested.day[:row] >= today - gap - OWN_DAYS)
    )
    near = [
        np.flatnonzero(
            other.learnable
            & (np.abs(other.days.relative - tested.relative[row]) <= NEAR_DAYS)
            & (other.days.day < today)
        )
        for other in earlier
    ]
    ratios = [
        other.ratio(tested.before[row], rows) for other, rows in zip(earlier, near, strict=True)
    ]
    nothing = np.empty((len(SERIES), 0, len(tested.names)))

    def comparable(days: int, open_days: int) -> tuple[Numbers, Numbers]:
        def of(other: _Days, rows: Integers) -> Integers:
            same: Integers = rows[(other.gap[rows] == days) & (other.business[rows] == open_days)]
            return same

        early = [
            other.rates[:, of(other.days, rows)] * ratio
            for other, rows, ratio in zip(earlier, near, ratios, strict=True)
        ]
        return tested.rates[:, of(tested, recent)], np.concatenate([nothing, *early], axis=1)

    # A gap like no other is put together from shorter ones, in the end from single days.
    sizes = {(int(tested.gap[at]), int(tested.business[at])) for at in recent}
    for other, rows in zip(earlier, near, strict=True):
        sizes |= {(int(other.days.gap[at]), int(other.days.business[at])) for at in rows}
    left, open_left, parts = gap, business, []
    for days, open_days in sorted(sizes, reverse=True):
        closed, closed_left = days - open_days, left - open_left
        times = min(
            open_left // open_days if open_days else left, closed_left // closed if closed else left
        )
        pools = comparable(days, open_days) if times else (nothing, nothing)
        if sum(pool.shape[1] for pool in pools) >= LEAST_DAYS:
            parts.append((times * days / gap, *_centre_and_spread(*pools)))
            left, open_left = left - times * days, open_left - times * open_days
    if left:
        found = sum(pool.shape[1] for pool in comparable(gap, business))
        return f"too little history: {found} comparable days, {LEAST_DAYS} needed"
    expected = np.sum([share * centre for share, centre, _ in parts], axis=0)
    spread = np.sum([share * scatter for share, _, scatter in parts], axis=0)
    floor = np.maximum(
        ROOT * np.sqrt(np.abs(expected) * gap + 1) / gap,
        SHARE * tested.before[row] / np.sqrt(gap),
    )
    scale = np.maximum(spread, floor)
    reached = [expected[:, None]] + [
        other.rates[:, rows[(other.days.business[rows] > 0) == (business > 0)]] * ratio
        for other, rows, ratio in zip(earlier, near, ratios, strict=True)
    ]
    alike = recent[
        ((today - tested.day[recent]) % 7 == 0) & ((tested.business[recent] > 0) == (business > 0))
    ]
    weekdays = np.sort(tested.rates[:, alike], axis=1)
    if weekdays.shape[1] >= LEAST_WEEKS:
        # The most extreme one may have been a fault itself.
        reached.append(weekdays[:, [1, -2]])
    usual = _bounds(expected, scale, reached, threshold)
    return _at_event(tested, row, earlier, usual, threshold) if tested.events[row] else usual


def _bounds(
    expected: Numbers, scale: Numbers, reached: Sequence[Numbers], threshold: float, event: str = ""
) -> _Usual:
    seen = np.concatenate(reached, axis=1)
    least, most = np.fmin.reduce(seen, axis=1), np.fmax.reduce(seen, axis=1)
    lower = np.fmin(expected - threshold * scale, least - ROOT * np.sqrt(np.abs(least) + 1))
    upper = np.fmax(expected + threshold * scale, most + ROOT * np.sqrt(np.abs(most) + 1))
    lower[:2] = np.maximum(lower[:2], 0)  # nobody is added or dropped less than never
    return _Usual(expected, scale, lower, upper, event)


def _at_event(
    tested: _Days, row: int, earlier: Sequence[_Earlier], usual: _Usual, threshold: float
) -> _Usual:
    """What is usual where the calendar lets one expect movement: what the event did before.

    A day on which nothing happens is as usual there as one on which what happened before happens.
    """
    names = tested.events[row]
    event = " and ".join(names)
    same, around = [], []
    for other in earlier:
        apart = np.array(
            [
                min((abs(since - names[n]) for n, since in there.items() if n in names), default=-1)
                for there in other.days.events
            ]
        )
        known = (apart >= 0) & (other.days.day < tested.day[row]) & other.days.learnable
        # the quiet weekend after a purge on a Friday is no reason to expect another one
        known &= (other.days.business > 0) == (tested.business[row] > 0)
        rows = np.flatnonzero(known)
        if len(rows):
            ratio = other.ratio(tested.before[row], rows)
            around.append(other.rates[:, rows] * ratio)
            same.append(other.rates[:, rows[apart[rows] == apart[rows].min()]] * ratio)
    if not same:
        return _bounds(
            usual.expected,
            usual.scale * UNKNOWN_EVENT,
            [usual.lower[:, None], usual.upper[:, None]],
            threshold,
            event,
        )
    before = _median(np.concatenate(same, axis=1))
    expected = np.where(np.isnan(before), usual.expected, before)
    scale = np.maximum(usual.scale, EVENT_SHARE * np.abs(expected))
    ordinary = [usual.lower[:, None], usual.upper[:, None]]
    return _bounds(expected, scale, [*around, *ordinary], threshold, event)


def _judge(
    tested: _Days, row: int, earlier: Sequence[_Earlier], settings: Settings
) -> list[dict[str, Any]]:
    """The rows of one day and term."""
    usual: _Usual | str = "the term's first snapshot: nothing to compare it with"
    if tested.gap[row]:
        usual = _usual(tested, row, earlier, settings.anomalies.threshold)
    if isinstance(usual, str):
        return [_row(tested, row, series, 0) | {"explanation": usual} for series in range(3)]
    unusual = _unusual(tested, row, usual, settings)
    score = (tested.rates[:, row] - usual.expected) / usual.scale
    chosen = [(series, 0) for series in range(3)]
    chosen += _largest_segments(score, usual.scale, unusual, tested.there[row])
    takes_back = False
    if unusual.any() and row and tested.gap[row - 1]:
        before = _usual(tested, row - 1, earlier, settings.anomalies.threshold)
        if not isinstance(before, str) and _unusual(tested, row - 1, before, settings)[NET, 0]:
            now, then = (
                tested.gap[at] * (tested.rates[NET, at, 0] - there.expected[NET, 0])
                for at, there in ((row, usual), (row - 1, before))
            )
            takes_back = now * then < 0 and abs(now) / 2 <= abs(then) <= abs(now) * 2
    explain = _cause(tested, row, usual, unusual, takes_back, settings)
    plain = "within what is usual" + (f" at: {usual.event}" if usual.event else "")
    rows = []
    for series, column in chosen:
        at = (series, column)
        is_anomaly = bool(unusual[at])
        rows.append(
            _row(tested, row, series, column)
            | {
                "expected": usual.expected[at],
                "lower": usual.lower[at],
                "upper": usual.upper[at],
                "score": score[at],
                "is_anomaly": is_anomaly,
                "kind": ("spike" if score[at] > 0 else "drop") if is_anomaly else None,
                "explanation": explain(series, column) if is_anomaly else plain,
            }
        )
    return rows


def _unusual(tested: _Days, row: int, usual: _Usual, settings: Settings) -> Flags:
    """Which series and columns (3 x g) are outside all three bounds."""
    observed, rules = tested.rates[:, row], settings.anomalies
    apart = np.abs(observed - usual.expected)
    outside = (observed < usual.lower) | (observed > usual.upper)
    found: Flags = (
        outside
        & (apart > rules.threshold * usual.scale)
        & (apart * tested.gap[row] >= rules.min_students)
    )
    return found


def _largest_segments(
    score: Numbers, scale: Numbers, unusual: Flags, there: Flags
) -> list[tuple[int, int]]:
    """Series and column of the unusual segments, the most students first.

    Hundreds of tests a day find something by chance: Benjamini and Hochberg (1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x) keep the share of such finds small. A score is taken as
    Student's t with 4 degrees of freedom, since daily counts leave the normal range too often. Of
    each segment the series with the highest score is shown.
    """
    tested = there.copy()
    tested[0] = False
    sine = np.abs(score) / np.sqrt(4 + score**2)
    # exact for 4 degrees of freedom: p = 1 - 3/2 sine + 1/2 sine^3, without the cancellation
    p = (4 / ((4 + score**2) * (1 + sine))) ** 2 * (2 + sine) / 2
    ordered = np.sort(p[:, tested], axis=None)
    passes = ordered <= FALSE_DISCOVERIES * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    limit = ordered[passes][-1] if passes.any() else -1.0
    found = unusual & tested & (p <= limit)
    best = np.where(found, np.abs(score), 0).argmax(axis=0)
    columns = np.flatnonzero(found.any(axis=0))
    size = np.abs(score * scale)[best[columns], columns]
    order = np.lexsort((columns, -size))[:MOST_SEGMENTS]
    return [(int(best[column]), int(column)) for column in columns[order]]


def _cause(
    tested: _Days,
    row: int,
    usual: _Usual,
    unusual: Flags,
    takes_back: bool,
    settings: Settings,
) -> Callable[[int, int], str]:
    """Words for series and column: one sentence, without a count of a segment."""
    gap, words = int(tested.gap[row]), settings.vocabulary
    apart = (tested.rates[:, row] - usual.expected) * gap
    where = ""
    if gap > 1:
        where += f", covers {gap} days since {_date(int(tested.day[row]) - gap)}"
    if usual.event:
        where += f", beyond what is expected at: {usual.event}"
    shared = ""
    if takes_back:
        shared = (
            "the snapshot before was as unusual in the other direction: likely the correction of a "
            "faulty extract"
        )
    elif not tested.rates[:2, row, 0].any():
        shared = f"no {words.student} came or went in the whole term: the extract may be an old one"
    returned = (
        f"most of the added {words.students} had been enrolled before: they may have been missing from "
        "an earlier extract"
        if tested.returning[row] > tested.rates[ADDED, row, 0] * gap / 2
        else ""
    )

    def explain(series: int, column: int) -> str:
        if series == NET:
            text = f"the net change is {'higher' if apart[NET, column] > 0 else 'lower'} than usual"
        else:
            much = "more" if apart[series, column] > 0 else "fewer"
            text = f"{much} {words.students} {('added', 'dropped')[series]} than usual"
        reason = shared
        if series != DROPPED and apart[series, column] > 0:
            reason = reason or returned
        if column == 0:
            reason = (
                reason
                or _one_segment(tested, row, apart[series], settings)
                or _everywhere(tested, row, apart)
            )
        elif unusual[series, 0]:
            reason = reason or "the whole term is unusual in the same way"
        else:
            reason = reason or _moves(apart[:, column], series)
        return f"{text}{where}: {reason or 'no cause stands out in the figures'}"

    return explain


def _one_segment(tested: _Days, row: int, apart: Numbers, settings: Settings) -> str:
    """The segment that most of the total's deviation (g) lies in, if that is more than its size."""
    there = np.flatnonzero(tested.there[row])
    there = there[apart[there] * np.sign(apart[0]) >= max(settings.privacy.small_cell, 1)]
    if not len(there):
        return ""
    share = apart[there] / apart[0]
    more = share - tested.before[row, there] / max(tested.before[row, 0], 1)
    best = int(more.argmax())
    name = tested.names[there[best]]
    if name is None or share[best] < MOST_OF_IT or more[best] < MOST_OF_IT / 2:
        return ""
    return f"{name[0]} {name[1]} accounts for {100 * min(share[best], 1):.0f} % of it"


def _everywhere(tested: _Days, row: int, apart: Numbers) -> str:
    """Whether every segment of a dimension lost about the same share."""
    lost = apart[DROPPED]
    rate = lost[0] / max(tested.before[row, 0], 1)
    if rate < LOST_EVERYWHERE or apart[NET, 0] >= 0:
        return ""
    for dimension in dict.fromkeys(name[0] for name in tested.names if name):
        of_it = np.array([name is not None and name[0] == dimension for name in tested.names])
        # a segment that should lose fewer than these tells nothing
        large = of_it & (tested.before[row] * rate >= ENOUGH_LOST)
        shares = lost[large] / tested.before[row, large]
        if len(shares) > 1 and shares.min() > rate / 3 and shares.max() < rate * 3:
            return (
                f"about {100 * rate:.0f} % of every {dimension} is missing at once: an incomplete "
                "extract, or a deadline that the calendar does not name"
            )
    return ""


def _moves(apart: Numbers, series: int) -> str:
    """Whether a segment's net change comes from students who stayed in the term."""
    moved = apart[NET] - apart[ADDED] + apart[DROPPED]
    if series == NET and moved * np.sign(apart[NET]) > MOST_OF_IT * abs(apart[NET]):
        return "most of them moved between segments and stayed in the term"
    return ""


def _row(tested: _Days, row: int, series: int, column: int) -> dict[str, Any]:
    """What was observed, of which nothing can be said yet."""
    name = tested.names[column]
    return {
        "date": _date(int(tested.day[row])),
        "term": tested.term.code,
        "series": SERIES[series] + (f" {name[0]}={name[1]}" if name else ""),
        "dimension": name[0] if name else None,
        "segment": name[1] if name else None,
        "observed": tested.rates[series, row, column],
        "is_anomaly": False,
        "kind": None,
    }


def _date(day: int) -> dt.date:
    return _EPOCH + dt.timedelta(day)
