"""Which day, term and part a file is of, by its name and `source.pattern`."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from enrollment_assets.config.source import FilesKeys

_FIELD = re.compile(r"\{(date|term|part)(?::([^}]*))?\}|([*?])")
_DIRECTIVE = re.compile(r"%(.)")
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "M": 2, "S": 2}
_TIMES = frozenset("HMSfIp")


@dataclass(frozen=True)
class Named:
    """What a name says: the day, the time of day if it has one, the term and the part."""

    date: dt.date
    time: str = ""
    term: str | None = None
    part: str | None = None


class Naming:
    """The names of a pattern. Those of a day are one, or several that only a listing shows."""

    def __init__(self, keys: FilesKeys) -> None:
        self._pattern = keys.pattern
        self._ahead = dt.timedelta(keys.days_ahead)
        self._forms: list[str] = []
        self._fields: list[str] = []
        pieces, place = [], 0
        for match in _FIELD.finditer(keys.pattern):
            pieces += [re.escape(keys.pattern[place : match.start()]), self._expression(match)]
            place = match.end()
        self._regex = re.compile("".join([*pieces, re.escape(keys.pattern[place:])]))
        has_time = any(form in _TIMES for form in self._forms)
        self.has_date = bool(self._forms)
        self.is_one = self.has_date and not (
            has_time or self._fields or re.search(r"[*?]", keys.pattern)
        )

    def _expression(self, match: re.Match[str]) -> str:
        field, form, wildcard = match.groups()
        if wildcard:
            return "[^/]*" if wildcard == "*" else "[^/]"
        if field != "date":
            if field in self._fields:
                return f"(?P={field})"
            self._fields.append(field)
            return f"(?P<{field}>[^/]+?)"
        pieces, place = [], 0
        form = form or "%Y-%m-%d"
        for directive in _DIRECTIVE.finditer(form):
            pieces.append(re.escape(form[place : directive.start()]))
            place = directive.end()
            letter = directive[1]
            if letter in self._forms:
                pieces.append(f"(?P=date_{letter})")
            else:
                self._forms.append(letter)
                digits = _DIGITS.get(letter)
                value = rf"\d{{{digits}}}" if digits else "[^/]+?"
                pieces.append(f"(?P<date_{letter}>{value})")
        return "".join([*pieces, re.escape(form[place:])])

    def matches(self, name: str) -> bool:
        """Whether a name is one of the pattern's."""
        return bool(self._regex.fullmatch(name))

    def read(self, name: str) -> Named | None:
        """What a name says, or None where it is none of the pattern's."""
        match = self._regex.fullmatch(name)
        if match is None or not self._forms:
            return None
        values = [match[f"date_{letter}"] for letter in self._forms]
        try:
            moment = dt.datetime.strptime(  # noqa: DTZ007 - a day, not an instant
                " ".join(values), " ".join(f"%{letter}" for letter in self._forms)
            )
        except ValueError:
            return None
        found = match.groupdict()
        time = moment.time().isoformat()
        return Named(moment.date() - self._ahead, time, found.get("term"), found.get("part"))

    def glob(self, date: dt.date | None = None) -> str:
        """The pattern for a listing, of one day or of all."""

        def put(match: re.Match[str]) -> str:
            if match[1] == "date" and date:
                form = re.sub(r"%[HMSfIp]", "*", match[2] or "%Y-%m-%d")
                return format(date + self._ahead, form)
            return match[3] or "*"

        return re.sub(r"\*+", "*", _FIELD.sub(put, self._pattern))


def absent_parts(
    parts: str | tuple[str, ...] | None,
    there: Iterable[str],
    before: Iterable[str],
) -> list[str]:
    """The parts that a day should have and has not.

    `before` are the parts of the last day that had some: they are expected where `parts` is a glob.
    """
    if parts is None:
        return []
    expected = (
        [part for part in before if fnmatchcase(part, parts)] if isinstance(parts, str) else parts
    )
    return sorted(set(expected) - set(there))


def is_part(parts: str | tuple[str, ...] | None, part: str | None) -> bool:
    """Whether a file of this part is one of those that are read."""
    if parts is None or part is None:
        return True
    return fnmatchcase(part, parts) if isinstance(parts, str) else part in parts
