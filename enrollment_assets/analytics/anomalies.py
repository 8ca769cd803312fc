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
    terms = days_of_terms(metrics, segments, settings, acknowledged)
    rows: list[dict[str, Any]] = []
    earlier = {code: earlier_terms(settings, terms, tested) for code, tested in terms.items()}
    for date in sorted(set(days)):
        for code in sorted(terms):
            row = terms[code].row((date - EPOCH).days)
            if row is not None:
                rows += _judge(terms[code], row, earlier[code], settings)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["observed", "expected", "lower", "upper", "score"]
    texts = ["term", "series", "dimension", "segment", "kind", "explanation"]
    kinds = dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "object")
    return frame.astype({"date": "datetime64[us]", "is_anomaly": "bool", **kinds})


def _judge(
    tested: TermDays, row: int, earlier: Sequence[EarlierTerm], settings: Settings
) -> list[dict[str, Any]]:
    """The rows of one day and term."""
    usual: Usual | str = "the term's first snapshot: nothing to compare it with"
    if tested.gap[row]:
        usual = usual_on(tested, row, earlier, settings.anomalies.threshold)
    if isinstance(usual, str):
        return [_row(tested, row, series, 0) | {"explanation": usual} for series in range(3)]
    unusual = _unusual(tested, row, usual, settings)
    score = (tested.rates[:, row] - usual.expected) / usual.scale
    chosen = [(series, 0) for series in range(3)]
    chosen += _largest_segments(score, usual.scale, unusual, tested.there[row])
    takes_back = False
    if unusual.any() and row and tested.gap[row - 1]:
        before = usual_on(tested, row - 1, earlier, settings.anomalies.threshold)
        if not isinstance(before, str) and _unusual(tested, row - 1, before, settings)[NET, 0]:
            now, then = (
                tested.gap[at] * (tested.rates[NET, at, 0] - there.expected[NET, 0])
                for at, there in ((row, usual), (row - 1, before))
            )
            takes_back = now * then < 0 and abs(now) / 2 <= abs(then) <= abs(now) * 2
    explain = explainer(tested, row, usual, unusual, takes_back, settings)
    plain = "within the normal range" + (f" for {usual.event}" if usual.event else "")
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
    significant = unusual & tested & (p <= limit)
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
