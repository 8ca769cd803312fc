"""How far off each method was on days that are over, and which one to trust at each horizon."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enrollment_assets.analytics.curves import (
    DEFAULT,
    DRIFT_DAYS,
    PHASE_DAYS,
    WITH_EARLIER,
    Curve,
    History,
    methods_for,
)
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    from enrollment_assets.analytics.curves import FloatArray, IntArray, Method
else:
    np = lazy("numpy")

# Horizons, in days, that scores are given for; each ends a bucket for which a method is chosen.
HORIZONS = (7, 14, 30, 60, 90)
# Origins of a back-test: eight weeks, so that it speaks of the present phase of the term.
_WINDOW = 56
LEAST_ORIGINS = 7
# The simplest method wins, unless another one is better by more than 5%.
MARGIN = 1.05
# With earlier terms the blend is left only where another method is that many times better: in quiet
# weeks before registration moves, naive methods win a back-test and lose the future. An earlier term
# that misleads is worse than that.
LEAVES_AT = 2.0
# An earlier term with half as much error again as the simple methods misleads.
_GUIDES_WITHIN = 1.5


@dataclass(frozen=True)
class BackTests:
    """Errors of each method (forecast less observed), NaN where none can be given.

    Shape (origins, horizons); `origins` are relative days.
    """

    origins: IntArray
    observed: FloatArray
    errors: Mapping[str, FloatArray]


def errors_at(
    now: Curve,
    earlier: Sequence[Curve],
    origins: IntArray,
    horizons: IntArray,
    methods: Mapping[str, Method],
) -> BackTests:
    """The errors of these methods at these origins, relative days, and horizons."""
    targets = origins[:, None] + horizons
    index = targets - now.first
    seen = (index < len(now.values)) & now.observed[np.clip(index, 0, len(now.values) - 1)]
    observed = np.where(seen, now.at(targets), np.nan)
    errors = {
        name: method(now, earlier, origins, horizons) - observed for name, method in methods.items()
    }
    return BackTests(origins, observed, errors)


def back_tests(history: History, horizons: IntArray) -> BackTests:
    """The errors of every method at the origins of the last weeks whose outcome is known today."""
    now, today = history.now, history.today
    first = max(now.first + DRIFT_DAYS, today - int(horizons[-1]) - _WINDOW)
    origins = np.arange(first, today)
    origins = origins[now.observed[origins - now.first]]
    tests = errors_at(now, history.earlier, origins, horizons, methods_for(history.earlier))
    outside = origins[:, None] < today - horizons - _WINDOW
    for errors in tests.errors.values():
        errors[outside] = np.nan
    return tests


def phase_errors(history: History, horizons: IntArray) -> Mapping[str, FloatArray]:
    """Errors on the newest earlier term around the same relative day, in this term's size.

    A method that went well in the last weeks may be about to fail, as drift does when registration
    closes: the earlier term has been there already.
    """
    if not history.earlier:
        return {}
    then, before = history.earlier[0], history.earlier[1:]
    origins = np.arange(history.today - PHASE_DAYS, history.today + PHASE_DAYS + 1)
    index = origins - then.first
    origins = origins[(index >= DRIFT_DAYS) & (index < len(then.values))]
    if not len(origins):
        return {}
    origins = origins[then.observed[origins - then.first]]
    tests = errors_at(then, before, origins, horizons, methods_for(before))
    here = float(history.now.at(np.array([history.today]))[0])
    there = float(then.at(np.array([history.today]))[0])
    size = here / there if there > 0 else np.nan
    return {name: errors * size for name, errors in tests.errors.items()}


def buckets(horizons: IntArray) -> Iterator[slice]:
    """Slices of the horizons that share a method."""
    edges = [0, *[h for h in HORIZONS if h < len(horizons)], len(horizons)]
    for low, high in itertools.pairwise(edges):
        yield slice(low, high)


def _mean(errors: FloatArray) -> float:
    known = errors[~np.isnan(errors)]
    return float(np.abs(known).mean()) if len(known) else np.nan


def choose(
    tests: BackTests, phase: Mapping[str, FloatArray], horizons: IntArray
) -> tuple[str, ...]:
    """The method of each horizon; buckets that cannot be tested take that of the one before.

    With earlier terms it is the blend, unless another one is `LEAVES_AT` times better.
    """
    names = list(tests.errors)
    chosen = DEFAULT if DEFAULT in names else "drift"
    methods_by_horizon: list[str] = []
    for bucket in buckets(horizons):
        costs: dict[str, float] = {}
        for name in names:
            errors = tests.errors[name][:, bucket]
            if (~np.isnan(errors)).any(axis=1).sum() < LEAST_ORIGINS:
                continue
            costs[name] = _mean(errors)
        if _guides(costs):
            for name in costs.keys() & phase.keys():
                of_phase = _mean(phase[name][:, bucket])
                costs[name] = max(costs[name], 0.0 if np.isnan(of_phase) else of_phase)
        if costs:
            best = min(costs.values())
            is_default_good = costs.get(DEFAULT, np.inf) <= best * LEAVES_AT
            chosen = (
                DEFAULT
                if is_default_good
                else next(name for name, cost in costs.items() if cost <= best * MARGIN)
            )
        methods_by_horizon += [chosen] * (bucket.stop - bucket.start)
    return tuple(methods_by_horizon)


def _guides(costs: Mapping[str, float]) -> bool:
    """Whether the earlier term is a guide at all: following it was not much worse than not to."""
    followed = [cost for name, cost in costs.items() if name in WITH_EARLIER]
    others = [cost for name, cost in costs.items() if name not in WITH_EARLIER]
    return bool(followed and others) and min(followed) <= _GUIDES_WITHIN * min(others)
