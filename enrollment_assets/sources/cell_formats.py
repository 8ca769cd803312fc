"""Numbers of a workbook as its cells show them: with the leading zeros of their format.

The reader of workbooks gives values without formats. An id that the sheet shows as 0000042 is stored as
42 with the format `0000000`.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO
from xml.etree import ElementTree

# Zeros, and signs between them: 0000000, 00.0000, 000\-00\-0000.
_PADDED = re.compile(r'(?:[0.]|\\?[- /()]|"[^"]{1,5}")+')
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*)>")
_PLACE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
_STYLE = re.compile(rb'\bs="(\d{1,5})"')
_CHUNK_BYTES = 1 << 20
_MOST_STYLES = 255
_RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass
class CellFormats:
    """The format of each cell of some columns, where it has leading zeros or fixed decimals."""

    codes: list[str] = field(default_factory=list)
    _of_column: dict[int, bytearray] = field(default_factory=dict)

    def shown(self, row: int, column: int, value: float, *, is_id: bool) -> str | None:
        """The number as the cell shows it, or None where its format adds nothing; both count from 0."""
        styles = self._of_column.get(column)
        place = styles[row] if styles is not None and row < len(styles) else 0
        return _formatted(value, self.codes[place - 1], is_id=is_id) if place else None

    def note(self, row: int, column: int, place: int) -> None:
        """Note the format of a cell, counted from 1 in `codes`."""
        styles = self._of_column.setdefault(column, bytearray())
        styles.extend([0] * (row + 1 - len(styles)))
        styles[row] = place


def formats_of(file: IO[bytes], sheet: str, columns: set[int]) -> CellFormats:
    """The formats with zeros of the cells in these columns of a sheet.

    Raises:
        BadZipFile, ParseError, KeyError: if the workbook is damaged.
    """
    with zipfile.ZipFile(file) as packed:
        names = set(packed.namelist())
        if "xl/styles.xml" not in names:
            return CellFormats()
        styles = _padded_styles(packed)
        path = _path_of(packed, sheet) if styles else None
        if path not in names:
            return CellFormats()
        found = CellFormats(sorted(set(styles.values()))[:_MOST_STYLES])
        places = {code: place for place, code in enumerate(found.codes, start=1)}
        with packed.open(str(path)) as stream:
            for row, column, style in _cells(stream):
                if column in columns and (place := places.get(styles.get(style, ""))):
                    found.note(row, column, place)
    return found


def _padded_styles(packed: zipfile.ZipFile) -> dict[int, str]:
    """The styles of cells whose format consists of zeros, with that format."""
    root = _parsed(packed, "xl/styles.xml")
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    codes = {
        item.get("numFmtId"): item.get("formatCode", "") for item in root.iter(f"{space}numFmt")
    }
    codes = {key: code.partition(";")[0] for key, code in codes.items()}
    padded = {
        key: code for key, code in codes.items() if _PADDED.fullmatch(code) and code.count("0") > 1
    }
    styles = root.find(f"{space}cellXfs")
    return {
        number: padded[key]
        for number, item in enumerate(styles if styles is not None else ())
        if (key := item.get("numFmtId")) in padded
    }


def _parsed(packed: zipfile.ZipFile, name: str) -> ElementTree.Element:
    # Its size was looked at, and expat itself stops entities that grow.
    return ElementTree.fromstring(packed.read(name))  # noqa: S314


def _path_of(packed: zipfile.ZipFile, sheet: str) -> str | None:
    """Where in the archive a sheet is."""
    book = _parsed(packed, "xl/workbook.xml")
    relations = _parsed(packed, "xl/_rels/workbook.xml.rels")
    targets = {item.get("Id"): item.get("Target", "") for item in relations}
    for item in book.iter():
        if item.tag.endswith("}sheet") and item.get("name") == sheet:
            target = targets.get(item.get(_RELATIONS)) or ""
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return None


def _cells(stream: IO[bytes]) -> Iterator[tuple[int, int, int]]:
    """Row and column, from 0, and style of each cell that has one."""
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        text = rest + chunk
        for match in _CELL.finditer(text):
            place, style = _PLACE.search(match[1]), _STYLE.search(match[1])
            if place and style:
                yield int(place[2]) - 1, column_number(place[1]) - 1, int(style[1])
        rest = text[max(text.rfind(b"<"), 0) :][-1024:]


def column_number(letters: bytes) -> int:
    """The number of a column, from 1: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _formatted(value: float, code: str, *, is_id: bool) -> str | None:
    """A number in a format of zeros; None where the format changes nothing that matters.

    Two decimals are the usual format of any number: of an id they are not part.
    """
    if value < 0:
        return None
    plain = re.sub(r'\\(.)|"([^"]*)"', lambda m: "x" * len(m[1] or m[2]), code)
    whole, dot, decimals = plain.partition(".")
    if dot and re.fullmatch(r"0+", whole + decimals):
        if is_id and len(whole) < 2:  # noqa: PLR2004 - 0.00, not 00.00
            return None
        return f"{value:0{len(whole) + len(decimals) + 1}.{len(decimals)}f}"
    if value != int(value) or "." in plain:
        return None
    digits = str(int(value)).zfill(code.count("0"))
    # From the right, each zero of the format takes a digit; the first one takes the rest.
    parts = re.findall(r'0|\\.|"[^"]*"|.', code)
    shown: list[str] = []
    for part in reversed(parts):
        if part == "0":
            shown.append(digits[-1])
            digits = digits[:-1]
        else:
            shown.append(part.strip('"').removeprefix("\\"))
    first = next(n for n in range(len(shown) - 1, -1, -1) if parts[len(parts) - 1 - n] == "0")
    shown.insert(first + 1, digits)
    return "".join(reversed(shown))
