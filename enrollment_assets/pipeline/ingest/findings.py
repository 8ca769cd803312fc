"""Judges a day's snapshot by figures alone: pure functions, one finding for each property.

Inputs are the rows of `quality_facts.sql` of one day.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.config.sections import Quality
from enrollment_assets.pipeline.findings import Facts, Finding


@dataclass(frozen=True)
class Baseline:
    """The latest earlier accepted snapshot of a term; `retained` of its students are in the new one.

    `retained` is None where it was not counted, because the baseline is under `quality.reject_floor`.
    """

    date: dt.date
    student_count: int
    retained: int | None = None


def why_rejected(
    facts: Mapping[str, int],
    baseline: Baseline | None,
    quality: Quality,
    *,
    is_empty: bool,
    expected_loss: float = 0.0,
    expected_students: Callable[[], float] = lambda: 0.0,
    on_the_day: int = 0,
) -> str | None:
    """The reason why an open term's rows must be rejected, or None.

    Until its first student registers, an open term may have no rows while others have some; `is_empty`
    says that the whole snapshot would be empty. `expected_loss` is the share of students that an event
    of the calendar takes, `expected_students` counts those that earlier terms let the term have by now,
    `on_the_day` is the headcount of the day's earlier accepted snapshot.
    """
    if not facts["student_count"]:
        if facts["row_count"]:
            return f"none of the {facts['row_count']:,} rows counts as enrolled"
        had_students = baseline is not None and baseline.student_count > 0
        if had_students or (is_empty and baseline is None):
            return "the term is open, but the snapshot has no rows for it"
        return None
    before = baseline.student_count if baseline else 0
    reason = None
    if max(before, on_the_day, facts["row_count"]) >= quality.reject_floor:
        reason = _rejected_by_rates(facts, quality)
    if reason is None and baseline and before >= max(quality.reject_floor, 1):
        least = min(quality.reject_below_share, 1 - expected_loss)
        reason = _rejected_by_headcount(
            facts["student_count"], baseline, quality, least, expected_students
        )
    return reason


def _rejected_by_rates(facts: Mapping[str, int], quality: Quality) -> str | None:
    rows = facts["row_count"]
    for count, what, allowed, key in (
        (facts["duplicate_count"], "are duplicates", quality.max_duplicate_rate, "duplicate"),
        (facts["missing_count"], "have no student ID", quality.max_missing_rate, "missing"),
    ):
        if count / rows > allowed:
            problem = f"{count:,} of {rows:,} rows ({count / rows:.1%}) {what}"
            return f"{problem}; quality.max_{key}_rate is {allowed}"
    return None


def _rejected_by_headcount(
    students: int,
    baseline: Baseline,
    quality: Quality,
    least: float,
    expected_students: Callable[[], float],
) -> str | None:
    before = baseline.student_count
    change = f"{students:,} students, {students / before:.1%} of the {before:,} on {baseline.date}"
    if students / before < least:
        return f"{change}; quality.reject_below_share is {quality.reject_below_share}"
    if students / before > quality.reject_above_share and students > expected_students():
        return f"{change}; quality.reject_above_share is {quality.reject_above_share}"
    if baseline.retained is not None and baseline.retained / before < least:
        return (
            f"only {baseline.retained:,} of the {before:,} students of {baseline.date} "
            f"({baseline.retained / before:.1%}) are in it, so the student IDs may have changed; "
            f"quality.reject_below_share is {quality.reject_below_share}"
        )
    return None


def _per_term(facts: Sequence[Facts], column: str) -> dict[str, Any]:
    return {f"{column}_{row['term']}": row[column] for row in facts if row["term"] is not None}


def _undecided(facts: Sequence[Facts]) -> list[Facts]:
    """The snapshots that rules judge: those that a person accepted or rejected are exempt."""
    return [row for row in facts if row["decided_by"] is None]


def _decisions(facts: Sequence[Facts]) -> dict[str, Any]:
    return {f"decision_{row['term']}": row["reasons"] for row in facts if row["decided_by"]}


def _any_accepted(facts: Sequence[Facts]) -> bool:
    """Whether bad rows are in the tables: rejected ones are only worth a warning."""
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
    """Duplicate rows are within `quality.max_duplicate_rate`; one of each is kept anyway."""
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
    # Of a few rows a share says nothing.
    counts = any(
        rates.get(row["term"], 0.0) > quality.max_duplicate_rate
        and row["row_count"] >= quality.reject_floor
        for row in _undecided(facts)
    )
    is_error = counts and _any_accepted(facts)
    return Finding("duplicate_student_ids", passed, is_error=is_error, figures=figures)


def missing_required_fields(facts: Sequence[Facts], quality: Quality) -> Finding:
    """The shares of rows without an id, or with an empty dimension, are within the allowed rate."""
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
        is_error=_any_accepted(facts)
        and any(
            _rate(row["missing_count"], row["row_count"]) > quality.max_missing_rate
            and row["row_count"] >= quality.reject_floor
            for row in known
        ),
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


def snapshot_not_in_doubt(facts: Sequence[Facts]) -> Finding:
    """No snapshot looks like a fault; with `quality.on_doubt: warn` such ones are accepted."""
    doubtful = [row for row in _undecided(facts) if row["status"] == "accepted" and row["reasons"]]
    figures = {f"doubt_{row['term']}": row["reasons"] for row in doubtful}
    return Finding("snapshot_not_in_doubt", not doubtful, figures=figures)


def snapshot_differs(facts: Sequence[Facts]) -> Finding:
    """The extract differs from the last business day's, where business days usually differ."""
    accepted = [row for row in facts if row["status"] == "accepted"]
    is_same = bool(accepted) and all(row["is_unchanged"] for row in accepted)
    usually_differs = any(row["usually_differs"] for row in accepted)
    figures = {"unchanged_terms": ", ".join(row["term"] for row in accepted)} if is_same else {}
    return Finding("snapshot_differs", not (is_same and usually_differs), figures=figures)


def enrollment_count_validation(
    facts: Sequence[Facts], quality: Quality, terms: Mapping[str, Term]
) -> Finding:
    """No headcount changes more since its baseline than the days between allow.

    Until a term starts it fills up: growth is then bounded by `max_enrollment_change` alone.
    """
    figures: dict[str, Any] = {"max_change_share": quality.max_change_share}
    passed = True
    for row in facts:
        if row["baseline_count"] is None or row["status"] != "accepted":
            continue
        change = row["student_count"] - row["baseline_count"]
        days = (row["snapshot_date"] - row["baseline_date"]).days
        # Small headcounts change by large shares: below the floor a share means nothing.
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
            f"baseline_{term}": f"{row['baseline_count']:,} on {row['baseline_date']}",
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
        snapshot_not_in_doubt(facts),
        snapshot_differs(facts),
    ]
