"""Forecasts of a term's headcount: fit on a weekly grid, predict every day, score what came true.

Curves of earlier terms carry the forecast where there are any, time-series methods where there are
none, and a back-test on the data at hand decides. Pure functions on arrays; nothing of a day after
the one that is asked for is used.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from enrollment_assets.config import Settings, Term

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Horizons, in days, that scores are given for; each ends a bucket for which a method is chosen.
HORIZONS = (7, 14, 30, 60, 90)
NO_METHOD = "none"
# The median of time series models: see `series_methods`.
MODELS = "time_series"

# Two weeks show a rhythm of weeks once more; fewer snapshots than that are too few to test anything.
_LEAST_DAYS = 14
_LEAST_SNAPSHOTS = 8
_GRID_DAYS = 7
# Origins of a back-test: eight weeks, so that it speaks of the present phase of the term.
_WINDOW = 56
_LEAST_ORIGINS = 7
# The simplest method wins, unless another one is better by more than 5 %.
_MARGIN = 1.05
# Below this completion of the earlier term a ratio to its curve divides by next to nothing.
_LEAST_COMPLETION = 0.2
# Earlier terms are looked at around the same relative day.
_PHASE_DAYS = 14
# An earlier term with half as much error again as the simple methods misleads.
_GUIDES_WITHIN = 1.5
# The drift of the last week has half of the say at first, and loses half of that in a month.
_DRIFT_DAYS, _DRIFT_SHARE, _DRIFT_HALF_LIFE = 7, 0.5, 30.0
_PACE_DAYS, _PACE_BOUNDS = 28, (0.5, 2.0)
_SMOOTH_DAYS = 7
# Time series models cost a second each time: they look at the last months, and are tried at three
# origins every four weeks.
_MODEL_DAYS = 120
_TRIAL_DAYS = 28
_TRIAL_ORIGINS = (7, 28, 49)
_LEAST_FOR_MODELS = 28
# A first snapshot this soon after registration opened means that nobody was enrolled before it.
_OPENING_DAYS = 7


@dataclass(frozen=True)
class Curve:
    """A term's headcount by relative day (days from the anchor, negative before it).

    `values[i]` stands on relative day `first + i`; days without a snapshot lie on the line between
    their neighbours and are not `observed`. Before `first` it is 0 if `is_opened`, and unknown
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
        found = self.values[np.clip(index, 0, len(self.values) - 1)]
        found = np.where(index < 0, 0.0 if self.is_opened else np.nan, found)
        return found if self.is_ended else np.where(index >= len(self.values), np.nan, found)

    def until(self, day: int) -> "Curve":
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
    found = {}
    for term in settings.terms:
        days, counts = totals.get(term.code, (None, None))
        if days is None or counts is None or not len(days):
            continue
        relative = (days - np.datetime64(_anchor(settings, term))).astype(np.int64)
        every = np.arange(relative[0], relative[-1] + 1)
        found[term.code] = Curve(
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
    return found


def _anchor(settings: Settings, term: Term) -> dt.date:
    found: dt.date = getattr(term, settings.point_in_time.anchor)
    return found


@dataclass(frozen=True)
class History:
    """A term and those before it, the newest first, as they were known on the day `as_of`."""

    term: Term
    as_of: dt.date
    today: int
    now: Curve
    earlier: tuple[Curve, ...] = ()


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
    earlier = (known(past) for past in settings.earlier_terms(term))
    return History(term, as_of, today, now, tuple(curve for curve in earlier if curve))


@dataclass(frozen=True)
class Refusal:
    """Why there is no forecast."""

    words: str


@dataclass(frozen=True)
class Score:
    """How a method did at one horizon, in students; rates in percent, NaN where there is none."""

    method: str
    horizon: int
    n: int
    mae: float
    mape: float
    mase: float
    bias: float
    skill: float
    is_chosen: bool = False
    coverage: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """What a weekly fit found: the method of each horizon, and how wide its intervals are.

    `plain[level][h - 1]` is the half width of an interval in students; `scaled[level][h - 1]` that in
    units of `timing_scale`; the larger one counts. `path` are the changes since `today` that the time
    series models expect, where they are used.
    """

    methods: tuple[str, ...]
    plain: Mapping[int, FloatArray]
    scaled: Mapping[int, FloatArray]
    scores: tuple[Score, ...]
    today: int = 0
    path: FloatArray | None = None


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
    slope = (now.at(origins) - now.at(origins - _DRIFT_DAYS)) / _DRIFT_DAYS
    found: FloatArray = now.at(origins)[:, None] + slope[:, None] * _going_on(
        now, origins, horizons
    )
    return found


def _going_on(now: Curve, origins: IntArray, horizons: IntArray) -> IntArray:
    """For how many of the days ahead a trend goes on: registration ends when the term starts."""
    left = (now.start - origins)[:, None]
    return np.where(left > 0, np.minimum(horizons, left), horizons)


def moving_average(
    now: Curve, _earlier: Sequence[Curve], origins: IntArray, horizons: IntArray
) -> FloatArray:
    """The mean of the last week."""
    week = now.at(origins[:, None] - np.arange(_DRIFT_DAYS)).mean(axis=1)
    return np.repeat(week[:, None], len(horizons), axis=1)


def _over(
    earlier: Sequence[Curve],
    origins: IntArray,
    horizons: IntArray,
    combine: Callable[[Curve, FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """The mean over the earlier terms that know both ends of each step."""
    shape = (len(origins), len(horizons))
    total, count = np.zeros(shape), np.zeros(shape)
    for past in earlier:
        found = combine(past, past.at(origins)[:, None], past.at(origins[:, None] + horizons))
        known = ~np.isnan(found)
        total += np.where(known, found, 0.0)
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
    parts = np.stack([method(now, earlier, origins, horizons) for method in (ratio, pick_up, pace)])
    known = ~np.isnan(parts)
    count = known.sum(axis=0)
    mean = np.divide(
        np.where(known, parts, 0.0).sum(axis=0),
        count,
        out=np.full(count.shape, np.nan),
        where=count > 0,
    )
    going_on = drift(now, earlier, origins, horizons)
    share = _DRIFT_SHARE * 0.5 ** (horizons / _DRIFT_HALF_LIFE)
    found: FloatArray = share * going_on + (1 - share) * mean
    return found


# The simplest first.
_ALWAYS: dict[str, Method] = {
    "last_value": last_value,
    "moving_average": moving_average,
    "drift": drift,
}
_WITH_EARLIER: dict[str, Method] = {"pick_up": pick_up, "ratio": ratio, "curves": curves}


def _methods(earlier: Sequence[Curve]) -> dict[str, Method]:
    return _ALWAYS | _WITH_EARLIER if earlier else _ALWAYS


def timing_scale(earlier: Sequence[Curve], origins: IntArray, horizons: IntArray) -> FloatArray:
    """How far off the pick-up would be if the term ran up to two weeks ahead or behind, in students.

    Root mean square over the shifts, with 0.3 % of the headcount as its floor. Shape (origins,
    horizons); NaN where no earlier term knows.
    """
    shifts = np.arange(-_PHASE_DAYS, _PHASE_DAYS + 1)[:, None, None]
    start = origins[None, :, None]
    ends = start + horizons[None, None, :]

    def spread(past: Curve, then: FloatArray, later: FloatArray) -> FloatArray:
        moved = past.at(ends + shifts) - past.at(start + shifts)
        squares = (moved - (later - then)) ** 2
        known = ~np.isnan(squares)
        count = known.sum(axis=0)
        total = np.where(known, squares, 0.0).sum(axis=0)
        mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
        found: FloatArray = np.sqrt(mean) + 0.003 * then + 1.0
        return found

    return _over(earlier, origins, horizons, spread)


def why_not(history: History) -> Refusal | None:
    """Why a term cannot be forecast yet, or any more."""
    days = history.today - history.now.first
    if history.as_of >= history.term.ends:
        return Refusal("no forecast: the term has ended")
    if days < _LEAST_DAYS:
        return Refusal(
            f"no forecast: {days} day{'' if days == 1 else 's'} of history, {_LEAST_DAYS} needed"
        )
    snapshots = int(history.now.observed.sum())
    if snapshots < _LEAST_SNAPSHOTS:
        return Refusal(
            f"no forecast: {snapshots} snapshots in {days} days, {_LEAST_SNAPSHOTS} needed"
        )
    return None


def fit_day(history: History) -> int:
    """The relative day of the weekly grid on which the fit of a day is made.

    The grid is counted from the term's first snapshot, so that ranges and single runs agree.
    """
    days = history.today - history.now.first
    return history.now.first + days - (days - _LEAST_DAYS) % _GRID_DAYS


@dataclass(frozen=True)
class Trial:
    """Whether time series models are worth their cost: errors of theirs and of the simple methods.

    Errors have the shape (origins, horizons), NaN where the outcome was not known.
    """

    errors: Mapping[str, FloatArray]
    observed: FloatArray


def try_models(history: History, horizon: int) -> Trial | None:
    """Back-test the time series models of a term without earlier ones; None if it is too short.

    `history` ends on the day of the trial, `trial_day`. The models are exponential smoothing and
    ARIMA from statsmodels, and their median (`series_methods`).
    """
    now = history.now
    origins = np.array([history.today - days for days in _TRIAL_ORIGINS])
    origins = origins[origins - now.first >= _LEAST_FOR_MODELS]
    if not len(origins) or history.earlier:
        return None
    horizons = np.arange(1, horizon + 1)
    tests = _errors(now, (), origins, horizons, _ALWAYS)
    errors = np.full(tests.observed.shape, np.nan)
    for row, origin in enumerate(origins):
        path = model_path(replace(history, today=int(origin), now=now.until(int(origin))), horizon)
        if path is None:
            return None
        errors[row] = now.at(origins[row : row + 1])[0] + path - tests.observed[row]
    return Trial({**tests.errors, MODELS: errors}, tests.observed)


def model_path(history: History, horizon: int) -> FloatArray | None:
    """The changes that the models expect; none of registration after the term's start."""
    from enrollment_assets.analytics import series_methods

    y = history.now.values[-_MODEL_DAYS:]
    said = series_methods.predictions(y, _GRID_DAYS, horizon, series_methods.MEMBERS)
    if series_methods.COMBINED not in said.forecasts:
        return None
    path: FloatArray = said.forecasts[series_methods.COMBINED] - y[-1]
    left = history.now.start - history.today
    if 0 < left < horizon:
        path[left:] = path[left - 1]
    return path


def trial_day(history: History) -> int:
    """The relative day, on a grid of four weeks, on which the models of a day were tried."""
    days = history.today - history.now.first
    return history.now.first + days - (days - _LEAST_DAYS) % _TRIAL_DAYS


def fit(
    history: History, horizon: int, levels: Sequence[int], trial: Trial | None = None
) -> Fit | Refusal:
    """Back-test every method, choose one for each horizon, and measure how far off it was.

    `horizon` in days; `levels` are intervals in percent. The newest day of `history` should be one of
    the weekly grid, `fit_day`. With a `trial` the models take the place of the chosen method at the
    horizons at which they were better by more than 5 %; the intervals stay those of the method that
    they beat.
    """
    horizons = np.arange(1, horizon + 1)
    tests = _back_tests(history, horizons)
    methods = _choose(tests, _phase_errors(history, horizons), horizons)
    plain, scaled = _widths(history, tests, methods, horizons, levels)
    if np.isnan(plain[levels[0]]).all():
        return Refusal(f"no forecast: fewer than {_LEAST_ORIGINS} days to test a method on")
    path = None
    if trial:
        methods = _with_models(methods, trial, horizons)
        if MODELS in methods:
            path = model_path(history, horizon + _GRID_DAYS)
    scores = _scores(history, tests, methods, trial)
    return Fit(methods, plain, scaled, scores, history.today, path)


def _with_models(methods: Sequence[str], trial: Trial, horizons: IntArray) -> tuple[str, ...]:
    found = list(methods)
    for bucket in _buckets(horizons):
        simple = np.abs(trial.errors[found[bucket.start]][:, bucket])
        models = np.abs(trial.errors[MODELS][:, bucket])
        known = ~np.isnan(models).all(axis=1)
        # Few origins prove little: the models must be better at every one of them.
        if known.sum() > 1 and all(
            np.nanmean(models[row]) * _MARGIN < np.nanmean(simple[row])
            for row in np.flatnonzero(known)
        ):
            found[bucket] = [MODELS] * (bucket.stop - bucket.start)
    return tuple(found)


@dataclass(frozen=True)
class _Tests:
    """Errors of each method (forecast less observed), NaN where none can be given.

    Shape (origins, horizons); `origins` are relative days.
    """

    origins: IntArray
    observed: FloatArray
    errors: Mapping[str, FloatArray]


def _errors(
    now: Curve,
    earlier: Sequence[Curve],
    origins: IntArray,
    horizons: IntArray,
    methods: Mapping[str, Method],
) -> _Tests:
    targets = origins[:, None] + horizons
    index = targets - now.first
    seen = (index < len(now.values)) & now.observed[np.clip(index, 0, len(now.values) - 1)]
    observed = np.where(seen, now.at(targets), np.nan)
    found = {
        name: method(now, earlier, origins, horizons) - observed for name, method in methods.items()
    }
    return _Tests(origins, observed, found)


def _along(found: Fit, history: History, horizons: IntArray) -> FloatArray:
    """The headcount of the day, and the changes that the week's models expect from it on."""
    if found.path is None:
        return np.full(len(horizons), np.nan)
    path = np.concatenate([[0.0], found.path])
    since = history.today - found.today
    values: FloatArray = history.now.values[-1] + path[since + horizons] - path[since]
    return values


def _back_tests(history: History, horizons: IntArray) -> _Tests:
    now, today = history.now, history.today
    first = max(now.first + _DRIFT_DAYS, today - int(horizons[-1]) - _WINDOW)
    origins = np.arange(first, today)
    origins = origins[now.observed[origins - now.first]]
    tests = _errors(now, history.earlier, origins, horizons, _methods(history.earlier))
    outside = origins[:, None] < today - horizons - _WINDOW
    for errors in tests.errors.values():
        errors[outside] = np.nan
    return tests


def _phase_errors(history: History, horizons: IntArray) -> Mapping[str, FloatArray]:
    """Errors on the newest earlier term around the same relative day, in this term's size.

    A method that went well in the last weeks may be about to fail, as drift does when registration
    closes: the earlier term has been there already.
    """
    if not history.earlier:
        return {}
    then, before = history.earlier[0], history.earlier[1:]
    origins = np.arange(history.today - _PHASE_DAYS, history.today + _PHASE_DAYS + 1)
    index = origins - then.first
    origins = origins[(index >= _DRIFT_DAYS) & (index < len(then.values))]
    if not len(origins):
        return {}
    origins = origins[then.observed[origins - then.first]]
    tests = _errors(then, before, origins, horizons, _methods(before))
    here = float(history.now.at(np.array([history.today]))[0])
    there = float(then.at(np.array([history.today]))[0])
    size = here / there if there > 0 else np.nan
    return {name: errors * size for name, errors in tests.errors.items()}


def _buckets(horizons: IntArray) -> Iterator[slice]:
    """Slices of the horizons that share a method."""
    edges = [0, *[h for h in HORIZONS if h < len(horizons)], len(horizons)]
    for low, high in itertools.pairwise(edges):
        yield slice(low, high)


def _mean(errors: FloatArray) -> float:
    known = errors[~np.isnan(errors)]
    return float(np.abs(known).mean()) if len(known) else np.nan


def _choose(tests: _Tests, phase: Mapping[str, FloatArray], horizons: IntArray) -> tuple[str, ...]:
    """The method of each horizon; buckets that cannot be tested take that of the one before."""
    names = list(tests.errors)
    chosen = "curves" if "curves" in names else "drift"
    found: list[str] = []
    for bucket in _buckets(horizons):
        costs: dict[str, float] = {}
        for name in names:
            errors = tests.errors[name][:, bucket]
            if (~np.isnan(errors)).any(axis=1).sum() < _LEAST_ORIGINS:
                continue
            costs[name] = _mean(errors)
        if _guides(costs):
            for name in costs.keys() & phase.keys():
                of_phase = _mean(phase[name][:, bucket])
                costs[name] = max(costs[name], 0.0 if np.isnan(of_phase) else of_phase)
        if costs:
            best = min(costs.values())
            chosen = next(name for name, cost in costs.items() if cost <= best * _MARGIN)
        found += [chosen] * (bucket.stop - bucket.start)
    return tuple(found)


def _guides(costs: Mapping[str, float]) -> bool:
    """Whether the earlier term is a guide at all: following it was not much worse than not to."""
    followed = [cost for name, cost in costs.items() if name in _WITH_EARLIER]
    others = [cost for name, cost in costs.items() if name not in _WITH_EARLIER]
    return bool(followed and others) and min(followed) <= _GUIDES_WITHIN * min(others)


def _widths(
    history: History,
    tests: _Tests,
    methods: Sequence[str],
    horizons: IntArray,
    levels: Sequence[int],
) -> tuple[dict[int, FloatArray], dict[int, FloatArray]]:
    """Half widths of the intervals: conformal, from the back-test's absolute errors.

    The k-th smallest of n errors, k = ceil((n + 1) level) (Lei et al., 2018, "Distribution-free
    predictive inference for regression"). Where no earlier term tells how much the timing can differ,
    they are widened for the few errors that do not overlap: see `_small_sample`. Horizons that could
    not be tested grow on from the last one that could, in proportion, or as `timing_scale` does.
    """
    scale = timing_scale(history.earlier, tests.origins, horizons)
    plain = {level: np.full(len(horizons), np.nan) for level in levels}
    scaled = {level: np.full(len(horizons), np.nan) for level in levels}
    for column, name in enumerate(methods):
        errors = np.abs(tests.errors[name][:, column])
        known = ~np.isnan(errors)
        if known.sum() < _LEAST_ORIGINS:
            continue
        independent = 1 + float(np.ptp(tests.origins[known])) / float(horizons[column])
        relative = errors / scale[:, column]
        relative = relative[~np.isnan(relative)]
        for level in levels:
            width = _quantile(errors[known], level)
            if len(relative) >= _LEAST_ORIGINS:
                plain[level][column] = width
                scaled[level][column] = _quantile(relative, level)
            else:
                plain[level][column] = width * _small_sample(independent, level)
    for level in levels:
        plain[level] = _smooth(_filled(plain[level], horizons))
        scaled[level] = _smooth(_filled(scaled[level], np.ones(len(horizons))))
    return plain, scaled


def _small_sample(count: float, level: int) -> float:
    """How much wider an interval from `count` independent errors is than one from very many.

    Student's t with count - 1 degrees of freedom (at least 2; the expansion 26.7.5 of Abramowitz and
    Stegun) over the normal quantile, times sqrt(1 + 1 / count).
    """
    z = NormalDist().inv_cdf(0.5 + level / 200)
    freedom = max(count - 1, 2.0)
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return float(t / z * np.sqrt(1 + 1 / count))


def _quantile(errors: FloatArray, level: int) -> float:
    count = len(errors)
    rank = min(int(np.ceil((count + 1) * level / 100)), count)
    return float(np.partition(errors, rank - 1)[rank - 1])


def _smooth(widths: FloatArray) -> FloatArray:
    """A centred mean over a week of horizons."""
    if len(widths) < _SMOOTH_DAYS:
        return widths
    ones = np.ones(_SMOOTH_DAYS)
    found: FloatArray = np.convolve(widths, ones, mode="same") / np.convolve(
        np.ones(len(widths)), ones, mode="same"
    )
    return found


def _filled(widths: FloatArray, growth: npt.NDArray[Any]) -> FloatArray:
    """Widths of all horizons: on lines between tested ones, growing as `growth` after the last."""
    known = np.flatnonzero(~np.isnan(widths))
    if not len(known):
        return widths
    index = np.arange(len(widths))
    last = known[-1]
    between: FloatArray = np.interp(index, known, widths[known])
    return np.where(index > last, widths[last] * growth / growth[last], between)


def score_of(
    errors: FloatArray, observed: FloatArray, naive_errors: FloatArray, daily_change: float
) -> tuple[int, float, float, float, float, float]:
    """n, MAE, MAPE, MASE, bias and skill of errors (forecast less observed), in students and percent.

    MAPE looks at headcounts of 100 and more only. MASE after Hyndman and Koehler (2006), with the mean
    absolute change of a day in the place of the naive error. Skill: percent by which the errors are
    smaller than those of the last value on the same days.
    """
    known = ~np.isnan(errors)
    errors, observed, naive_errors = errors[known], observed[known], naive_errors[known]
    if not len(errors):
        return 0, np.nan, np.nan, np.nan, np.nan, np.nan
    mae = float(np.abs(errors).mean())
    large = observed >= 100  # noqa: PLR2004
    mape = float((np.abs(errors[large]) / observed[large]).mean() * 100) if large.any() else np.nan
    naive = float(np.abs(naive_errors).mean())
    skill = 100 * (1 - mae / naive) if naive else np.nan
    mase = mae / daily_change if daily_change else np.nan
    return len(errors), mae, mape, mase, float(errors.mean()), skill


def daily_change(curve: Curve) -> float:
    """The mean absolute change of a day in students, which MASE is counted in."""
    return float(np.abs(np.diff(curve.values)).mean()) if len(curve.values) > 1 else 0.0


def _scores(
    history: History, tests: _Tests, methods: Sequence[str], trial: Trial | None
) -> tuple[Score, ...]:
    change = daily_change(history.now)
    tried: list[tuple[str, FloatArray, _Tests | Trial]] = [
        (name, errors, tests) for name, errors in tests.errors.items()
    ]
    if trial:
        tried.append((MODELS, trial.errors[MODELS], trial))
    found = []
    for horizon in HORIZONS:
        if horizon > len(methods):
            break
        column = horizon - 1
        for name, errors, among in tried:
            naive = among.errors["last_value"][:, column]
            figures = score_of(errors[:, column], among.observed[:, column], naive, change)
            if figures[0]:
                found.append(Score(name, horizon, *figures, is_chosen=name == methods[column]))
    return tuple(found)


@dataclass(frozen=True)
class Forecast:
    """Expected headcounts of the days after `as_of`, with bounds by level in percent."""

    horizons: IntArray
    methods: tuple[str, ...]
    expected: FloatArray
    lower: Mapping[int, FloatArray]
    upper: Mapping[int, FloatArray]


def predict(found: Fit, history: History) -> Forecast:
    """The forecast of a day, by the fit of its week, to the horizon or the term's end.

    Headcounts and bounds are never below 0.
    """
    left = (history.term.ends - history.as_of).days
    horizons = np.arange(1, min(len(found.methods), left) + 1)
    origin = np.array([history.today])
    expected = np.full(len(horizons), np.nan)
    names = list(found.methods[: len(horizons)])
    for name in dict.fromkeys(names):
        rows = np.array([method == name for method in names])
        if name == MODELS:
            values = _along(found, history, horizons)
        else:
            method = _methods(history.earlier)[name]
            values = method(history.now, history.earlier, origin, horizons)[0]
        # Beyond what earlier terms know the curve cannot say anything: the level stays.
        unknown = rows & np.isnan(values)
        expected[rows] = values[rows]
        expected[unknown] = float(history.now.values[-1])
        for index in np.flatnonzero(unknown):
            names[index] = "last_value"
    expected = np.maximum(expected, 0.0)
    scale = timing_scale(history.earlier, origin, horizons)[0]
    lower, upper = {}, {}
    for level, widths in found.plain.items():
        by_scale = found.scaled[level][: len(horizons)] * scale
        width = np.fmax(widths[: len(horizons)], by_scale)
        lower[level] = np.maximum(expected - width, 0.0)
        upper[level] = expected + width
    return Forecast(horizons, tuple(names), expected, lower, upper)
