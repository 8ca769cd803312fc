"""Headcount curves by relative day, and the methods that forecast them: pure functions on arrays.

A method gives forecasts of shape (origins, horizons) from the term's curve and those of earlier terms;
nothing of a day after an origin is used. Which of them to trust is decided in `forecasts`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings, Term
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]
    BoolArray = npt.NDArray[np.bool_]
else:
    np = lazy("numpy")


# Below this completion of the earlier term a ratio to its curve divides by next to nothing.
_LEAST_COMPLETION = 0.2
# Earlier terms are looked at around the same relative day.
PHASE_DAYS = 14
# The drift of the last week has half of the say at first, and loses half of that in a month.
DRIFT_DAYS, _DRIFT_SHARE, _DRIFT_HALF_LIFE = 7, 0.5, 30.0
_PACE_DAYS, _PACE_BOUNDS = 28, (0.5, 2.0)
# A term that starts more than that many days from the same day of the year is of another season;
# shorter terms than that have none.
_SEASON_DAYS, _YEAR_DAYS = 45, 365.25
# A share of the headcount that no ordinary day moves, once a quarter of the term has registered and it
# has so many students: who is counted has changed.
_JUMP, _REGISTERED, _LEAST_JUMPING, _NAMED_DAYS = 0.2, 0.25, 50, 2
# A first snapshot this soon after registration opened means that nobody was enrolled before it.
_OPENING_DAYS = 7


@dataclass(frozen=True)
class Curve:
    """A term's headcount by relative day (days from the anchor, negative before it).

    `values[i]` is that of relative day `first + i`; days without a snapshot lie on the line between
    their neighbors and are not `observed`. Before `first` it is 0 if `is_opened`, and unknown
    otherwise; after the last value it stays if the term `is_ended`.
    """

    first: int
    values: FloatArray
    observed: BoolArray
    start: int
    census: int
    is_opened: bool
    is_ended: bool

    @property
    def last(self) -> int:
        """Relative day of the newest value."""
        return self.first + len(self.values) - 1

    def at(self, days: IntArray) -> FloatArray:
        """The headcount on these relative days; NaN where it is not known."""
        index = days - self.first
        values = self.values[np.clip(index, 0, len(self.values) - 1)]
        values = np.where(index < 0, 0.0 if self.is_opened else np.nan, values)
        return values if self.is_ended else np.where(index >= len(self.values), np.nan, values)

    def until(self, day: int) -> Curve:
        """What was known on a relative day from `first` on: up to the last snapshot then.

        The line over a gap ends in a snapshot that was not there yet.
        """
        if day >= self.last:
            return self
        count = 1 + int(np.flatnonzero(self.observed[: day - self.first + 1])[-1])
        return replace(
            self, values=self.values[:count], observed=self.observed[:count], is_ended=False
        )


def read_curves(
    settings: Settings, totals: Mapping[str, tuple[npt.NDArray[np.datetime64], FloatArray]]
) -> dict[str, Curve]:
    """The curve of each term from its days (`datetime64[D]`, in order) and their headcounts."""
    curves = {}
    for term in settings.terms:
        days, counts = totals.get(term.code, (None, None))
        if days is None or counts is None or not len(days):
            continue
        relative = (days - np.datetime64(_anchor(settings, term))).astype(np.int64)
        every = np.arange(relative[0], relative[-1] + 1)
        curves[term.code] = Curve(
            first=int(relative[0]),
            values=np.interp(every, relative, counts),
            observed=np.isin(every, relative),
            start=(term.starts - _anchor(settings, term)).days,
            census=(term.census - _anchor(settings, term)).days,
            is_opened=bool(
                days[0] <= np.datetime64(term.registration_opens + dt.timedelta(_OPENING_DAYS))
            ),
            is_ended=False,
        )
    return curves


def _anchor(settings: Settings, term: Term) -> dt.date:
    anchor: dt.date = getattr(term, settings.point_in_time.anchor)
    return anchor


@dataclass(frozen=True)
class History:
    """A term and those before it, the newest first, as they were known on the day `as_of`.

    `left_out` says which earlier ones are no guide, and why.
    """

    term: Term
    as_of: dt.date
    today: int
    now: Curve
    earlier: tuple[Curve, ...] = ()
    left_out: tuple[str, ...] = ()


def history_of(
    settings: Settings,
    curves: Mapping[str, Curve],
    term: Term,
    as_of: dt.date,
    *,
    is_gap_allowed: bool = False,
) -> History | None:
    """What was known of a term and of those before it on a day; None where it has no snapshot then.

    With `is_gap_allowed` it may be older: the day is then that of the last snapshot before.
    """

    def known(of: Term) -> Curve | None:
        curve = curves.get(of.code)
        day = (as_of - _anchor(settings, of)).days
        if curve is None or day < curve.first:
            return None
        return replace(curve.until(day), is_ended=as_of >= of.ends)

    now = known(term)
    today = (as_of - _anchor(settings, term)).days
    if now is None:
        return None
    if now.last != today and not is_gap_allowed:
        return None
    as_of -= dt.timedelta(today - now.last)
    today = now.last
    earlier, left_out = [], []
    for past in settings.earlier_terms(term):
        curve = known(past)
        if curve is None:
            continue
        if why := _why_no_guide(settings, term, past, curve):
            left_out.append(f"{past.label} is no guide: {why}")
        else:
            earlier.append(curve)
    return History(term, as_of, today, now, tuple(earlier), tuple(left_out))


def _why_no_guide(settings: Settings, term: Term, past: Term, curve: Curve) -> str | None:
    """Why an earlier term says nothing about this one: another season, or a change of its scope."""
    apart = abs((term.starts - past.starts).days) % _YEAR_DAYS
    is_long = (term.ends - term.starts).days > _SEASON_DAYS
    if is_long and min(apart, _YEAR_DAYS - apart) > _SEASON_DAYS:
        return "it starts in another season"
    named = [
        *(event.date for event in settings.calendar.events),
        past.starts,
        past.census,
        past.ends,
    ]
    anchor = _anchor(settings, past)
    for day, share in _jumps(curve):
        date = anchor + dt.timedelta(day)
        if not any(abs((date - other).days) <= _NAMED_DAYS for other in named):
            return (
                f"its headcount {'rose' if share > 0 else 'fell'} by {abs(share):.0%} on {date}, which "
                "no event of the calendar explains"
            )
    return None


def _jumps(curve: Curve) -> list[tuple[int, float]]:
    """Relative days, with the share, on which more of a term came or went than people move in a day.

    While less than a quarter of the term has registered, such a day is ordinary.
    """
    days = np.flatnonzero(curve.observed)
    values = curve.values[days]
    before, after = values[:-1], values[1:]
    share = np.divide(after - before, before, out=np.zeros_like(before), where=before > 0)
    is_jump = np.abs(share) > _JUMP * np.diff(days)
    is_jump &= np.maximum(before, after) >= _LEAST_JUMPING
    is_jump &= before >= _REGISTERED * values.max(initial=0.0)
    return [
        (curve.first + int(day), float(of))
        for day, of in zip(days[1:][is_jump], share[is_jump], strict=True)
    ]


if TYPE_CHECKING:
    Method = Callable[[Curve, Sequence[Curve], IntArray, IntArray], FloatArray]


def last_value(
    now: Curve, _earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """The headcount stays. Shape of this and all others: (origins, horizons)."""
    return np.repeat(now.at(origins)[:, None], len(horizons), axis=1)


def drift(
    now: Curve, _earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """The last week goes on; what registers before a term stops registering when it starts."""
    slope = (now.at(origins) - now.at(origins - DRIFT_DAYS)) / DRIFT_DAYS
    forecast: FloatArray = now.at(origins)[:, None] + slope[:, None] * _going_on(
        now, origins, horizons
    )
    return forecast


def _going_on(now: Curve, origins: IntArray, horizons: IntArray) -> IntArray:
    """For how many of the days ahead a trend goes on: registration ends when the term starts."""
    left = (now.start - origins)[:, None]
    return np.where(left > 0, np.minimum(horizons, left), horizons)


def moving_average(
    now: Curve, _earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """The mean of the last week."""
    week = now.at(origins[:, None] - np.arange(DRIFT_DAYS)).mean(axis=1)
    return np.repeat(week[:, None], len(horizons), axis=1)


def _over(
    earlier: Sequence[Curve],
    origins: IntArray,
    horizons: IntArray,
    combine: Callable[[Curve, FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """The mean over the earlier terms that know both ends of each step."""
    return _mean_of_known(
        [
            combine(past, past.at(origins)[:, None], past.at(origins[:, None] + horizons))
            for past in earlier
        ],
        (len(origins), len(horizons)),
    )


def _mean_of_known(parts: Sequence[FloatArray], shape: tuple[int, int]) -> FloatArray:
    """The mean of those forecasts of this shape that are known; NaN where none is."""
    total, count = np.zeros(shape), np.zeros(shape)
    for part in parts:
        known = ~np.isnan(part)
        total += np.where(known, part, 0.0)
        count += known
    mean: FloatArray = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
    return mean


def pick_up(
    now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """Adds what earlier terms added from the same relative day on."""
    added = _over(earlier, origins, horizons, lambda _, then, later: later - then)
    return now.at(origins)[:, None] + added


def ratio(
    now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """Grows as earlier terms grew from the same relative day on; unknown under a fifth of a census."""

    def growth(past: Curve, then: FloatArray, later: FloatArray) -> FloatArray:
        least = _LEAST_COMPLETION * past.at(np.array([past.census]))
        usable = np.where((then >= least) & (then > 0), then, np.nan)
        return later / usable

    return now.at(origins)[:, None] * _over(earlier, origins, horizons, growth)


def pace(now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray) -> FloatArray:
    """Adds what earlier terms added, times how this term's last four weeks compare with theirs."""
    here = now.at(origins)[:, None]
    since = here - now.at(np.maximum(origins - _PACE_DAYS, now.first))[:, None]

    def added(past: Curve, then: FloatArray, later: FloatArray) -> FloatArray:
        before = past.at(np.maximum(origins - _PACE_DAYS, now.first))[:, None]
        there = then - before
        usable = (since > 0) & (there > 0)
        factor = np.divide(since, there, out=np.ones_like(since), where=usable)
        return np.clip(factor, *_PACE_BOUNDS) * (later - then)

    return here + _over(earlier, origins, horizons, added)


def curves(
    now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """The mean of ratio, pick-up and pace, drawn towards the drift where it is near."""
    mean = _mean_of((ratio, pick_up, pace), now, earlier, origins, horizons)
    going_on = drift(now, earlier, origins, horizons)
    share = _DRIFT_SHARE * 0.5 ** (horizons / _DRIFT_HALF_LIFE)
    forecast: FloatArray = share * going_on + (1 - share) * mean
    return forecast


def between(
    now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """Half pick-up, half ratio: what earlier terms added, times the root of how the sizes compare."""
    here = now.at(origins)[:, None]

    def added(_: Curve, then: FloatArray, later: FloatArray) -> FloatArray:
        size = np.divide(here, then, out=np.ones_like(then), where=(then > 0) & (here > 0))
        return np.sqrt(size) * (later - then)

    return here + _over(earlier, origins, horizons, added)


def shift(
    now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """Goes on as the part of an earlier curve that is most like the last four weeks.

    The curve is shifted by up to two weeks and scaled to what was seen, by least squares.
    """
    back = np.arange(_PACE_DAYS)
    days = np.maximum(origins[:, None] - back, now.first)
    seen = now.at(days)
    shifts = np.arange(-PHASE_DAYS, PHASE_DAYS + 1)
    parts = []
    for past in earlier:
        there = past.at(days[None] + shifts[:, None, None])
        known = np.asarray(~np.isnan(there).any(axis=2) & (there > 0).any(axis=2))
        there = np.where(np.isnan(there), 0.0, there)
        scale = (there * seen).sum(axis=2) / np.maximum((there**2).sum(axis=2), 1e-9)
        off = ((seen - scale[:, :, None] * there) ** 2).sum(axis=2)
        best = np.where(known, off, np.inf).argmin(axis=0)
        each = np.arange(len(origins))
        start = origins + shifts[best]
        added = past.at(start[:, None] + horizons) - past.at(start)[:, None]
        predicted = now.at(origins)[:, None] + scale[best, each][:, None] * added
        is_seen = np.asarray(known.any(axis=0))[:, None]
        parts.append(np.where(is_seen, predicted, np.nan))
    return _mean_of_known(parts, (len(origins), len(horizons)))


def blend(
    now: Curve, earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """The mean of `between`, `curves` and `shift`: each is off in its own way."""
    return _mean_of((between, curves, shift), now, earlier, origins, horizons)


def _mean_of(
    methods: Sequence[Method],
    now: Curve,
    earlier: Sequence[Curve],
    origins: IntArray,
    horizons: IntArray,
) -> FloatArray:
    """The mean of the forecasts that are known."""
    parts = [method(now, earlier, origins, horizons) for method in methods]
    return _mean_of_known(parts, (len(origins), len(horizons)))


# The simplest first.
ALWAYS: dict[str, Method] = {
    "last_value": last_value,
    "moving_average": moving_average,
    "drift": drift,
}
# Used where earlier terms are, and left only where another method is much better in the back-test.
DEFAULT = "blend"
WITH_EARLIER: dict[str, Method] = {
    "pick_up": pick_up,
    "ratio": ratio,
    "shift": shift,
    "curves": curves,
    DEFAULT: blend,
}


def methods_for(earlier: Sequence[Curve]) -> dict[str, Method]:
    """The methods that a term with these earlier ones can use, by name, the simplest first."""
    return ALWAYS | WITH_EARLIER if earlier else ALWAYS


def timing_scale(earlier: Sequence[Curve], origins: IntArray, horizons: IntArray) -> FloatArray:
    """How far off the pick-up would be if the term ran up to two weeks ahead or behind, in students.

    Root mean square over the shifts, with 0.3 % of the headcount as its floor. Shape (origins,
    horizons); NaN where no earlier term knows.
    """
    shifts = np.arange(-PHASE_DAYS, PHASE_DAYS + 1)[:, None, None]
    start = origins[None, :, None]
    ends = start + horizons[None, None, :]

    def spread(past: Curve, then: FloatArray, later: FloatArray) -> FloatArray:
        moved = past.at(ends + shifts) - past.at(start + shifts)
        squares = (moved - (later - then)) ** 2
        known = ~np.isnan(squares)
        count = known.sum(axis=0)
        total = np.where(known, squares, 0.0).sum(axis=0)
        mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
        scale: FloatArray = np.sqrt(mean) + 0.003 * then + 1.0
        return scale

    return _over(earlier, origins, horizons, spread)
