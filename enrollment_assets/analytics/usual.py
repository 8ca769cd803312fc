"""What is usual on a day of a term, from its own earlier days and from those of earlier terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enrollment_assets.analytics.term_days import SERIES, EarlierTerm, TermDays
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    from enrollment_assets.analytics.term_days import Integers, Numbers
else:
    np = lazy("numpy")

# How many comparable days make an expected value, and how far off they may be.
LEAST_DAYS, OWN_DAYS, NEAR_DAYS = 5, 56, 2
# The level is that of the latest so many comparable days; all of them tell the scatter.
LATEST_DAYS = 10
# What the same weekday reached in the last eight weeks counts from so many of them on.
LEAST_WEEKS = 4
# A day scatters by 1.5 times the root of its count, and by 0.3% of the headcount, at the least.
ROOT, SHARE = 1.5, 0.003
# Few comparable days tell the scatter badly: the scale grows by this many days over their number.
FEW_DAYS = 5.0
# Of a business day's movement, what a weekend or closure may have that no snapshot showed yet.
_CLOSED = 0.5
# Around a calendar event whose size no earlier term shows, eight times the usual scale is usual: with
# the threshold of 4 a purge of up to a tenth of all students. One whose size is known scatters by 30%.
UNKNOWN_EVENT, EVENT_SHARE = 8.0, 0.3


@dataclass(frozen=True)
class Usual:
    """What is usual on a day: arrays of 3 series by g columns, in students a day.

    `is_known` is False where no earlier term shows what the day's event does.
    """

    expected: Numbers
    scale: Numbers
    lower: Numbers
    upper: Numbers
    event: str = ""
    is_known: bool = True


def usual_on(
    tested: TermDays, row: int, earlier: Sequence[EarlierTerm], threshold: float
) -> Usual | str:
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
        def of(other: TermDays, rows: Integers) -> Integers:
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
    if left and not open_left and parts:
        # No closed day was seen yet: half as much as on business days may have come together on one.
        share, centre, scatter = parts[-1]
        single = centre / max(gap * share, 1)
        parts.append((left / gap, _CLOSED * single, scatter + _CLOSED * np.abs(single)))
        left = 0
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
) -> Usual:
    seen = np.concatenate(reached, axis=1)
    least, most = np.fmin.reduce(seen, axis=1), np.fmax.reduce(seen, axis=1)
    lower = np.fmin(expected - threshold * scale, least - ROOT * np.sqrt(np.abs(least) + 1))
    upper = np.fmax(expected + threshold * scale, most + ROOT * np.sqrt(np.abs(most) + 1))
    lower[:2] = np.maximum(lower[:2], 0)  # nobody is added or dropped less than never
    return Usual(expected, scale, lower, upper, event)


def _at_event(
    tested: TermDays, row: int, earlier: Sequence[EarlierTerm], usual: Usual, threshold: float
) -> Usual:
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
        wide = _bounds(
            usual.expected,
            usual.scale * UNKNOWN_EVENT,
            [usual.lower[:, None], usual.upper[:, None]],
            threshold,
            event,
        )
        return replace(wide, is_known=False)
    before = _median(np.concatenate(same, axis=1))
    expected = np.where(np.isnan(before), usual.expected, before)
    scale = np.maximum(usual.scale, EVENT_SHARE * np.abs(expected))
    ordinary = [usual.lower[:, None], usual.upper[:, None]]
    return _bounds(expected, scale, [*around, *ordinary], threshold, event)


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


def _median(values: Numbers) -> Numbers:
    """The median along the second axis; NaN are left out, and the result where there are only NaN."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.maximum((~np.isnan(values)).sum(axis=1, keepdims=True), 1)
    low = np.take_along_axis(ordered, (count - 1) // 2, axis=1)
    high = np.take_along_axis(ordered, count // 2, axis=1)
    middle: Numbers = ((low + high) / 2)[:, 0]
    return middle
