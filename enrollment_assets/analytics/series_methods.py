"""Forecasts a series by its own past alone: pure functions, for terms without an earlier one.

A series is an array of equally spaced values without gaps; `season` is the number of steps after
which its rhythm repeats (7 for days, 1 for none) and `horizon` the number of steps to forecast.
Forecasts are not cut off at 0: that is for those who know that the values are counts. The simple
methods that these compete with are in `curves`.

`predictions` is the way in. FPP3 is Hyndman & Athanasopoulos, Forecasting: Principles and Practice,
3rd edition.
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
_LAGS = 8  # a week and a day: what day dummies leave over
# A median of fewer than three members is not one.
_LEAST_MEMBERS = 3


class _NotApplicableError(Exception):
    """A method cannot forecast this series; the message says why."""


@dataclass(frozen=True)
class Method:
    """A way to forecast a series; it needs `min_values` values and `min_seasons` whole seasons."""

    name: str
    predict: Callable[[FloatArray, int, int], FloatArray]
    min_values: int
    min_seasons: int

    def min_length(self, season: int) -> int:
        """The number of values that the method needs."""
        return self.min_values + self.min_seasons * season


def seasonal_drift(y: FloatArray, season: int, horizon: int) -> FloatArray:
    """The steps of the last season repeat: a week that added 70 is followed by weeks that add 70."""
    steps = np.diff(y[-season - 1 :])
    return float(y[-1]) + np.resize(steps, horizon).cumsum()


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
            step = float(y[-1] - y[0]) / len(steps)
            return float(y[-1]) + step * np.arange(1.0, horizon + 1)
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
    """The series over its range, and the range; a failed fit means that the method does not apply."""
    from statsmodels.tools.sm_exceptions import (
        ConvergenceWarning,
        EstimationWarning,
        SingularMatrixWarning,
    )

    scale = float(np.ptp(y))
    with warnings.catch_warnings():
        # A fit that stopped early still forecasts; the trial on past days tells whether well.
        for category in (ConvergenceWarning, EstimationWarning, SingularMatrixWarning):
            warnings.simplefilter("ignore", category)
        # statsmodels' likelihoods divide by residuals that may all be 0
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="statsmodels")
        try:
            yield y / scale, scale
        except (np.linalg.LinAlgError, ValueError) as error:
            raise _NotApplicableError(f"the fit failed: {error}") from error


# A trend that goes on, one that fades, none, and one of the whole past: where one goes astray, the
# median does not. The idea is Petropoulos & Svetunkov's (2020), A simple combination of univariate
# models, International Journal of Forecasting 36.
MEMBERS: tuple[Method, ...] = (
    Method("seasonal_drift", seasonal_drift, min_values=1, min_seasons=1),
    Method("level_smoothing", level_smoothing, min_values=10, min_seasons=2),
    Method("damped_smoothing", damped_smoothing, min_values=10, min_seasons=2),
    Method("arima", arima, min_values=10, min_seasons=2),
)


def predictions(
    y: FloatArray, season: int, horizon: int, methods: Sequence[Method] = MEMBERS
) -> Mapping[str, FloatArray]:
    """What each method says about the `horizon` values after the series, and the median of all.

    A method that needs more values, or whose fit fails, is left out; there is a median (`COMBINED`) of
    three methods or more. Raises ValueError for an empty series, values that are not finite, or a
    season or horizon below 1.
    """
    if horizon < 1 or season < 1:
        raise ValueError(f"horizon ({horizon}) and season ({season}) must be at least 1")
    y = np.asarray(y, dtype=np.float64)
    if not len(y) or not np.isfinite(y).all():
        raise ValueError("a series needs at least one value, and finite ones only")
    is_constant = np.ptp(y) == 0
    forecasts: dict[str, FloatArray] = {}
    for method in methods:
        if len(y) < method.min_length(season):
            continue
        try:
            # Fits divide by a spread of nothing; the limit of each is that the value goes on.
            forecast = (
                np.full(horizon, y[-1]) if is_constant else method.predict(y, season, horizon)
            )
        except _NotApplicableError:
            continue
        if np.isfinite(forecast).all():
            forecasts[method.name] = forecast
    if len(forecasts) >= _LEAST_MEMBERS:
        forecasts[COMBINED] = np.median(list(forecasts.values()), axis=0)
    return forecasts
