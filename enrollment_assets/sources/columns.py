"""Mapped columns of a database or an API, and values of any type as text."""

import datetime as dt
import decimal
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from enrollment_assets.errors import SourceError


def find_columns(
    columns: Mapping[str, Sequence[str]], header: Sequence[str], *, what: str, config: str
) -> dict[str, int]:
    """The place of each mapped column in the header, ignoring case.

    `what` and `config` name the source and the configuration file in the message.

    Raises:
        SourceError: if a column is missing or appears twice.
    """
    names = [name.casefold() for name in header]
    places = {}
    for ours, alternatives in columns.items():
        theirs = first_there([name.casefold() for name in alternatives], names, alternatives)
        count = names.count(theirs.casefold())
        if count > 1:
            raise SourceError(f"{what} has the column {theirs} {count} times; leave one of them.")
        if count == 0:
            close = difflib.get_close_matches(theirs.casefold(), names, n=1)
            near = f", but {header[names.index(close[0])]}" if close else ""
            raise SourceError(
                f"{what} has no column {' or '.join(alternatives)}{near} (its columns: "
                f"{', '.join(header) or 'none'}); "
                f"correct columns.{ours} in {config}, or the source."
            )
        places[ours] = names.index(theirs.casefold())
    return places


def first_there(wanted: Sequence[str], header: Sequence[str], names: Sequence[str]) -> str:
    """The first of a column's names that the header has; the first of all if it has none.

    `wanted` are the `names` as the header spells them.
    """
    for spelled, name in zip(wanted, names, strict=True):
        if spelled in header:
            return name
    return names[0]


def as_text(values: Sequence[Any]) -> pa.Array:
    """Values of one column as an Arrow array of text; None stays empty.

    The number 42 is `42`, even where a driver gives 42.0; midnight is written as its date.
    """
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # not text alone
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case float() | decimal.Decimal():
            if value != value:  # noqa: PLR0124 - NaN means empty
                return None
            is_whole = math.isfinite(value) and value == int(value)
            text = str(int(value)) if is_whole else str(value)
        case bool():
            text = "true" if value else "false"
        case dt.datetime() if value.time() == dt.time():
            text = str(value.date())
        case bytes() | bytearray() | memoryview():
            text = bytes(value).decode("utf-8", errors="replace")
        case _:
            text = str(value)
    return text
