"""Kinds of values that keys take: a day, an identifier, a pattern, a color, an address of mail."""

import datetime as dt
import re
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

# What every mail server takes without extensions: no quotes, no comments, ASCII only.
_MAILBOX = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


def _identifier(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError("use lower-case letters, digits and underscores, a letter first")
    return name


def _column_names(value: object) -> object:
    if isinstance(value, str):
        return value
    names = list(value) if isinstance(value, list | tuple) else []
    is_text = all(isinstance(name, str) for name in names)
    if not names or not is_text or len(set(names)) != len(names):
        raise ValueError("give the column's name in the source, or a list of different names")
    return tuple(names)


def _calendar_date(value: object) -> object:
    # YAML reads 2024-08-26 as a date; a date with a time would be cut silently.
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
        raise ValueError("give a date such as 2024-08-26")
    if isinstance(value, dt.datetime):
        raise ValueError("give a date such as 2024-08-26, without a time")  # noqa: TRY004
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a timezone; use a name such as America/New_York") from None
    return name


def _color(value: str) -> str:
    if not _COLOR.fullmatch(value):
        raise ValueError('use a color such as "#2E4057"')
    return value


def _cron(value: str) -> str:
    fields = value.split()
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    if len(fields) != len(bounds):
        raise ValueError('use five fields, such as "0 8 * * *"')
    for field, (low, high) in zip(fields, bounds, strict=True):
        if not re.fullmatch(r"[\d*/,A-Za-z-]+", field):
            raise ValueError(f"{field} is no field of a cron line")
        if any(not low <= int(number) <= high for number in re.findall(r"(?<![/\d])\d+", field)):
            raise ValueError(f"{field} is outside {low} to {high}")
    return value


def domain_of(address: str) -> str:
    """The part after the @, in lower case."""
    return address.rpartition("@")[2].lower()


def _mailbox(value: str) -> str:
    local, _, domain = value.strip().rpartition("@")
    address = f"{local}@{domain.lower()}"
    if not _MAILBOX.fullmatch(address):
        raise ValueError("give an address such as dean@example.edu, without a name")
    return address


def _sender(value: str) -> str:
    address = parseaddr(value)[1]
    if not address or not value.isprintable():
        raise ValueError("give an address, or a name with one: Registrar <registrar@example.edu>")
    _mailbox(address)
    return value.strip()


@dataclass(frozen=True)
class Kind:
    """What the documentation calls one value of a kind, and several."""

    one: str
    many: str


Day = Annotated[dt.date, BeforeValidator(_calendar_date), Kind("date", "dates")]
Identifier = Annotated[
    str,
    AfterValidator(_identifier),
    Kind("name in lower case", "names in lower case"),
    WithJsonSchema({"type": "string", "pattern": f"^{_IDENTIFIER.pattern}$"}),
]
Pattern = Annotated[
    str, AfterValidator(_pattern), Kind("regular expression", "regular expressions")
]
Zone = Annotated[str, AfterValidator(_zone), Kind("IANA timezone", "IANA timezones")]
Color = Annotated[
    str,
    AfterValidator(_color),
    Kind("color", "colors"),
    WithJsonSchema({"type": "string", "pattern": f"^{_COLOR.pattern}$"}),
]
Cron = Annotated[str, AfterValidator(_cron), Kind("cron line of five fields", "cron lines")]
Share = Annotated[float, Field(ge=0, le=1)]
Mailbox = Annotated[str, AfterValidator(_mailbox), Kind("mail address", "mail addresses")]
Sender = Annotated[
    str, AfterValidator(_sender), Kind("mail address, or name and address", "senders")
]
ColumnNames = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_column_names),
    Kind("name, or list of names", "names, or lists of names"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
