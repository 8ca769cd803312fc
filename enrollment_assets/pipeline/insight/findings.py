"""Whether anything is unusual, and how accurate forecasts are: pure functions."""

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


def census_as_frozen(changed: Sequence[Sequence[Any]]) -> Finding:
    """The frozen censuses match the current snapshots."""
    figures = {
        term: f"frozen: {count:,} on {day}; now: {count_now:,} on {day_now}. The frozen count stays "
        f"until `enrollment rebuild --term {term}` freezes it again."
        for term, day, count, day_now, count_now in changed
    }
    return Finding("census_as_frozen", not changed, figures=figures)
