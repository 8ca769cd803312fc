"""Forecasts of a term's headcount: fit on a weekly grid, predict every day.

Curves of earlier terms carry the forecast where there are any, time-series methods where there are
none, and a back-test on the data at hand decides (`backtests`). Pure functions on arrays; nothing of
a day after the one that is asked for is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from enrollment_assets.analytics import series_methods
from enrollment_assets.analytics.backtests import (
    HORIZONS,
    LEAST_ORIGINS,
    MARGIN,
    BackTests,
    back_tests,
    buckets,
    choose,
    errors_at,
    phase_errors,
)
from enrollment_assets.analytics.curves import ALWAYS, History, methods_for, timing_scale
from enrollment_assets.analytics.scores import Score, daily_change, independent, score_of
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from enrollment_assets.analytics.curves import FloatArray, IntArray
else:
    np = lazy("numpy")

NO_METHOD = "none"
# The median of time series models: see `series_methods`.
MODELS = "time_series"

# Two weeks show a rhythm of weeks once more; fewer snapshots than that are too few to test anything.
_LEAST_DAYS = 14
_LEAST_SNAPSHOTS = 8
_GRID_DAYS = 7
_SMOOTH_DAYS = 7
# Time series models cost a second each time: they look at the last months, and are tried at three
# origins every four weeks.
_MODEL_DAYS = 120
_TRIAL_DAYS = 28
_TRIAL_ORIGINS = (7, 28, 49)
_LEAST_FOR_MODELS = 28


# Wider ranges are at least as much wider than this one as they would be of normal errors (95%: 1.53
# times): few origins seldom show their tails.
_NARROW = 80


@dataclass(frozen=True)
class Refusal:
    """Why there is no forecast."""

    words: str


@dataclass(frozen=True)
class Fit:
    """What a weekly fit found: the method of each horizon, and how wide its intervals are.

    `plain[level][h - 1]` is the half width of an interval in students; `scaled[level][h - 1]` that in
    units of `timing_scale`; the mean of the two counts. `path` are the changes since `today` that the
    time series models expect, where they are used.
    """

    methods: tuple[str, ...]
    plain: Mapping[int, FloatArray]
    scaled: Mapping[int, FloatArray]
    scores: tuple[Score, ...]
    today: int = 0
    path: FloatArray | None = None


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

    origins: IntArray
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
    tests = errors_at(now, (), origins, horizons, ALWAYS)
    errors = np.full(tests.observed.shape, np.nan)
    for row, origin in enumerate(origins):
        path = model_path(replace(history, today=int(origin), now=now.until(int(origin))), horizon)
        if path is None:
            return None
        errors[row] = now.at(origins[row : row + 1])[0] + path - tests.observed[row]
    return Trial(origins, {**tests.errors, MODELS: errors}, tests.observed)


def model_path(history: History, horizon: int) -> FloatArray | None:
    """The changes that the models expect; none of registration after the term's start."""
    y = history.now.values[-_MODEL_DAYS:]
    combined = series_methods.predictions(y, _GRID_DAYS, horizon).get(series_methods.COMBINED)
    if combined is None:
        return None
    path: FloatArray = combined - y[-1]
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
    horizons at which they were better by more than 5%; the intervals stay those of the method that
    they beat.
    """
    horizons = np.arange(1, horizon + 1)
    tests = back_tests(history, horizons)
    methods = choose(tests, phase_errors(history, horizons), horizons)
    plain, scaled = _widths(history, tests, methods, horizons, levels)
    if np.isnan(plain[levels[0]]).all():
        return Refusal(f"no forecast: fewer than {LEAST_ORIGINS} days to test a method on")
    path = None
    if trial:
        methods = _with_models(methods, trial, horizons)
        if MODELS in methods:
            path = model_path(history, horizon + _GRID_DAYS)
    scores = _scores(history, tests, methods, trial)
    return Fit(methods, plain, scaled, scores, history.today, path)


def _with_models(methods: Sequence[str], trial: Trial, horizons: IntArray) -> tuple[str, ...]:
    mixed = list(methods)
    for bucket in buckets(horizons):
        simple = np.abs(trial.errors[mixed[bucket.start]][:, bucket])
        models = np.abs(trial.errors[MODELS][:, bucket])
        known = ~np.isnan(models).all(axis=1)
        # Few origins prove little: the models must be better at every one of them.
        if known.sum() > 1 and all(
            np.nanmean(models[row]) * MARGIN < np.nanmean(simple[row])
            for row in np.flatnonzero(known)
        ):
            mixed[bucket] = [MODELS] * (bucket.stop - bucket.start)
    return tuple(mixed)


def _along(fitted: Fit, history: History, horizons: IntArray) -> FloatArray:
    """The headcount of the day, and the changes that the week's models expect from it on."""
    if fitted.path is None:
        return np.full(len(horizons), np.nan)
    path = np.concatenate([[0.0], fitted.path])
    since = history.today - fitted.today
    values: FloatArray = history.now.values[-1] + path[since + horizons] - path[since]
    return values


def _widths(
    history: History,
    tests: BackTests,
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
        if known.sum() < LEAST_ORIGINS:
            continue
        independent = max(1.0, float(np.ptp(tests.origins[known])) / float(horizons[column]))
        relative = errors / scale[:, column]
        relative = relative[~np.isnan(relative)]
        for level in levels:
            width = _quantile(errors[known], level)
            if len(relative) >= LEAST_ORIGINS:
                plain[level][column] = width
                scaled[level][column] = _quantile(relative, level)
            else:
                plain[level][column] = width * _small_sample(independent, level)
    for level in levels:
        plain[level] = _smooth(_filled(plain[level], horizons))
        scaled[level] = _smooth(_filled(scaled[level], np.ones(len(horizons))))
    return plain, scaled


def _z(level: int) -> float:
    return NormalDist().inv_cdf(0.5 + level / 200)


def _small_sample(count: float, level: int) -> float:
    """How much wider an interval from `count` independent errors is than one from very many.

    Student's t with count - 1 degrees of freedom (at least 2; the expansion 26.7.5 of Abramowitz and
    Stegun) over the normal quantile, times sqrt(1 + 1 / count).
    """
    z = _z(level)
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
    smooth: FloatArray = np.convolve(widths, ones, mode="same") / np.convolve(
        np.ones(len(widths)), ones, mode="same"
    )
    return smooth


def _filled(widths: FloatArray, growth: npt.NDArray[Any]) -> FloatArray:
    """Widths of all horizons: on lines between tested ones, growing as `growth` after the last."""
    known = np.flatnonzero(~np.isnan(widths))
    if not len(known):
        return widths
    index = np.arange(len(widths))
    last = known[-1]
    between: FloatArray = np.interp(index, known, widths[known])
    return np.where(index > last, widths[last] * growth / growth[last], between)


def _scores(
    history: History, tests: BackTests, methods: Sequence[str], trial: Trial | None
) -> tuple[Score, ...]:
    change = daily_change(history.now)
    tried: list[tuple[str, FloatArray, BackTests | Trial]] = [
        (name, errors, tests) for name, errors in tests.errors.items()
    ]
    if trial:
        tried.append((MODELS, trial.errors[MODELS], trial))
    scores = []
    for horizon in HORIZONS:
        if horizon > len(methods):
            break
        column = horizon - 1
        for name, errors, among in tried:
            naive = among.errors["last_value"][:, column]
            figures = score_of(errors[:, column], among.observed[:, column], naive, change)
            if figures[0]:
                origins = among.origins[~np.isnan(errors[:, column])]
                apart = independent(np.sort(origins), horizon)
                is_chosen = name == methods[column]
                scores.append(
                    Score(name, horizon, *figures, independent=apart, is_chosen=is_chosen)
                )
    return tuple(scores)


@dataclass(frozen=True)
class Forecast:
    """Expected headcounts of the days after `as_of`, with bounds by level in percent."""

    horizons: IntArray
    methods: tuple[str, ...]
    expected: FloatArray
    lower: Mapping[int, FloatArray]
    upper: Mapping[int, FloatArray]


def predict(fitted: Fit, history: History) -> Forecast:
    """The forecast of a day, by the fit of its week, to the horizon or the term's end.

    Headcounts and bounds are never below 0.
    """
    left = (history.term.ends - history.as_of).days
    horizons = np.arange(1, min(len(fitted.methods), left) + 1)
    origin = np.array([history.today])
    expected = np.full(len(horizons), np.nan)
    names = list(fitted.methods[: len(horizons)])
    for name in dict.fromkeys(names):
        rows = np.array([method == name for method in names])
        if name == MODELS:
            values = _along(fitted, history, horizons)
        else:
            method = methods_for(history.earlier)[name]
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
    narrowest: FloatArray | None = None
    for level, widths in sorted(fitted.plain.items()):
        by_scale = fitted.scaled[level][: len(horizons)] * scale
        plain = widths[: len(horizons)]
        width = np.where(np.isnan(by_scale), plain, (plain + by_scale) / 2)
        if narrowest is not None:
            width = np.maximum(width, narrowest * _z(level) / _z(_NARROW))
        if level == _NARROW:
            narrowest = width
        lower[level] = np.maximum(expected - width, 0.0)
        upper[level] = expected + width
    return Forecast(horizons, tuple(names), expected, lower, upper)
