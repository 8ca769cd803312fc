"""Judges a day's snapshot by figures alone: pure functions, one finding for each property.

Inputs are the rows of `sql/warehouse/quality_facts.sql` and `reconcile_changes.sql` of one day.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.config.sections import Quality

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """Whether a property holds, how bad it is if not, and the figures to judge by."""

    check: str
    passed: bool
    is_error: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """The latest earlier accepted snapshot of a term; `retained` of its students are in the new one.

    `retained` is None where it was not counted, since the baseline is under `quality.reject_floor`.
    """

    date: dt.date
    student_count: int
    retained: int | None = None


def why_refused(
    facts: Mapping[str, int], baseline: Baseline | None, quality: Quality, *, is_empty: bool
) -> str | None:
    """The reason why an open term's rows must not become history, or None.

    Until its first student registers, an open term may be absent beside others; `is_empty` says that
    the whole snapshot would be empty.
    """
    if not facts["student_count"]:
        if facts["row_count"]:
            return f"none of the {facts['row_count']} rows counts as enrolled"
        stood = baseline is not None and baseline.student_count > 0
        if stood or (is_empty and baseline is None):
            return "the snapshot has no row of this term, which is open"
        return None
    reason = _why_rates_refuse(facts, quality)
    if reason is None and baseline and baseline.student_count >= max(quality.reject_floor, 1):
        reason = _why_headcount_refuses(facts["student_count"], baseline, quality)
    return reason


def _why_rates_refuse(facts: Mapping[str, int], quality: Quality) -> str | None:
    rows = facts["row_count"]
    for count, what, allowed, key in (
        (facts["duplicate_count"], "repeat a key", quality.max_duplicate_rate, "duplicate"),
        (facts["missing_count"], "have no id", quality.max_missing_rate, "missing"),
    ):
        if count / rows > allowed:
            found = f"{count} of {rows} rows ({count / rows:.1%}) {what}"
            return f"{found}; quality.max_{key}_rate is {allowed}"
    return None


def _why_headcount_refuses(students: int, baseline: Baseline, quality: Quality) -> str | None:
    before = baseline.student_count
    found = f"{students} students after {before} on {baseline.date} ({students / before:.1%})"
    if students / before < quality.reject_below_share:
        return f"{found}; quality.reject_below_share is {quality.reject_below_share}"
    if students / before > quality.reject_above_share:
        return f"{found}; quality.reject_above_share is {quality.reject_above_share}"
    if baseline.retained is not None and baseline.retained / before < quality.reject_below_share:
        return (
            f"only {baseline.retained} of the {before} students of {baseline.date} are in it "
            f"({baseline.retained / before:.1%}): the ids may be other ones; "
            f"quality.reject_below_share is {quality.reject_below_share}"
        )
    return None


def _per_term(facts: Sequence[Facts], column: str) -> dict[str, Any]:
    return {f"{column}_{row['term']}": row[column] for row in facts if row["term"] is not None}


def _undecided(facts: Sequence[Facts]) -> list[Facts]:
    """What rules judge: a snapshot that a person took in or threw out is past them."""
    return [row for row in facts if row["decided_by"] is None]


def _decisions(facts: Sequence[Facts]) -> dict[str, Any]:
    return {f"decision_{row['term']}": row["reasons"] for row in facts if row["decided_by"]}


def _stands(facts: Sequence[Facts]) -> bool:
    """Whether bad rows are in the tables: what was refused is only worth a warning."""
    return any(row["status"] == "accepted" for row in _undecided(facts))


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def snapshot_present(facts: Sequence[Facts], why_not_expected: str | None) -> Finding:
    """Every open term that is expected has an accepted snapshot."""
    known = [row for row in facts if row["term"] is not None and row["status"] != "outside"]
    absent = [row for row in known if row["status"] != "accepted"]
    figures: dict[str, Any] = _per_term(known, "status")
    if why_not_expected and not facts:
        figures["not_expected"] = why_not_expected
    if absent:
        figures["reasons"] = "; ".join(sorted({str(row["reasons"]) for row in absent}))
    return Finding("snapshot_present", not absent, figures=figures)


def duplicate_student_ids(facts: Sequence[Facts], quality: Quality) -> Finding:
    """Repeated keys stay under `quality.max_duplicate_rate`; one row of each is kept anyway."""
    rates = {
        row["term"]: _rate(row["duplicate_count"], row["row_count"])
        for row in _undecided(facts)
        if row["term"] is not None
    }
    passed = all(rate <= quality.max_duplicate_rate for rate in rates.values())
    figures = {
        **_per_term(facts, "duplicate_count"),
        "highest_rate": max(rates.values(), default=0.0),
        "max_duplicate_rate": quality.max_duplicate_rate,
        **_decisions(facts),
    }
    return Finding("duplicate_student_ids", passed, is_error=_stands(facts), figures=figures)


def missing_required_fields(facts: Sequence[Facts], quality: Quality) -> Finding:
    """Rows without an id, or without a value in some dimension, stay under the allowed rate."""
    known = [row for row in _undecided(facts) if row["term"] is not None]
    no_id = max((_rate(row["missing_count"], row["row_count"]) for row in known), default=0.0)
    blank = max((_rate(row["blank_count"], row["row_count"]) for row in known), default=0.0)
    figures = {
        **_per_term(facts, "missing_count"),
        **_per_term(facts, "blank_count"),
        "highest_rate_without_id": no_id,
        "highest_rate_with_blanks": blank,
        "max_missing_rate": quality.max_missing_rate,
    }
    return Finding(
        "missing_required_fields",
        max(no_id, blank) <= quality.max_missing_rate,
        is_error=no_id > quality.max_missing_rate and _stands(facts),
        figures=figures,
    )


def invalid_data_formats(facts: Sequence[Facts], quality: Quality) -> Finding:
    """Ids have the expected form, statuses are configured, and every row is of a known term."""
    unknown_terms = sum(row["row_count"] for row in facts if row["term"] is None)
    invalid = sum(row["invalid_count"] for row in facts)
    statuses = sum(row["unknown_status_count"] for row in facts)
    figures = {
        "rows_of_unknown_terms": unknown_terms,
        "ids_of_unexpected_form": invalid,
        "rows_of_unknown_status": statuses,
        "rows_outside_term_dates": sum(row["outside_count"] for row in facts),
        "student_id_pattern": quality.student_id_pattern or "none",
    }
    return Finding(
        "invalid_data_formats",
        not (unknown_terms or invalid or statuses),
        is_error=unknown_terms > 0,
        figures=figures,
    )


def snapshot_differs(facts: Sequence[Facts]) -> Finding:
    """The extract is not the one of the last business day, where business days usually differ."""
    standing = [row for row in facts if row["status"] == "accepted"]
    is_same = bool(standing) and all(row["is_unchanged"] for row in standing)
    usually_differs = any(row["usually_differs"] for row in standing)
    figures = {"unchanged_terms": ", ".join(row["term"] for row in standing)} if is_same else {}
    return Finding("snapshot_differs", not (is_same and usually_differs), figures=figures)


def enrollment_count_validation(
    facts: Sequence[Facts], quality: Quality, terms: Mapping[str, Term]
) -> Finding:
    """No headcount jumps since its baseline by more than a day, or the days between, explain.

    Until a term starts it fills up: growth is then bounded by `max_enrollment_change` alone.
    """
    figures: dict[str, Any] = {"max_change_share": quality.max_change_share}
    passed = True
    for row in facts:
        if row["baseline_count"] is None or row["status"] != "accepted":
            continue
        change = row["student_count"] - row["baseline_count"]
        days = (row["snapshot_date"] - row["baseline_date"]).days
        # Few students jump by large shares: below the floor a share says nothing.
        bound = max(days * quality.max_change_share * row["baseline_count"], quality.reject_floor)
        low, high = quality.min_enrollment_change, quality.max_enrollment_change
        fills_up = row["snapshot_date"] < terms[row["term"]].starts
        holds = (
            (-change <= bound if fills_up else abs(change) <= bound)
            and (low is None or change >= low)
            and (high is None or change <= high)
        )
        passed = passed and holds
        term = row["term"]
        figures |= {
            f"change_{term}": change,
            f"bound_{term}": round(bound),
            f"baseline_{term}": f"{row['baseline_count']} on {row['baseline_date']}",
        }
    return Finding("enrollment_count_validation", passed, figures=figures)


def snapshot_findings(
    facts: Sequence[Facts], settings: Settings, why_not_expected: str | None
) -> list[Finding]:
    """All findings about one day's snapshot."""
    quality = settings.quality
    return [
        snapshot_present(facts, why_not_expected),
        duplicate_student_ids(facts, quality),
        missing_required_fields(facts, quality),
        invalid_data_formats(facts, quality),
        enrollment_count_validation(facts, quality, settings.terms_by_code),
        snapshot_differs(facts),
    ]


def changes_reconcile(facts: Sequence[Facts]) -> Finding:
    """Headcount = baseline's headcount + added - dropped, counted again from the stored rows."""
    figures: dict[str, Any] = {}
    passed = True
    for row in facts:
        difference = row["student_count"] - (row["baseline_count"] + row["added"] - row["dropped"])
        passed = passed and difference == 0
        figures[f"difference_{row['term']}"] = difference
        figures[f"baseline_{row['term']}"] = f"{row['baseline_count']} on {row['baseline_date']}"
    return Finding("changes_reconcile", passed, is_error=True, figures=figures)


def baseline_is_current(
    day: dt.date, stale: Mapping[dt.date, Sequence[str]], *, is_restated_next: bool = False
) -> Finding:
    """The day's figures follow from the snapshots that stand now.

    A day that another one has just made stale `is_restated_next`: that is worth a warning.
    """
    terms = stale.get(day, [])
    figures = {"stale_terms": ", ".join(terms)} if terms else {}
    return Finding("baseline_is_current", not terms, is_error=not is_restated_next, figures=figures)


def snapshot_on_time(status: str | None, *, is_awaited: bool) -> Finding:
    """The day's snapshot was taken in; `status` is what its newest run says, None if there is none."""
    there = status in ("accepted", "nothing expected")
    figures = {"status": status or "no run took it in"}
    return Finding("snapshot_on_time", there, is_error=is_awaited, figures=figures)


# Outcomes of forecasts overlap: fewer than these say little, and even less of how often bounds hold.
_LEAST_FORECASTS, _LEAST_BOUNDS = 20, 100
# An interval of 80 % that holds less often than this is too sure of itself, one above too timid to use.
_COVERAGE = (65.0, 97.0)


def forecast_beats_naive(facts: Sequence[Facts]) -> Finding:
    """The forecasts that were issued were nearer than the last value would have been."""
    figures: dict[str, Any] = {"least_forecasts": _LEAST_FORECASTS}
    passed = True
    for row in facts:
        if row["n"] < _LEAST_FORECASTS or row["skill_pct"] is None:
            continue
        passed = passed and row["skill_pct"] >= 0
        key = f"{row['term']}_{row['horizon_days']}_days"
        figures[key] = (
            f"off by {row['mae']:.1f} on average, {row['skill_pct']:.0f} % less than the last value "
            f"({row['n']} forecasts)"
        )
    return Finding("forecast_beats_naive", passed, figures=figures)


def interval_coverage(facts: Sequence[Facts]) -> Finding:
    """The 80 % intervals held about as often as they say, over all scored horizons of a term."""
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
    """Nothing moved in an unusual way, or a person has said why.

    The figures go into alerts: segments that are withheld have no name and no number in them.
    """
    open_ones = [row for row in facts if row["reason"] is None]
    figures: dict[str, Any] = {"unusual_series": len(facts)}
    for row in facts:
        words = row["explanation"]
        if row["observed"] is not None:
            words = (
                f"{row['observed']:,.0f} a day, expected {row['expected']:,.0f} "
                f"({row['lower']:,.0f} to {row['upper']:,.0f}), score {row['score']:.1f}: {words}"
            )
        if row["reason"] is not None:
            words += f" Acknowledged by {row['acknowledged_by']}: {row['reason']}"
        figures[f"{row['term']} {row['series']}"] = words
    return Finding("no_anomalies", not open_ones, figures=figures)


def census_as_frozen(changed: Sequence[Sequence[Any]]) -> Finding:
    """The frozen censuses are still what the snapshots that stand would give."""
    figures = {
        term: f"frozen {count} on {day}; now {count_now} on {day_now}. The count stays, unless "
        f"`enrollment rebuild --term {term}` takes it anew."
        for term, day, count, day_now, count_now in changed
    }
    return Finding("census_as_frozen", not changed, figures=figures)
