"""By which path a term should keep its census cohort: to the target, as earlier terms lost theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment_assets.config import Settings, Term
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    from enrollment_assets.analytics.curves import FloatArray
else:
    np = lazy("numpy")


def target_path(figures: DayFigures, settings: Settings, term: Term) -> FloatArray:
    """The share of the cohort that should be left on each day from census to the term's end, percent.

    It ends at `reports.continuation_target`. On the way there it loses, of all that it may lose, what
    earlier terms that have ended had lost by the same part of theirs, on average; in the same steps
    every day where there is none.
    """
    goal = settings.reports.continuation_target
    part = np.linspace(0.0, 1.0, max((term.ends - term.census).days, 1) + 1)
    lost = []
    for past in settings.earlier_terms(term):
        rows = figures.continuation_of(past.code)
        if past.ends > figures.day or rows.empty:
            continue
        since = rows["days_since_census"].to_numpy(dtype=float)
        gone = 100 - rows["continuation_pct"].to_numpy(dtype=float)
        if gone[-1] > 0 and since[-1] > 0:
            lost.append(np.interp(part, since / since[-1], gone / gone[-1]))
    path = np.mean(lost, axis=0) if lost else part
    target: FloatArray = 100 - (100 - goal) * path
    return target
