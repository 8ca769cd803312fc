"""How a text file is written: its encoding, where its header is, what separates its columns.

Student systems, query tools and spreadsheets add lines of their own: a title above the header, a line
`sep=;` for Excel, a row of dashes, a count or a total at the end. They are no students.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
from pyarrow import compute

from enrollment_assets.sources.columns import first_there

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "commas", "\t": "tabs"}
# A header is among the first lines, or there is none.
_MOST_LINES = 20
_MOST_BYTES = 256 << 10
_SEPARATOR = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)
_FOOTER = re.compile(
    r"\(?\s*\d[\d,.']*\s+(rows?|records?|lines?|students?)\b.*"
    r"|(grand\s+)?total\b.*|[-=_*\s]{3,}|end of (report|file|data)\b.*|completion time:.*",
    re.IGNORECASE,
)
# What an id cannot be: a rule of dashes, or the word Total.
_NO_ID = r"^(?i)(-{2,}|={2,}|(grand )?totals?\b.*)$"
# Where such rows are: the first ones of a file, and the last ones of a part of it.
_FIRST_ROWS, _LAST_ROWS = 2, 10


@dataclass(frozen=True)
class Dialect:
    """How the file is written, and its header; `header_line` counts from 1."""

    header: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    header_line: int = 1

    def described(self) -> list[str]:
        """What differs from a plain CSV file, in words."""
        words = []
        if self.encoding != "utf-8":
            words.append(f"encoding {self.encoding}")
        if self.delimiter != ",":
            mark = _DELIMITER_NAMES.get(self.delimiter, self.delimiter)
            words.append(f"columns separated by {mark}")
        if self.header_line > 1:
            words.append(f"header in line {self.header_line}, the lines above it left out")
        return words


def dialect_of(file: IO[bytes], columns: Mapping[str, Sequence[str]]) -> Dialect | None:
    """How an open file is written, by the first line that has the mapped columns; None if none has.

    The file is at its beginning afterward.
    """
    head = file.read(_MOST_BYTES)
    file.seek(0)
    encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    lines = text.splitlines()[:_MOST_LINES]
    named = _SEPARATOR.fullmatch(lines[0]) if lines else None
    delimiters = (named[1], *_DELIMITERS) if named else _DELIMITERS
    for number, line in enumerate(lines, start=1):
        for delimiter in delimiters:
            cells = _cells(line, delimiter)
            if all(first_there(names, cells, names) in cells for names in columns.values()):
                return Dialect(tuple(cells), encoding, delimiter, number)
    return None


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # far too long, or no text: no header
        return []


def is_footer(text: str) -> bool:
    """Whether a line that has too few columns is a count, a total or a rule, and no student."""
    return bool(_FOOTER.fullmatch(text.strip().strip('"')))


def students_only(
    batch: pa.RecordBatch, identifier: Sequence[str], *, is_first: bool
) -> pa.RecordBatch:
    """The rows of a batch that can be students: no repeated header, no rule of dashes, no total.

    `identifier` are the names of the column of ids in the source. A total has no other text than its
    first value.
    """
    ids = batch.column("student_id")
    is_out = compute.is_in(ids, pa.array(list(identifier), pa.string()))
    last = max(batch.num_rows - _LAST_ROWS, 0)
    places = {*range(_FIRST_ROWS if is_first else 0), *range(last, batch.num_rows)}
    few = sorted(place for place in places if place < batch.num_rows)
    candidates = batch.take(pa.array(few, pa.int64()))
    odd = compute.fill_null(
        compute.match_substring_regex(candidates.column("student_id"), _NO_ID), False
    )
    found = [place for place, is_odd in zip(few, odd.to_pylist(), strict=True) if is_odd]
    others = [name for name in batch.schema.names if name != "student_id"]
    for place in found:
        values = [batch.column(name)[place].as_py() for name in others]
        if all(not value or re.fullmatch(r"[-=\s\d.,]*", value) for value in values):
            is_out = compute.if_else(
                compute.equal(pa.array(range(batch.num_rows)), place), True, is_out
            )
    if not compute.any(is_out).as_py():
        return batch
    return batch.filter(compute.invert(compute.fill_null(is_out, False)))
