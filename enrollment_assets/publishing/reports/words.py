"""Figures and names as people read them: one wording for page, charts and mail."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

MINUS = "\u2212"
# Control, format (direction overrides among them), surrogate, private and unassigned characters.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
# What people call the reasons for which a number is withheld.
_COMPLEMENT = "withheld"


def plain(text: object) -> str:
    """A name on one line, without characters that are not seen and change how others are read."""
    seen = (
        " " if char.isspace() else "" if unicodedata.category(char) in _UNSEEN else char
        for char in str(text)
    )
    return " ".join("".join(seen).split())


def shortened(text: str, most: int) -> str:
    """The text, cut to at most so many characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def count(value: Any) -> str:
    """A whole number with its thousands apart, and a true minus."""
    return f"{value:,.0f}".replace("-", MINUS)


def signed(value: Any) -> str:
    """A whole number with its sign."""
    return f"+{value:,.0f}" if round(value) > 0 else count(round(value))


def percent(value: Any, digits: int = 1) -> str:
    """A share in percent."""
    return f"{value:,.{digits}f} %".replace("-", MINUS)


def signed_percent(value: Any, digits: int = 1) -> str:
    """A change in percent with its sign."""
    return f"+{percent(value, digits)}" if round(value, digits) > 0 else percent(value, digits)


def shown(value: Any, suppression: Any, settings: Settings) -> str:
    """A headcount of a segment, or why it is not shown."""
    if pd.isna(suppression):
        return "none" if pd.isna(value) else count(value)
    return f"<{settings.privacy.small_cell}" if suppression == "small" else _COMPLEMENT


def days(number: int) -> str:
    """A number of days."""
    return f"{number:,} day" if number == 1 else f"{number:,} days"


def distance(number: int, date: dt.date) -> str:
    """How far a date is away, and the date."""
    if number == 0:
        return f"today, {date}"
    return f"in {days(number)}, on {date}" if number > 0 else f"{days(-number)} ago, on {date}"


def label(term: Term) -> str:
    """What people call a term."""
    return plain(term.label)


def label_of(code: str, settings: Settings) -> str:
    """The same for a code, which may have left the configuration."""
    term = settings.terms_by_code.get(code)
    return label(term) if term else plain(code)


def sentence(text: str) -> str:
    """The text with a capital first and a full stop last."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
