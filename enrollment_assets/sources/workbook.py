"""Reads the sheet of a workbook that has the mapped columns, wherever its header is."""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any
from xml.etree import ElementTree

import pyarrow as pa
import python_calamine

from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources.cell_formats import CellFormats, column_number, formats_of
from enrollment_assets.sources.columns import first_there

_BATCH_ROWS = 50_000
# A header is among the first rows, or there is none.
_MOST_LINES = 20
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_CELL = re.compile(rb'<(?:\w+:)?c [^>]*?r="([A-Z]{1,3})(\d{1,7})"')
_CHUNK_BYTES = 4 << 20
# A reader makes room for every cell up to the last one: a stray cell at the end costs gigabytes.
_MOST_CELLS, _MOST_EMPTY = 5_000_000, 20


@dataclass
class _Found:
    sheet: python_calamine.CalamineSheet
    name: str
    header: list[str]
    header_row: int
    first_column: int = 0
    formats: CellFormats = field(default_factory=CellFormats)


def refuse_stray_cells(file: IO[bytes], name: str) -> None:
    """Refuse a workbook with a sheet that is empty but for cells far apart; it would fill the memory.

    Raises:
        SnapshotUnreadableError: with the cell.
    """
    with zipfile.ZipFile(file) as packed:
        for item in packed.infolist():
            if not _SHEET.fullmatch(item.filename):
                continue
            cells = rows = columns = 0
            last = ""
            rest = b""
            with packed.open(item) as sheet:
                while chunk := sheet.read(_CHUNK_BYTES):
                    text = rest + chunk
                    for match in _CELL.finditer(text):
                        cells += 1
                        row, column = int(match[2]), column_number(match[1])
                        if row > rows or column > columns:
                            last = f"{match[1].decode()}{match[2].decode()}"
                        rows, columns = max(rows, row), max(columns, column)
                    rest = text[max(text.rfind(b"<"), 0) :][-1024:]
            if rows * columns > max(_MOST_CELLS, _MOST_EMPTY * cells):
                raise SnapshotUnreadableError(
                    f"{name} has a sheet with {cells:,} cells, the last of them at {last}, far from "
                    "the others; delete the empty rows and columns in Excel, and save it again."
                )


def find_sheet(
    file: IO[bytes], name: str, columns: Mapping[str, Sequence[str]], only: str | None = None
) -> tuple[_Found | None, list[str]]:
    """The sheet that has the mapped columns, and the header of the first one for an error.

    `only` is the sheet's name where it is configured.

    Raises:
        SnapshotUnreadableError: if it is no workbook, lacks the configured sheet, or has several with
            these columns.
    """
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        sheets = [
            (meta.visible == python_calamine.SheetVisibleEnum.Visible, meta.name)
            for meta in workbook.sheets_metadata
            if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
        if only is not None:
            if only not in (sheet_name for _, sheet_name in sheets):
                raise SnapshotUnreadableError(
                    f"{name} has no sheet {only} (source.sheet); it has "
                    f"{', '.join(sheet_name for _, sheet_name in sheets)}."
                )
            sheets = [(True, only)]
        first_header: list[str] = []
        # Hidden sheets hold lists to choose from; they count only if no visible one has the columns.
        for is_visible in (True, False):
            found = []
            for sheet_name in (name for visible, name in sheets if visible == is_visible):
                sheet = workbook.get_sheet_by_name(sheet_name)
                header, row = _header(sheet, columns)
                first_header = first_header or header
                if row is not None:
                    found.append(_Found(sheet, sheet_name, header, row))
            if len(found) > 1:
                raise SnapshotUnreadableError(
                    f"{name} has {len(found)} sheets with these columns "
                    f"({', '.join(one.name for one in found)}); keep all rows in one, or remove the "
                    "others."
                )
            if found:
                file.seek(0)
                # Rows come from the first one on, columns from the first that is not empty.
                found[0].first_column = (found[0].sheet.start or (0, 0))[1]
                wanted = {
                    place + found[0].first_column
                    for names in columns.values()
                    for place, cell in enumerate(found[0].header)
                    if cell in names
                }
                found[0].formats = formats_of(file, found[0].name, wanted)
                return found[0], first_header
    except (
        *(python_calamine.CalamineError, IndexError, KeyError),
        *(zipfile.BadZipFile, ElementTree.ParseError, ValueError),
    ):
        raise SnapshotUnreadableError(
            f"{name} cannot be read as an Excel workbook; save it again as .xlsx."
        ) from None
    return None, first_header


def _header(
    sheet: python_calamine.CalamineSheet, columns: Mapping[str, Sequence[str]]
) -> tuple[list[str], int | None]:
    first: list[str] = []
    for number, row in enumerate(islice(sheet.iter_rows(), _MOST_LINES)):
        cells = [(cell(value) or "").strip() for value in row]
        first = first or cells
        if all(first_there(names, cells, names) in cells for names in columns.values()):
            return cells, number
    return first, None


def rows_of(found: _Found, places: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
    """The rows below the header as text; a merged cell holds for all of its rows."""
    starts: dict[int, dict[int, int]] = {}
    for (top, left), (bottom, right) in found.sheet.merged_cell_ranges or ():
        for place in places.values():
            if left <= place + found.first_column <= right and bottom > top > found.header_row:
                starts.setdefault(top, {})[place] = bottom
    rows = enumerate(found.sheet.iter_rows())
    holding: dict[int, tuple[int, Any]] = {}
    while block := list(islice(rows, _BATCH_ROWS)):
        if starts:
            for number, row in block:
                for place, bottom in starts.get(number, {}).items():
                    holding[place] = (bottom, row[place])
                for place, (bottom, value) in holding.items():
                    if number <= bottom:
                        row[place] = value
        arrays = [
            pa.array(
                [
                    _shown(found, number, place, row[place], is_id=ours == "student_id")
                    for number, row in block
                    if number > found.header_row
                ],
                pa.string(),
            )
            for ours, place in places.items()
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=list(places))


def _shown(found: _Found, row: int, column: int, value: Any, *, is_id: bool) -> str | None:
    if found.formats.codes and isinstance(value, int | float) and not isinstance(value, bool):
        text = found.formats.shown(row, column + found.first_column, value, is_id=is_id)
        if text is not None:
            return text
    return cell(value)


def cell(value: Any) -> str | None:
    """The text of a cell as the sheet shows it: Excel stores the number 42 as 42.0."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return str(value.date())
    return str(value)
