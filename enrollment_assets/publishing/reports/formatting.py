"""Formats figures, dates and names for people, in the same way for page, charts and mail."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

MINUS = "\u2212"
# In place of a figure that does not exist, and of one that is not shown.
NOT_AVAILABLE, WITHHELD = "n/a", "withheld"
# Control, format (direction overrides among them), surrogate, private and unassigned characters.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
# A section lists at most this many anomalies or remarks.
MOST_REMARKS = 5
# The days between the starts of two terms that are a year apart.
_A_YEAR = range(330, 401)


def plain(text: object) -> str:
    """A name on one line, without invisible characters that change how others are read."""
    seen = (
        " " if char.isspace() else "" if unicodedata.category(char) in _UNSEEN else char
        for char in str(text)
    )
    return " ".join("".join(seen).split())


def shortened(text: str, most: int) -> str:
    """The text, cut to at most this many characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def count(value: Any) -> str:
    """A whole number with thousands separators and a true minus sign."""
    return f"{value:,.0f}".replace("-", MINUS)


def signed(value: Any) -> str:
    """A whole number with its sign."""
    return f"+{value:,.0f}" if round(value) > 0 else count(round(value))


def percent(value: Any, digits: int = 1) -> str:
    """A percentage.

    >>> percent(2.94)
    '2.9%'
    """
    return f"{value:,.{digits}f}%".replace("-", MINUS)


def signed_percent(value: Any, digits: int = 1) -> str:
    """A change in percent with its sign."""
    return f"+{percent(value, digits)}" if round(value, digits) > 0 else percent(value, digits)


def signed_points(value: Any, digits: int = 1) -> str:
    """A change in percentage points with its sign."""
    return f"{signed_percent(value, digits).removesuffix('%')} points"


def change_text(change: Any, change_pct: Any) -> str:
    """A change, with its percentage where there is one.

    >>> change_text(250, 2.94)
    '+250 (+2.9%)'
    """
    return signed(change) + (f" ({signed_percent(change_pct)})" if pd.notna(change_pct) else "")


def noise_text(past: pd.Series) -> str:
    """How much of a comparison of two small headcounts chance alone would explain; else nothing.

    Counts vary by about their square root (Poisson), so that the difference of two varies by the root
    of their sum; 1.96 of that is exceeded once in twenty comparisons.
    """
    before, now = past["comparison_total"], past["total_enrollment"]
    usual = 100 * 1.96 * (before + now) ** 0.5 / before
    if usual < _NOTICEABLE_NOISE:
        return ""
    return f" With so few, differences of up to {percent(usual, 0)} are usual by chance."


def segment_count(value: Any, suppression: Any, settings: Settings) -> str:
    """A segment's headcount, or why it is not shown."""
    if pd.isna(suppression):
        return NOT_AVAILABLE if pd.isna(value) else count(value)
    return f"<{settings.privacy.small_cell}" if suppression == "small" else WITHHELD


def days(number: int) -> str:
    """A number of days."""
    return f"{number:,} day" if number == 1 else f"{number:,} days"


def distance(number: int, date: dt.date) -> str:
    """How far away a date is, and the date."""
    if number == 0:
        return f"today, {date}"
    return f"in {days(number)}, on {date}" if number > 0 else f"{days(-number)} ago, on {date}"


def label(term: Term) -> str:
    """A term's name."""
    return plain(term.label)


def label_of(code: str, settings: Settings) -> str:
    """The name of the term with this code; the code itself if it is no longer configured."""
    term = settings.terms_by_code.get(code)
    return label(term) if term else plain(code)


def sentence(text: str) -> str:
    """The text with a capital first letter and a period at its end."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def joined(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> joined(["division", "program", "level"])
    'division, program and level'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def at_most(remarks: Iterable[str]) -> tuple[str, ...]:
    """The first remarks; the last line counts those that are not listed."""
    lines = list(remarks)
    if len(lines) <= MOST_REMARKS:
        return tuple(lines)
    rest = len(lines) - MOST_REMARKS + 1
    return (*lines[: MOST_REMARKS - 1], f"And {rest} more, not listed here.")


# Percent; a difference that is smaller than this needs no warning.
_NOTICEABLE_NOISE = 10.0


@dataclass(frozen=True)
class PriorTerm:
    """How texts refer to the term that another one is compared with."""

    name: str
    this_point: str
    census: str


def prior_term(term: Term, code: str, settings: Settings) -> PriorTerm:
    """Last year where the two terms start a year apart; the other term's name otherwise."""
    prior = settings.terms_by_code.get(code)
    if prior and (term.starts - prior.starts).days in _A_YEAR:
        return PriorTerm("last year", "this point last year", "last year's census")
    name = label_of(code, settings)
    return PriorTerm(name, f"this point in {name}", f"the {name} census")
