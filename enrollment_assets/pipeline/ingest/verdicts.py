"""The verdicts on a day's snapshot, shared by intake, log, quarantine and reports."""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ACCEPTED, HELD, REJECTED, MISSING = "accepted", "held", "rejected", "missing"
LOGGED = (ACCEPTED, HELD, REJECTED, MISSING)
# The status of a day, in results only, on which no term should have rows.
NOTHING_EXPECTED = "nothing expected"
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


def advice(date: dt.date, term: str | None, status: str, held_since: dt.date | None) -> str:
    """What a person can do about a snapshot that was not accepted.

    `term` is None if it goes for all terms; `held_since` is set if the rows are kept.
    """
    if status not in (HELD, REJECTED):
        return ""
    if held_since is None:
        return f"Correct the extract and run the day again: enrollment run --date {date}."
    of_term = f" --term {term}" if term else ""
    day = f"--date {date}" if held_since == date else f"--from {held_since}"
    right = f"If the extract is right: enrollment accept {day}{of_term} --reason …"
    if status == REJECTED:
        return f"{right} If it is wrong, extract it again and run the day."
    return (
        f"{right} If it is wrong, extract it again and run the day, or discard it: "
        f"enrollment reject --date {date}{of_term} --reason …"
    )


class DecisionKind(StrEnum):
    """What a person may decide about a day's snapshot.

    accept: store rows that were held or rejected. reject: remove accepted rows, or discard held ones.
    trim: remove days on which a term is no longer open after its dates were edited.
    """

    accept = "accept"
    reject = "reject"
    trim = "trim"


@dataclass(frozen=True)
class Decision:
    """A person accepts a held or rejected snapshot, or rejects one; all terms, or one."""

    kind: DecisionKind
    by: str
    reason: str
    term: str | None = None


@dataclass
class TermResult:
    """The result of one term on one day.

    `held_since` is set where a day was held or rejected by a rule and its rows are kept: the first of
    the days in a row that agree with it.
    """

    term: str | None
    status: str
    reasons: str | None = None
    facts: dict[str, int] = field(default_factory=dict)
    decided_by: str | None = None
    content_hash: str | None = None
    held_since: dt.date | None = None

    @property
    def students(self) -> int:
        """Distinct students that were stored."""
        return self.facts.get("student_count", 0) if self.status == ACCEPTED else 0


@dataclass
class DayResult:
    """The result of one day; `problem` says why it has no rows, `note` why it needs none.

    `read_with` are the dimensions that its rows had, and the grain (`Settings.reads`); `absent` are the
    parts, such as campuses, that did not come.
    """

    date: dt.date
    origin: str | None = None
    problem: str | None = None
    note: str | None = None
    read_with: list[str] | None = None
    absent: tuple[str, ...] = ()
    terms: list[TermResult] = field(default_factory=list)

    @property
    def is_read(self) -> bool:
        """Whether an extract of the day was read to its end."""
        return self.origin is not None and self.problem is None

    @property
    def status(self) -> str:
        """The worst status of the day's known terms."""
        statuses = {result.status for result in self.terms if result.term}
        for status in (REJECTED, HELD, MISSING, ACCEPTED):
            if status in statuses:
                return status
        return MISSING if self.problem else NOTHING_EXPECTED

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the day is left to do: all of it is accepted, or none was expected."""
        return self.status in (ACCEPTED, NOTHING_EXPECTED)

    @property
    def reasons(self) -> str | None:
        """Why something of the day is not accepted."""
        reasons = [self.problem] if self.problem else []
        reasons += [
            f"{result.term or 'unknown term'}: {result.reasons}"
            for result in self.terms
            if result.reasons and result.reasons != self.problem
        ]
        return "; ".join(reasons) or None

    @property
    def advice(self) -> str:
        """What a person can do about what was not accepted."""
        bad = [result for result in self.terms if result.term and result.status in (HELD, REJECTED)]
        if not bad:
            return ""
        # One command resolves the day, if all of its terms can be accepted.
        one = bad[0].term if len(bad) < len([r for r in self.terms if r.term]) else None
        since = [result.held_since for result in bad if result.held_since]
        return advice(self.date, one, self.status, min(since) if len(since) == len(bad) else None)

    def summary(self) -> dict[str, Any]:
        """What to show about the day; it holds no value of a student."""
        shown: dict[str, Any] = {"status": self.status}
        for result in self.terms:
            if result.students:
                shown[f"students_{result.term}"] = result.students
        if self.reasons or self.note:
            shown["reason"] = self.reasons or self.note
        return shown
