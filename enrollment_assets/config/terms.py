"""Terms from a file: the calendar of the student system, or a list that the registrar keeps."""

import csv
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from enrollment_assets.config.sections import Section, Term
from enrollment_assets.errors import ConfigurationError

_DELIMITERS = ",;\t|"
# The same weekday a year later; how far ahead a term is missed, and by how much terms shift.
_A_YEAR, _SOON, _ABOUT = dt.timedelta(364), dt.timedelta(30), dt.timedelta(45)


class TermsFile(Section):
    """A CSV file of terms, instead of a list of them."""

    file: Path
    """CSV file with a line for each term, relative to this file. Its columns are called as the keys of
    a term; it is read again by each run.
    """
    columns: dict[str, str] = Field(default_factory=dict)
    """Other names of its columns: `{code: TERM_CODE, starts: START_DATE}`."""


def terms_of(path: Path, named: Mapping[str, Any]) -> tuple[Path, list[dict[str, Any]]]:
    """The file that `terms` of a configuration names, and the terms in it.

    Raises:
        ConfigurationError: with the file, the line, the column and what is allowed.
    """
    try:
        source = TermsFile.model_validate(dict(named))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("terms", *first["loc"])))
        raise ConfigurationError(
            f"{path}: {where}: {first['msg']}; give a list of terms, or {{file: terms.csv}}."
        ) from None
    file = (path.resolve().parent / source.file).resolve()
    unknown = sorted(set(source.columns) - set(Term.model_fields))
    if unknown:
        raise ConfigurationError(
            f"{path}: terms.columns: {unknown[0]} is no key of a term ({', '.join(Term.model_fields)})."
        )
    names = {source.columns.get(key, key).casefold(): key for key in Term.model_fields}
    terms = []
    for number, row in _rows(file):
        values = {
            names[column]: value for column, value in row.items() if column in names and value
        }
        try:
            Term.model_validate(values)
        except ValidationError as error:
            raise ConfigurationError(f"{file}, line {number}: {_in_words(error)}.") from None
        terms.append(values)
    if not terms:
        raise ConfigurationError(f"{file} has no terms below its header; add them.")
    return file, terms


def term_to_come(terms: Sequence[Term], today: dt.date) -> str | None:
    """That a term should open soon and is not configured, in words; None where nothing is amiss.

    A term that opened a year ago, within the next month, has a successor that opens at about the same
    time.
    """
    for term in terms:
        opens = term.registration_opens + _A_YEAR
        if not dt.timedelta() <= opens - today <= _SOON:
            continue
        if any(abs(other.registration_opens - opens) <= _ABOUT for other in terms):
            continue
        return (
            f"{term.label} opened on {term.registration_opens}, and no term under terms opens about "
            f"{opens}: add it, or its students go to quarantine."
        )
    return None


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """The lines below the header, with their numbers; columns in lower case, blank lines left out."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"terms.file: {file} does not exist; correct the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(f"terms.file: {file} cannot be read ({reason}).") from None
    lines = text.splitlines()
    if not lines:
        raise ConfigurationError(f"{file} is empty; give it a header and a line for each term.")
    delimiter = max(_DELIMITERS, key=lines[0].count)
    reader = csv.reader(lines, delimiter=delimiter)
    header = [name.strip().casefold() for name in next(reader)]
    return [
        (reader.line_num, dict(zip(header, (cell.strip() for cell in row), strict=False)))
        for row in reader
        if any(cell.strip() for cell in row)
    ]


def _in_words(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    said = first["msg"].removeprefix("Value error, ")
    return f"{key}: {said}" if key else said
