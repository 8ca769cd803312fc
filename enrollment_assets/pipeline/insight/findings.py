"""Whether anything is unusual, and how accurate forecasts are: pure functions."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from enrollment_assets.pipeline.findings import Facts, Finding

# Outcomes of forecasts overlap: fewer than these say little, and even less about intervals.
_LEAST_FORECASTS, _LEAST_BOUNDS = 20, 100

# An 80% interval that holds less often than this is too narrow; above, it is too wide to be useful.
_COVERAGE = (65.0, 97.0)


def forecast_beats_naive(facts: Sequence[Facts]) -> Finding:
    """Issued forecasts were more accurate than a no-change forecast."""
    figures: dict[str, Any] = {"least_forecasts": _LEAST_FORECASTS}
    passed = True
    for row in facts:
        if row["n"] < _LEAST_FORECASTS or row["skill_pct"] is None:
            continue
        passed = passed and row["skill_pct"] >= 0
        key = f"{row['term']}_{row['horizon_days']}_days"
        better = "smaller" if row["skill_pct"] >= 0 else "larger"
        figures[key] = (
            f"average error {row['mae']:,.1f}, {abs(row['skill_pct']):.0f}% {better} than a no-change "
            f"forecast ({row['n']:,} forecasts)"
        )
    return Finding("forecast_beats_naive", passed, figures=figures)


def interval_coverage(facts: Sequence[Facts]) -> Finding:
    """About 80% of outcomes fell inside the 80% interval, over all scored horizons of a term."""
    figures: dict[str, Any] = {"lowest_coverage": _COVERAGE[0], "highest_coverage": _COVERAGE[1]}
    passed = True
    for term in dict.fromkeys(row["term"] for row in facts):
        rows = [row for row in facts if row["term"] == term and row["coverage_80"] is not None]
        count = sum(row["n"] for row in rows)
        if count < _LEAST_BOUNDS:
            continue
        coverage = sum(row["n"] * row["coverage_80"] for row in rows) / count
        passed = passed and _COVERAGE[0] <= coverage <= _COVERAGE[1]
        figures[f"coverage_80_{term}"] = round(coverage, 1)
        figures[f"forecasts_{term}"] = count
    return Finding("interval_coverage", passed, figures=figures)


def no_anomalies(facts: Sequence[Facts]) -> Finding:
    """No unusual change, or a person has explained it.

    The figures go into alerts, so withheld segments have no name and no number in them.
    """
    open_ones = [row for row in facts if row["reason"] is None]
    figures: dict[str, Any] = {"unusual_series": len(facts)}
    for row in facts:
        text = row["explanation"]
        if row["observed"] is not None:
            text = (
                f"{row['observed']:,.0f} a day, expected {row['expected']:,.0f} "
                f"({row['lower']:,.0f} to {row['upper']:,.0f}), score {row['score']:.1f}: {text}"
            )
        if row["reason"] is not None:
            text += f" Acknowledged by {row['acknowledged_by']}: {row['reason']}"
        figures[f"{row['term']} {row['series']}"] = text
    return Finding("no_anomalies", not open_ones, figures=figures)


def census_as_frozen(
    changed: Sequence[Sequence[Any]], pending: Sequence[Sequence[Any]] = ()
) -> Finding:
    """The frozen censuses match the current snapshots, and none waits for a person."""
    figures = {term: changed_census(term, *rest) for term, *rest in changed}
    figures |= {term: pending_census(term, *rest) for term, *rest in pending}
    return Finding("census_as_frozen", not figures, figures=figures)


def changed_census(
    term: str, day: dt.date, count: int, day_now: dt.date | None, count_now: int | None
) -> str:
    """How a frozen census differs from the current snapshots, and what to do."""
    now = "its snapshot is no longer accepted"
    if day_now and count_now is not None:
        now = f"now: {count_now:,} on {day_now}"
    return (
        f"frozen: {count:,} on {day}; {now}. The frozen count stays until `enrollment census --term "
        f"{term} --confirm --reason …` freezes it again, or --date moves it."
    )


def pending_census(term: str, census: dt.date, day: dt.date, status: str) -> str:
    """Why a census is not frozen, and what to do."""
    return (
        f"the census of {census} is not frozen, because the snapshot of {day} is {status}. Load or "
        f"accept that day, or decide: `enrollment census --term {term} --confirm --reason …` takes the "
        "last accepted day before it, --date another one."
    )
