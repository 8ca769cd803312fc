"""Explains why a day may be unusual, in one sentence without a count of a segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from enrollment_assets.analytics.term_days import ADDED, DROPPED, NET, TermDays, date_of
from enrollment_assets.analytics.usual import Usual
from enrollment_assets.config import Settings
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    from enrollment_assets.analytics.term_days import Flags, Numbers
else:
    np = lazy("numpy")

# A segment explains a deviation if it has this share of it.
MOST_OF_IT = 0.6
# The least share that is called missing everywhere, and the least loss of a segment that tells one.
LOST_EVERYWHERE, ENOUGH_LOST = 0.02, 8


def explainer(
    tested: TermDays,
    row: int,
    usual: Usual,
    unusual: Flags,
    takes_back: bool,
    settings: Settings,
) -> Callable[[int, int], str]:
    """A function from series and column to the explanation."""
    gap = int(tested.gap[row])
    apart = (tested.rates[:, row] - usual.expected) * gap
    where = ""
    if gap > 1:
        where += f", over {gap} days since {date_of(int(tested.day[row]) - gap)}"
    if usual.event:
        where += f", beyond what is expected at {usual.event}"
    shared = ""
    if takes_back:
        shared = (
            "the previous snapshot was just as unusual in the opposite direction: probably the "
            "correction of a faulty extract"
        )
    elif not tested.rates[:2, row, 0].any():
        who = settings.vocabulary.student
        shared = f"no {who} was added or dropped in the whole term: the extract may be an old one"
    returned = (
        f"most of the added {settings.vocabulary.students} had been in the term before: they may have "
        "been missing from an earlier extract"
        if tested.returning[row] > tested.rates[ADDED, row, 0] * gap / 2
        else ""
    )

    def explain(series: int, column: int) -> str:
        if series == NET:
            text = f"the net change is {'higher' if apart[NET, column] > 0 else 'lower'} than usual"
        else:
            much = "more" if apart[series, column] > 0 else "fewer"
            text = (
                f"{much} {settings.vocabulary.students} {('added', 'dropped')[series]} than usual"
            )
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
        return f"{text}{where}: {reason or 'the figures show no clear cause'}"

    return explain


def _one_segment(tested: TermDays, row: int, apart: Numbers, settings: Settings) -> str:
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
    return f"{name[0]} {name[1]} accounts for {100 * min(share[best], 1):.0f}% of it"


def _everywhere(tested: TermDays, row: int, apart: Numbers) -> str:
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
                f"about {100 * rate:.0f}% of every {dimension} is missing at once: an incomplete "
                "extract, or a deadline that is not in the calendar"
            )
    return ""


def _moves(apart: Numbers, series: int) -> str:
    """Whether a segment's net change comes from students who stayed in the term."""
    moved = apart[NET] - apart[ADDED] + apart[DROPPED]
    if series == NET and moved * np.sign(apart[NET]) > MOST_OF_IT * abs(apart[NET]):
        return "most of them moved between segments and stayed in the term"
    return ""
