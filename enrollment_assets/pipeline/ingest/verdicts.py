"""What became of a day's snapshot: the words that intake, log, quarantine and reports share."""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ACCEPTED, REJECTED, MISSING = "accepted", "rejected", "missing"
# Rows of a known term on a day outside its dates: counted in the attempts, and left out.
OUTSIDE = "outside"

FACTS = (
    "row_count",
    "student_count",
    "duplicate_count",
    "missing_count",
    "blank_count",
    "invalid_count",
    "outside_count",
    "uncounted_count",
    "unknown_status_count",
)


class DecisionKind(StrEnum):
    """What a person may decide about a day's snapshot.

    accept: take in rows that were refused. reject: throw out rows that stand. trim: take out days on
    which a term is not open any more, since its dates were edited.
    """

    accept = "accept"
    reject = "reject"
    trim = "trim"


@dataclass(frozen=True)
class Decision:
    """A person takes a refused snapshot in, or throws one out that stands; all terms, or one."""

    kind: DecisionKind
    by: str
    reason: str
    term: str | None = None


@dataclass
class TermResult:
    """What became of one term on one day."""

    term: str | None
    status: str
    reasons: str | None = None
    facts: dict[str, int] = field(default_factory=dict)
    decided_by: str | None = None
    content_hash: str | None = None

    @property
    def students(self) -> int:
        """Distinct students that were stored."""
        return self.facts.get("student_count", 0) if self.status == ACCEPTED else 0


@dataclass
class DayResult:
    """What became of one day; `problem` says why it has no rows, `note` why it needs none."""

    date: dt.date
    origin: str | None = None
    problem: str | None = None
    note: str | None = None
    terms: list[TermResult] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Of all known terms of the day, the worst."""
        found = {result.status for result in self.terms if result.term}
        for status in (REJECTED, MISSING, ACCEPTED):
            if status in found:
                return status
        return MISSING if self.problem else "nothing expected"

    @property
    def reasons(self) -> str | None:
        """Why something is not accepted, in words."""
        found = [self.problem] if self.problem else []
        found += [
            f"{result.term or 'unknown term'}: {result.reasons}"
            for result in self.terms
            if result.reasons and result.reasons != self.problem
        ]
        return "; ".join(found) or None

    def summary(self) -> dict[str, Any]:
        """What to show of the day: no value of a student."""
        shown: dict[str, Any] = {"status": self.status}
        for result in self.terms:
            if result.students:
                shown[f"students_{result.term}"] = result.students
        if self.reasons or self.note:
            shown["reason"] = self.reasons or self.note
        return shown
