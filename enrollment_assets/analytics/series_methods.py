"""Forecasts a series by its own past alone: pure functions, for terms without an earlier one.

A series is an array of equally spaced values without gaps; `season` is the number of steps after
which its rhythm repeats (7 for days, 1 for none) and `horizon` the number of steps to forecast.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """A way to forecast a series.

    `complexity` ranks methods, simplest first. It needs `min_values` values beside `min_seasons`
    whole seasons. `fitted` says that it estimates parameters with an
    optimiser, which costs some ten milliseconds and loads statsmodels.
    """

    name: str
    complexity: int
    predict: Callable[[FloatArray, int, int], FloatArray | None]
    min_values: int
    min_seasons: int = 0
    fitted: bool = False

    def min_length(self, season: int) -> int:
        """The number of values that the method needs."""
        return self.min_values + self.min_seasons * season

    def why_not(self, y: FloatArray, season: int) -> str | None:
        """Why the method does not apply to the series, in words, or None where it does."""
        needed = self.min_length(season)
        if len(y) < needed:
            return f"needs {needed} values and there are {len(y)}"
        return None

    def forecast(self, y: FloatArray, season: int, horizon: int) -> FloatArray | None:
        """The `horizon` values after the series, or None where the method does not apply."""
        if horizon < 1 or season < 1:
            raise ValueError(f"horizon ({horizon}) and season ({season}) must be at least 1")
        if self.why_not(y, season):
            return None
        predicted = self.predict(np.asarray(y, dtype=np.float64), season, horizon)
        return predicted if predicted is not None and np.isfinite(predicted).all() else None


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
    return np.full(horizon, y[-4 * season :].mean())


def linear_trend(y: FloatArray, _season: int, horizon: int) -> FloatArray:
    """A straight line through the whole series, by least squares (FPP3, 7.4)."""
    n = len(y)
    at = np.arange(n) - (n - 1) / 2
    slope = float(at @ y) / float(at @ at)
    return float(y.mean()) + slope * (_ahead(horizon) + (n - 1) / 2)


SIMPLE: tuple[Method, ...] = (
    Method("last_value", 1, last_value, min_values=1),
    Method("seasonal_naive", 2, seasonal_naive, min_values=0, min_seasons=1),
    Method("moving_average", 3, moving_average, min_values=2),
    Method("drift", 4, drift, min_values=2),
    Method("seasonal_drift", 5, seasonal_drift, min_values=1, min_seasons=1),
    Method("linear_trend", 6, linear_trend, min_values=3),
)
