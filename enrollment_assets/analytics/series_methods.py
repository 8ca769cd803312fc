"""Forecasts a series by its own past alone: pure functions, for terms without an earlier one.

A series is an array of equally spaced values without gaps; `season` is the number of steps after
which its rhythm repeats (7 for days, 1 for none) and `horizon` the number of steps to forecast.
Forecasts are not cut off at 0: that is for those who know that the values are counts.

`choose` is the way in. FPP3 is Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd
edition.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
else:
    np = lazy("numpy")


COMBINED = "combined"
# A simple method gives way only to one that is better by more than this share.
SIMPLEST_WITHIN = 0.05
# Fits are most of the cost, and more origins chose no better on series that were set apart.
ORIGINS = 3
_LAGS = 8  # a week and a day: what day dummies leave over
_RECENT_SEASONS = 4


class _NotApplicableError(Exception):
    """A method cannot forecast this series; the message says why."""


@dataclass(frozen=True)
class Method:
    """A way to forecast a series.

    `complexity` ranks methods, simplest first. It needs `min_values` values beside `min_seasons`
    whole seasons. `fitted` says that it loads statsmodels and estimates parameters, which takes some
    ten milliseconds.
    """

    name: str
    complexity: int
    predict: Callable[[FloatArray, int, int], FloatArray]
    min_values: int
    min_seasons: int = 0
    fitted: bool = False

    def min_length(self, season: int) -> int:
        """The number of values that the method needs."""
        return self.min_values + self.min_seasons * season

    def forecast(self, y: FloatArray, season: int, horizon: int) -> FloatArray | None:
        """The `horizon` values after the series, or None where the method does not apply."""
        return predictions(y, season, horizon, [self]).forecasts.get(self.name)


@dataclass(frozen=True)
class Predictions:
    """The forecasts of all methods that apply, by name, and why the others do not."""

    forecasts: Mapping[str, FloatArray]
    not_applicable: Mapping[str, str]


@dataclass(frozen=True)
class Chosen:
    """A forecast, the method behind it and how that did in the back-test.

    `errors` is actual less forecast, one row for each origin, latest first, and one column for each
    step ahead; NaN where the series was too short to tell. Each row stems from the values before its
    origin alone. `scaled_errors` is the mean absolute scaled error of every method that was compared,
    and `not_applicable` says why others were not.
    """

    name: str
    forecast: FloatArray
    errors: FloatArray
    scaled_errors: Mapping[str, float]
    not_applicable: Mapping[str, str]


def _ahead(horizon: int) -> FloatArray:
    return np.arange(1.0, horizon + 1)


def last_value(y: FloatArray, _season: int, horizon: int) -> FloatArray:
    """The last value goes on (FPP3, 5.2)."""
    return np.full(horizon, y[-1])


def seasonal_naive(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """The last season repeats (FPP3, 5.2)."""
    return np.resize(y[-season:], horizon)


def drift(y: FloatArray, _season: int, horizon: int) -> FloatArray:
    """The mean step over the whole series goes on (FPP3, 5.2)."""
    step = float(y[-1] - y[0]) / (len(y) - 1)
    return float(y[-1]) + step * _ahead(horizon)


def seasonal_drift(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """The steps of the last season repeat: a week that added 70 is followed by weeks that add 70."""
    steps = np.diff(y[-season - 1 :])
    return float(y[-1]) + np.resize(steps, horizon).cumsum()


def moving_average(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """The mean of the last four seasons, or of what there is."""
    return np.full(horizon, y[-_RECENT_SEASONS * season :].mean())


def linear_trend(y: FloatArray, _season: int, horizon: int) -> FloatArray:
    """A straight line through the whole series, by least squares (FPP3, 7.4)."""
    n = len(y)
    at = np.arange(n) - (n - 1) / 2
    slope = float(at @ y) / float(at @ at)
    return float(y.mean()) + slope * (_ahead(horizon) + (n - 1) / 2)


def theta(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """The theta method on the additively deseasonalised series.

    Half the slope of the linear trend, on top of simple exponential smoothing (Assimakopoulos &
    Nikolopoulos 2000, International Journal of Forecasting 16).
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel

    with _fit(y) as (scaled, scale):
        seasonal = season > 1
        model = ThetaModel(
            scaled, period=season if seasonal else None, deseasonalize=seasonal, method="additive"
        )
        return np.asarray(model.fit().forecast(horizon)) * scale


def level_smoothing(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """Exponential smoothing of level and season, without a trend: ETS(A,N,A) (FPP3, 8.5)."""
    return _smoothed(y, season, horizon, trended=False)


def damped_smoothing(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """Exponential smoothing with a trend that fades out: ETS(A,Ad,A) (FPP3, 8.5)."""
    return _smoothed(y, season, horizon, trended=True)


def _smoothed(y: FloatArray, season: int, horizon: int, *, trended: bool) -> FloatArray:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    with _fit(y) as (scaled, scale):
        model = ETSModel(
            scaled,
            trend="add" if trended else None,
            damped_trend=trended,
            seasonal="add" if season > 1 else None,
            seasonal_periods=season if season > 1 else None,
            # ten times as fast as estimating the first states, at 3 % more error in weekly series
            initialization_method="heuristic",
        )
        return np.asarray(model.fit(disp=False).forecast(horizon)) * scale


def arima(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """ARIMA(p,1,0) around fixed seasonal effects and a drift; p from 0 to 8 by BIC (FPP3, 9 and 10).

    Without a moving-average part it is solved by least squares, in a tenth of the time that a
    seasonal ARIMA takes.
    """
    from statsmodels.tsa.ar_model import ar_select_order

    with _fit(y) as (scaled, scale):
        steps = np.diff(scaled)
        if np.ptp(steps) == 0:
            return drift(y, season, horizon)
        order = ar_select_order(
            steps,
            maxlag=min(_LAGS, len(steps) // 4),
            ic="bic",
            seasonal=season > 1,
            period=season if season > 1 else None,
        )
        ahead = order.model.fit().predict(len(steps), len(steps) + horizon - 1)
        return float(y[-1]) + np.asarray(ahead).cumsum() * scale


@contextmanager
def _fit(y: FloatArray) -> Iterator[tuple[FloatArray, float]]:
    """The series over its range, and the range; failures of a fit as words."""
    from statsmodels.tools.sm_exceptions import (
        ConvergenceWarning,
        EstimationWarning,
        SingularMatrixWarning,
    )

    scale = float(np.ptp(y))
    with warnings.catch_warnings():
        # A fit that stopped early still forecasts; the back-test tells whether well.
        for category in (ConvergenceWarning, EstimationWarning, SingularMatrixWarning):
            warnings.simplefilter("ignore", category)
        # statsmodels' likelihoods divide by residuals that may all be 0
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="statsmodels")
        try:
            yield y / scale, scale
        except (np.linalg.LinAlgError, ValueError) as error:
            raise _NotApplicableError(f"the fit failed: {error}") from error


SIMPLE: tuple[Method, ...] = (
    Method("last_value", 1, last_value, min_values=1),
    Method("seasonal_naive", 2, seasonal_naive, min_values=0, min_seasons=1),
    Method("moving_average", 3, moving_average, min_values=2),
    Method("drift", 4, drift, min_values=2),
    Method("seasonal_drift", 5, seasonal_drift, min_values=1, min_seasons=1),
    Method("linear_trend", 6, linear_trend, min_values=3),
)
FITTED: tuple[Method, ...] = (
    Method("theta", 7, theta, min_values=10, min_seasons=2, fitted=True),
    Method("level_smoothing", 8, level_smoothing, min_values=10, min_seasons=2, fitted=True),
    Method("damped_smoothing", 9, damped_smoothing, min_values=10, min_seasons=2, fitted=True),
    Method("arima", 10, arima, min_values=10, min_seasons=2, fitted=True),
)
METHODS = SIMPLE + FITTED
# A trend that goes on, one that fades, none, and one of the whole past: where one goes astray, the
# median does not. The idea is Petropoulos & Svetunkov's (2020), A simple combination of univariate
# models, International Journal of Forecasting 36.
_MEMBERS = ("seasonal_drift", "level_smoothing", "damped_smoothing", "arima")
MEMBERS = tuple(method for method in METHODS if method.name in _MEMBERS)
_COMBINED_COMPLEXITY = 11


def combine(forecasts: Mapping[str, FloatArray]) -> FloatArray | None:
    """The median of those of the four members that are there, if at least three are."""
    members = [forecasts[name] for name in _MEMBERS if name in forecasts]
    return np.median(members, axis=0) if len(members) >= len(_MEMBERS) - 1 else None


def predictions(
    y: FloatArray, season: int, horizon: int, methods: Sequence[Method] = METHODS
) -> Predictions:
    """What each method says about the `horizon` values after the series, and their combination.

    Raises ValueError for an empty series, values that are not finite, or a season or horizon below 1.
    """
    if horizon < 1 or season < 1:
        raise ValueError(f"horizon ({horizon}) and season ({season}) must be at least 1")
    y = np.asarray(y, dtype=np.float64)
    if not len(y) or not np.isfinite(y).all():
        raise ValueError("a series needs at least one value, and finite ones only")
    is_constant = np.ptp(y) == 0
    forecasts: dict[str, FloatArray] = {}
    reasons: dict[str, str] = {}
    for method in methods:
        if len(y) < method.min_length(season):
            reasons[method.name] = f"needs {method.min_length(season)} values; there are {len(y)}"
            continue
        # Fits divide by a spread of nothing; the limit of each is that the value goes on.
        predict = last_value if method.fitted and is_constant else method.predict
        try:
            forecast = predict(y, season, horizon)
        except _NotApplicableError as error:
            reasons[method.name] = str(error)
            continue
        if np.isfinite(forecast).all():
            forecasts[method.name] = forecast
        else:
            reasons[method.name] = "the fit failed: its forecast is not finite"
    combined = combine(forecasts)
    if combined is not None:
        forecasts[COMBINED] = combined
    return Predictions(forecasts, reasons)


def naive_scale(y: FloatArray, season: int) -> float:
    """The mean absolute difference over a season: what MASE divides errors by (FPP3, 5.8).

    Over one step where the series is not longer than a season, and 1 where nothing ever differs.
    """
    lag = season if len(y) > season else 1
    return float(np.abs(y[lag:] - y[:-lag]).mean() if len(y) > lag else 0.0) or 1.0


def backtest(
    y: FloatArray,
    season: int,
    horizon: int,
    methods: Sequence[Method] = METHODS,
    *,
    origins: int = ORIGINS,
) -> dict[str, FloatArray]:
    """Errors at origins inside the series, by method: actual less forecast.

    Arrays have a row for each origin, latest first, and `horizon` columns. Origins are half a horizon
    apart. At most a third of the series is forecast at once, so that a short one is tested too, over
    fewer steps; the rest is NaN. A method that does not apply at every origin is left out. There is no
    origin in a series of less than 3 values: the answer is empty.
    """
    ahead = min(horizon, len(y) // 3)
    cuts = [len(y) - ahead - number * max(1, ahead // 2) for number in range(origins)]
    rows: list[dict[str, FloatArray]] = []
    for cut in cuts:
        if ahead and cut >= max(2, len(y) // 3):
            actual = np.full(horizon, np.nan)
            actual[:ahead] = y[cut : cut + ahead]
            said = predictions(y[:cut], season, horizon, methods).forecasts
            rows.append({name: actual - forecast for name, forecast in said.items()})
    return {
        name: np.stack([row[name] for row in rows])
        for name in (rows[0] if rows else ())
        if all(name in row for row in rows)
    }


def choose(
    y: FloatArray,
    season: int,
    horizon: int,
    methods: Sequence[Method] = METHODS,
    *,
    origins: int = ORIGINS,
    prefer: str | None = COMBINED,
) -> Chosen:
    """Forecast the `horizon` values after the series, with the errors of a rolling-origin back-test.

    The method that `prefer` names is used where the back-test could judge it: on real series
    (`bench/forecast_series.py`) the combination's mean error is a quarter below that of what back-tests
    of single series choose. Elsewhere, or with None, the simplest method is chosen, unless another is
    better by more than 5 % of its error (FPP3, 5.10). Raises as `predictions` does, and ValueError
    where no method applies.
    """
    said = predictions(y, season, horizon, methods)
    errors = backtest(y, season, horizon, methods, origins=origins)
    scale = naive_scale(y, season)
    scores = {
        name: float(np.nanmean(np.abs(error))) / scale
        for name, error in errors.items()
        if name in said.forecasts
    }
    if not said.forecasts:
        raise ValueError(f"no method applies: {dict(said.not_applicable)}")
    ranks = {COMBINED: _COMBINED_COMPLEXITY} | {
        method.name: method.complexity for method in methods
    }
    if prefer in scores:
        name = prefer
    elif scores:
        enough = min(scores.values()) / (1 - SIMPLEST_WITHIN)
        name = min((name for name in scores if scores[name] <= enough), key=ranks.__getitem__)
    else:
        name = min(said.forecasts, key=ranks.__getitem__)
    return Chosen(
        name=name,
        forecast=said.forecasts[name],
        errors=errors.get(name, np.empty((0, horizon))),
        scaled_errors=scores,
        not_applicable=said.not_applicable,
    )
