"""Tells unusual movement from a term's rhythm: pure functions on the figures of the core.

For each tested day and term: how many added students, dropped ones and what net change earlier days
and earlier terms suggest, in total and in each segment, and how far off the day is. `term_days` makes
the arrays, `usual` says what to expect, `causes` says why a day may be off.
Nothing after the tested day is used, and no day's rows depend on which other days are tested.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from enrollment_assets.analytics.causes import explainer
from enrollment_assets.analytics.term_days import (
    ADDED,
    EPOCH,
    NET,
    SERIES,
    EarlierTerm,
    TermDays,
    date_of,
    days_of_terms,
    earlier_terms,
)
from enrollment_assets.analytics.usual import Usual, usual_on
from enrollment_assets.config import Settings
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from enrollment_assets.analytics.term_days import Flags, Numbers
else:
    np = lazy("numpy")
    pd = lazy("pandas")

COLUMNS = (
    *("date", "term", "series", "dimension", "segment", "observed", "expected", "lower", "upper"),
    *("score", "is_anomaly", "kind", "explanation"),
)

# Share of false ones among the segments that are shown, and how many are shown.
FALSE_DISCOVERIES, MOST_SEGMENTS = 0.01, 5
# A segment must also be further off than any was on the last so many days; until there are enough of
# them, than twice the threshold.
PEAK_DAYS, LEAST_PEAKS, EARLY = 120, 20, 2.0
# A range wider than this share of the headcount, and than so many times the least number of students,
# says nothing.
TELLING_SHARE, TELLING_STUDENTS, LEAST_STUDENTS = 0.1, 4, 10


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
    to the next business day, what the event of that name did in earlier terms is usual as well. A day
    alarms only if it would alarm without the term's events in the calendar, too: naming one never adds
    an alarm. A segment that is gone, or that students of others make up, needs no history.

    A total is not judged, and has no score, where the usual range is so wide that it says nothing, or
    where no earlier term shows what the day's event does.
    What was tried and what it finds: `bench/anomaly_faults.py`.
    """
    judges = _judges(metrics, segments, settings, acknowledged)
    rows: list[dict[str, Any]] = []
    for date in sorted(set(days)):
        for code in sorted(judges):
            row = judges[code].tested.row((date - EPOCH).days)
            if row is not None:
                rows += _judge(judges[code], row)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["observed", "expected", "lower", "upper", "score"]
    texts = ["term", "series", "dimension", "segment", "kind", "explanation"]
    kinds = dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "object")
    return frame.astype({"date": "datetime64[us]", "is_anomaly": "bool", **kinds})


class _Judge:
    """What is usual on the days of a term, each looked at once.

    `blind` judges the same days without the events that the calendar names for the term.
    """

    def __init__(
        self, tested: TermDays, earlier: Sequence[EarlierTerm], settings: Settings
    ) -> None:
        self.tested, self.settings = tested, settings
        self.blind: _Judge | None = None
        self.earlier = earlier
        self._usual: dict[int, Usual | str] = {}
        self._unusual: dict[int, Flags] = {}
        self._peaks: dict[int, float | None] = {}

    def usual(self, row: int) -> Usual | str:
        """What is usual on a day, or why that cannot be said."""
        if row not in self._usual:
            threshold = self.settings.anomalies.threshold
            self._usual[row] = (
                usual_on(self.tested, row, self.earlier, threshold)
                if self.tested.gap[row]
                else "the term's first snapshot: nothing to compare it with"
            )
        return self._usual[row]

    def outside(self, row: int) -> Flags:
        """Which series and columns (3 x g) are outside all three bounds; none of a day without any."""
        if row not in self._unusual:
            usual = self.usual(row)
            if isinstance(usual, str):
                return np.zeros_like(self.tested.rates[:, row], dtype=bool)
            self._unusual[row] = _unusual(self.tested, row, usual, self.settings)
        return self._unusual[row]

    def score(self, row: int) -> Numbers:
        """How far off a judged day is (3 x g), in scales."""
        usual, rates = self.usual(row), self.tested.rates[:, row]
        if isinstance(usual, str):
            return np.zeros_like(rates)
        score: Numbers = (rates - usual.expected) / usual.scale
        return score

    def unusual(self, row: int) -> Flags:
        """The same as `outside`, but only what would be so without named events as well."""
        flags = self.outside(row)
        if self.blind is None or not flags.any():
            return flags
        both: Flags = flags & self.blind.outside(row)
        return both

    def segments(self, row: int) -> Flags:
        """The unusual segments (3 x g) of a judged day that are hardly so by chance."""
        score, there, unusual = self.score(row), self.tested.there[row], self.unusual(row)
        if not unusual[:, 1:].any():
            return np.zeros_like(unusual)  # most days: no need to look at the days before
        flags = _significant(score, unusual, there, self._least_score(row))
        if self.blind is None or not flags.any():
            return flags
        both: Flags = flags & self.blind.segments(row)
        return both

    def _least_score(self, row: int) -> float:
        """The highest score of any segment on the last ordinary days."""
        peaks = [
            peak
            for at in range(max(row - PEAK_DAYS, 0), row)
            if (peak := self._peak(at)) is not None
        ]
        if len(peaks) < LEAST_PEAKS:
            return max([*peaks, EARLY * self.settings.anomalies.threshold])
        return max(peaks)

    def _peak(self, row: int) -> float | None:
        """The highest score of an unusual segment on an ordinary day; None for any other day."""
        if row not in self._peaks:
            self._peaks[row] = self._peak_of(row)
        return self._peaks[row]

    def _peak_of(self, row: int) -> float | None:
        is_ordinary = self.tested.learnable[row] and not self.tested.events[row]
        if not is_ordinary or isinstance(self.usual(row), str):
            return None
        flags = self.outside(row)
        if flags[:, 0].any():
            return None
        of_segments = np.abs(self.score(row))[flags & self.tested.there[row]]
        return float(of_segments.max()) if of_segments.size else 0.0


def _judges(
    metrics: pd.DataFrame,
    segments: pd.DataFrame,
    settings: Settings,
    acknowledged: Collection[tuple[dt.date, str]],
) -> dict[str, _Judge]:
    terms = days_of_terms(metrics, segments, settings, acknowledged)
    found = {
        code: _Judge(tested, earlier_terms(settings, terms, tested), settings)
        for code, tested in terms.items()
    }
    if settings.calendar.events:
        calendar = settings.calendar.model_copy(update={"events": ()})
        unnamed = settings.model_copy(update={"calendar": calendar})
        blind = days_of_terms(metrics, segments, unnamed, acknowledged)
        for code, judge in found.items():
            # Events of earlier terms keep their names: unnamed, a purge would excuse all faults near.
            judge.blind = _Judge(blind[code], judge.earlier, unnamed)
    return found


def _judge(judge: _Judge, row: int) -> list[dict[str, Any]]:
    """The rows of one day and term."""
    tested, settings = judge.tested, judge.settings
    usual = judge.usual(row)
    replaced = _replaced_segments(tested, row, settings) if tested.gap[row] else {}
    if isinstance(usual, str):
        rows = [_row(tested, row, series, 0) | {"explanation": usual} for series in range(3)]
        return rows + [_row(tested, row, *at) | found for at, found in replaced.items()]
    unusual, score = judge.unusual(row), judge.score(row)
    chosen = [(series, 0) for series in range(3)]
    segments = _largest(score, usual.scale, judge.segments(row))
    known = {column for _, column in replaced}
    chosen += [at for at in segments if at[1] not in known][: MOST_SEGMENTS - len(replaced)]
    explain = explainer(
        tested, row, usual, unusual, _takes_back(judge, row, usual, unusual), settings
    )
    plain = "within the normal range" + (f" for {usual.event}" if usual.event else "")
    rows = []
    for at in chosen:
        is_anomaly = bool(unusual[at])
        found = _row(tested, row, *at)
        found |= {
            "expected": usual.expected[at],
            "lower": usual.lower[at],
            "upper": usual.upper[at],
        }
        if not is_anomaly and (why := _why_not_judged(tested, row, usual, at, settings)):
            rows.append(found | {"explanation": f"cannot be judged: {why}"})
            continue
        rows.append(
            found
            | {
                "score": score[at],
                "is_anomaly": is_anomaly,
                "kind": ("spike" if score[at] > 0 else "drop") if is_anomaly else None,
                "explanation": explain(*at) if is_anomaly else plain,
            }
        )
    return rows + [_row(tested, row, *at) | found for at, found in replaced.items()]


def _why_not_judged(
    tested: TermDays, row: int, usual: Usual, at: tuple[int, int], settings: Settings
) -> str | None:
    """Why a range says nothing about a figure, or None."""
    if not usual.is_known:
        return f"no earlier term shows what {usual.event} does"
    if usual.event:
        return None
    width = (usual.upper[at] - usual.lower[at]) * tested.gap[row]
    telling = max(
        TELLING_SHARE * tested.before[row, at[1]],
        TELLING_STUDENTS * max(settings.anomalies.min_students, LEAST_STUDENTS),
    )
    return "comparable days differ too much" if width > telling else None


def _replaced_segments(
    tested: TermDays, row: int, settings: Settings
) -> dict[tuple[int, int], dict[str, Any]]:
    """Segments that are gone at once, or that students of others make up: no history is needed."""
    least = max(settings.anomalies.min_students, 1)
    gap, before = tested.gap[row], tested.before[row]
    now = np.round(before + tested.rates[NET, row] * gap)
    added = tested.rates[ADDED, row] * gap
    gone = np.flatnonzero((before >= least) & (now == 0))
    new = np.flatnonzero((before == 0) & (now >= least) & (added < now / 2))
    found: list[tuple[float, tuple[int, int], dict[str, Any]]] = []
    for column in (*gone.tolist(), *new.tolist()):
        name = tested.names[column]
        if name is None:
            continue
        is_gone = now[column] == 0
        text = (
            f"{name[0]} {name[1]} is gone: none of its {settings.vocabulary.students} is in it any more"
            if is_gone
            else f"{name[0]} {name[1]} is new, and most of its {settings.vocabulary.students} were in "
            "other segments before"
        )
        about = {
            "is_anomaly": True,
            "kind": "drop" if is_gone else "spike",
            "explanation": f"{text}: a closed or renamed segment, or a faulty extract",
        }
        found.append((-max(before[column], now[column]), (NET, column), about))
    return {at: about for _, at, about in sorted(found, key=lambda one: one[:2])[:MOST_SEGMENTS]}


def _takes_back(judge: _Judge, row: int, usual: Usual, unusual: Flags) -> bool:
    """Whether the snapshot before was as unusual in the opposite direction."""
    tested = judge.tested
    if not (unusual.any() and row and tested.gap[row - 1]):
        return False
    before = judge.usual(row - 1)
    if isinstance(before, str) or not judge.outside(row - 1)[NET, 0]:
        return False
    now, then = (
        tested.gap[at] * (tested.rates[NET, at, 0] - there.expected[NET, 0])
        for at, there in ((row, usual), (row - 1, before))
    )
    return bool(now * then < 0 and abs(now) / 2 <= abs(then) <= abs(now) * 2)


def _unusual(tested: TermDays, row: int, usual: Usual, settings: Settings) -> Flags:
    """Which series and columns (3 x g) are outside all three bounds."""
    observed, rules = tested.rates[:, row], settings.anomalies
    apart = np.abs(observed - usual.expected)
    outside = (observed < usual.lower) | (observed > usual.upper)
    flags: Flags = (
        outside
        & (apart > rules.threshold * usual.scale)
        & (apart * tested.gap[row] >= rules.min_students)
    )
    return flags


def _significant(score: Numbers, unusual: Flags, there: Flags, least: float) -> Flags:
    """The unusual segments (3 x g) that are hardly so by chance.

    Hundreds of tests a day find something by chance: Benjamini and Hochberg (1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x) keep the share of such finds small. A score is taken as
    Student's t with 4 degrees of freedom, since daily counts leave the normal range too often. So does
    every day again: a segment must also be further off than any was on the last days (`least`), which
    happens by chance once in as many days.
    """
    tested = there.copy()
    tested[0] = False
    sine = np.abs(score) / np.sqrt(4 + score**2)
    # exact for 4 degrees of freedom: p = 1 - 3/2 sine + 1/2 sine^3, without the cancellation
    p = (4 / ((4 + score**2) * (1 + sine))) ** 2 * (2 + sine) / 2
    ordered = np.sort(p[:, tested], axis=None)
    passes = ordered <= FALSE_DISCOVERIES * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    limit = ordered[passes][-1] if passes.any() else -1.0
    flags: Flags = unusual & tested & (p <= limit) & (np.abs(score) > least)
    return flags


def _largest(score: Numbers, scale: Numbers, significant: Flags) -> list[tuple[int, int]]:
    """Series and column of the significant segments, the most students first.

    Of each segment the series with the highest score is shown.
    """
    best = np.where(significant, np.abs(score), 0).argmax(axis=0)
    columns = np.flatnonzero(significant.any(axis=0))
    size = np.abs(score * scale)[best[columns], columns]
    order = np.lexsort((columns, -size))[:MOST_SEGMENTS]
    return [(int(best[column]), int(column)) for column in columns[order]]


def _row(tested: TermDays, row: int, series: int, column: int) -> dict[str, Any]:
    """What was observed, of which nothing can be said yet."""
    name = tested.names[column]
    return {
        "date": date_of(int(tested.day[row])),
        "term": tested.term.code,
        "series": SERIES[series] + (f" {name[0]}={name[1]}" if name else ""),
        "dimension": name[0] if name else None,
        "segment": name[1] if name else None,
        "observed": tested.rates[series, row, column],
        "is_anomaly": False,
        "kind": None,
    }
