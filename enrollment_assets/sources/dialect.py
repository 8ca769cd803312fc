"""How a text file is written: its encoding, where its header is, what separates its columns.

Student systems, query tools and spreadsheets add lines of their own: a title above the header, a line
`sep=;` for Excel, a row of dashes, a count or a total at the end. They are no students.
"""

import codecs
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
from pyarrow import compute

from enrollment_assets.config.source import CsvKeys
from enrollment_assets.sources.columns import first_there

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "commas", "\t": "tabs"}
# A header is among the first lines, or there is none.
_MOST_LINES = 20
_MOST_BYTES = 256 << 10
_CHUNK_BYTES = 1 << 20
_SEPARATOR = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)
_FOOTER = re.compile(
    r"\(?\s*\d[\d,.']*\s+(rows?|records?|lines?|students?)\b.*"
    r"|(grand\s+)?total\b.*|[-=_*\s]{3,}|end of (report|file|data)\b.*|completion time:.*",
    re.IGNORECASE,
)
# What report writers put into a line of its own, without a separator, or into the first column alone.
_REMARK = (
    r"(report|generated|printed|created|exported|extracted|run|page|source|confidential|as of|prepared)"
    r"\b.*[ :].*"
)
# What an id cannot be: a rule of dashes, the word Total, a count, a remark.
_NO_ID = (
    r"^(?i)(-{2,}|={2,}|(grand )?totals?\b.*|end of (report|file|data)\b.*"
    rf"|\(?\d[\d,.']* (rows?|records?|students?)\b.*|{_REMARK})$"
)
# Where such rows are: the first ones of a file, and the last ones of a part of it.
_FIRST_ROWS, _LAST_ROWS = 2, 10
_WINDOWS = "cp1252"
# Signs of names and of typed text besides letters. Text of another code page has others at once.
_WINDOWS_SIGNS = frozenset(
    map(chr, (0x2019, 0x2018, 0x201C, 0x201D, 0x2013, 0x2014, 0x20AC, 0xA0, 0xB7, 0xB0))
)
_NEVER_TYPED = frozenset(b"\x83\x88".decode(_WINDOWS))
# One of so many signs of a file may look like UTF-8 by accident.
_RARELY = 20
_MOSTLY = 0.7


@dataclass(frozen=True)
class Dialect:
    """How the file is written, and its header; `header_line` counts from 1."""

    header: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    header_line: int = 1
    quote: str = '"'

    def described(self) -> list[str]:
        """What differs from a plain CSV file, in words."""
        words = []
        if self.encoding == _WINDOWS:
            words.append("encoding Windows-1252, since it is not UTF-8")
        elif self.encoding != "utf-8":
            words.append(f"encoding {self.encoding}")
        if self.delimiter != ",":
            mark = _DELIMITER_NAMES.get(self.delimiter, self.delimiter)
            words.append(f"columns separated by {mark}")
        if self.quote != '"':
            words.append(f"values quoted by {self.quote}")
        if self.header_line > 1:
            words.append(f"header in line {self.header_line}, the lines above it left out")
        return words


def dialect_of(
    file: IO[bytes], columns: Mapping[str, Sequence[str]], keys: CsvKeys
) -> Dialect | None:
    """How an open file is written, by the first line that has the mapped columns; None if none has.

    What `keys` say is not guessed. The file is at its beginning afterward.
    """
    encoding = keys.encoding or encoding_of(file)
    head = file.read(_MOST_BYTES)
    file.seek(0)
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    lines = text.splitlines()
    named = _SEPARATOR.fullmatch(lines[0]) if lines else None
    if keys.delimiter:
        delimiters: tuple[str, ...] = (keys.delimiter,)
    else:
        delimiters = (named[1], *_DELIMITERS) if named else _DELIMITERS
    first = keys.header_row or keys.skip_rows + 1
    last = keys.header_row or keys.skip_rows + _MOST_LINES
    for number, line in enumerate(lines[first - 1 : last], start=first):
        quote = keys.quote or ("'" if line.startswith("'") else '"')
        for delimiter in delimiters:
            cells = _cells(line, delimiter, quote)
            if all(first_there(names, cells, names) in cells for names in columns.values()):
                return Dialect(tuple(cells), encoding, delimiter, number, quote)
    return None


def encoding_of(file: IO[bytes]) -> str:
    """The encoding of an open text file, which is at its beginning afterward.

    The whole file is looked at: its first name with an accent may be its last. Text that is not UTF-8
    is taken for Windows-1252 only where all of it makes sense as that.
    """
    head = file.read(_MOST_BYTES)
    file.seek(0)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    # Without a mark, every second byte of plain text is zero.
    even, odd = head[:256:2].count(0), head[1:256:2].count(0)
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > _MOSTLY * len(head[:256]) / 2 and not others:
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_CHUNK_BYTES):
            # Most files are ASCII, which is ten times as fast to tell.
            if decoder.getstate()[0] or not chunk.isascii():
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        file.seek(0)
        return _WINDOWS if _is_windows(file) else "utf-8"
    finally:
        file.seek(0)
    return "utf-8"


def _is_windows(file: IO[bytes]) -> bool:
    """Whether text that is not UTF-8 makes sense as Windows-1252."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    odd = proper = 0
    while chunk := file.read(_CHUNK_BYTES):
        for sign in re.sub(r"[\x00-\x7f]+", "", decoder.decode(chunk)):
            if not "\udc80" <= sign <= "\udcff":
                proper += 1
                continue
            odd += 1
            try:
                meant = bytes([ord(sign) - 0xDC00]).decode(_WINDOWS)
            except UnicodeDecodeError:
                return False
            if not (meant.isalpha() or meant in _WINDOWS_SIGNS) or meant in _NEVER_TYPED:
                return False
    return odd > _RARELY * proper


def _cells(line: str, delimiter: str, quote: str) -> list[str]:
    try:
        rows = csv.reader([line], delimiter=delimiter, quotechar=quote)
        return [cell.strip() for cell in next(rows, [])]
    except csv.Error:  # far too long, or no text: no header
        return []


def is_footer(text: str, columns: int) -> bool:
    """Whether a line that has too few columns is a count, a total or a rule, and no student.

    Of a line without a separator, a remark, too; old systems end a file with Control-Z.
    """
    plain = text.strip().strip('"').strip("\x1a")
    if columns == 1 and (not plain or re.fullmatch(_REMARK, plain, re.IGNORECASE)):
        return True
    return bool(_FOOTER.fullmatch(plain))


def students_only(
    batch: pa.RecordBatch, identifier: Sequence[str], *, is_first: bool
) -> pa.RecordBatch:
    """The rows of a batch that can be students: no repeated header, no rule of dashes, no total.

    A batch without ids is of a file that is joined with others, and stays as it is.

    `identifier` are the names of the column of ids in the source. A total has no other text than its
    first value.
    """
    if "student_id" not in batch.schema.names:
        return batch
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
