"""Measures of errors: what a scorecard says of a method at one horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enrollment_assets.analytics.curves import Curve
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    from enrollment_assets.analytics.curves import FloatArray, IntArray
else:
    np = lazy("numpy")


@dataclass(frozen=True)
class Score:
    """How a method did at one horizon, in students; rates in percent, NaN where there is none.

    Of the `n` forecasts, `independent` ones look over spans that do not overlap.
    """

    method: str
    horizon: int
    n: int
    mae: float
    mape: float
    mase: float
    bias: float
    skill: float
    independent: int = 0
    is_chosen: bool = False
    coverage: Mapping[int, float] = field(default_factory=dict)


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


def independent(days: IntArray, horizon: int) -> int:
    """How many forecasts made on these days, in order, look over spans that do not overlap.

    Errors of overlapping spans repeat each other: 200 forecasts of 90 days ahead may be three.
    """
    count, free = 0, None
    for day in days.tolist():
        if free is None or day >= free:
            count, free = count + 1, day + horizon
    return count


def daily_change(curve: Curve) -> float:
    """The mean absolute change of a day in students, which MASE is counted in."""
    return float(np.abs(np.diff(curve.values)).mean()) if len(curve.values) > 1 else 0.0
