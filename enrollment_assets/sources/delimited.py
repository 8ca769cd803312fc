"""Reads text files with a header and a row a line, such as CSV."""

import csv as python_csv
import io
import re
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
from pyarrow import compute, csv

from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources.dialect import Dialect, dialect_of, is_footer, students_only
from enrollment_assets.sources.header import NOT_UTF8, Wanted, first_bytes, pick

BLOCK_BYTES = 4 << 20
_MOST_HEADER_BYTES = 1 << 20
# What Arrow says of a file that ends with its header.
_NOTHING_BELOW = ("Empty CSV file", "Could not skip initial", "CSV file too short")


def read_text(file: IO[bytes], name: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    """The mapped columns of a text file, whatever separates its columns.

    Raises:
        SnapshotUnreadableError: if it is empty, lacks a column or has a quote that is never closed.
    """
    keys = wanted.csv
    dialect = dialect_of(file, wanted.columns, keys) or _plain_dialect(file, name, wanted)
    wanted.notes += dialect.described()
    left_out: list[int] = []

    def on_odd_row(row: Any) -> str:
        if len(left_out) >= keys.footer and not is_footer(row.text, row.actual_columns):
            return "error"
        left_out.append(row.actual_columns)
        return "skip"

    header = list(dialect.header)
    places = pick(name, header, wanted)
    mapped = {header[place] for place in places.values()}
    convert = csv.ConvertOptions(
        # Unmapped columns are not read, whatever their encoding, except to detect a quote that was
        # never closed.
        column_types={
            column: pa.string() if column in mapped else pa.binary() for column in header
        },
        # "NA" may be a program, and "Null" is somebody's name; databases write NULL or \\N without
        # quotes for nothing.
        null_values=["", *keys.null_words],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    options = csv.ReadOptions(
        block_size=BLOCK_BYTES,
        encoding=dialect.encoding,
        skip_rows=dialect.header_line,
        column_names=header,
    )
    parse = csv.ParseOptions(
        newlines_in_values=True,
        delimiter=dialect.delimiter,
        quote_char=dialect.quote,
        invalid_row_handler=on_odd_row,
    )
    try:
        with csv.open_csv(file, options, parse, convert) as reader:
            yield from _students(reader, name, dialect, wanted, places, left_out)
    except pa.ArrowInvalid as error:
        if any(words in str(error) for words in _NOTHING_BELOW):
            return  # a header alone
        shape = re.search(r"Expected (\d+) columns, got (\d+)", str(error))
        if not shape:
            raise
        raise _odd_shape(file, name, dialect, shape[1], shape[2]) from None
    if left_out and keys.footer:
        _refuse_early(file, name, dialect, keys.footer)
    if left_out:
        wanted.notes.append(f"{len(left_out)} lines that are no rows left out")


def _students(
    reader: csv.CSVStreamingReader,
    name: str,
    dialect: Dialect,
    wanted: Wanted,
    places: dict[str, int],
    left_out: list[int],
) -> Iterator[pa.RecordBatch]:
    """The rows that are students; the lines of a configured footer are held back until the end."""
    footer = wanted.csv.footer
    held: pa.Table | None = None
    is_first = True
    for batch in reader:
        _refuse_open_quotes(batch, name, dialect)
        ours = pa.RecordBatch.from_arrays(
            [batch.column(place) for place in places.values()], names=list(places)
        )
        ours = students_only(ours, wanted.columns.get("student_id", ()), is_first=is_first)
        is_first = False
        if not footer:
            yield ours
            continue
        rows = pa.concat_tables([*([held] if held else []), pa.Table.from_batches([ours])])
        most = max(rows.num_rows - footer, 0)
        yield from rows.slice(0, most).to_batches()
        held = rows.slice(most)
    if not footer:
        return
    if held:
        yield from held.slice(0, max(held.num_rows - footer + len(left_out), 0)).to_batches()


def _lines(file: IO[bytes], dialect: Dialect) -> Iterator[tuple[int, bool]]:
    """The number of each row's line, and whether it is odd; Arrow does not number them.

    An odd row has another number of columns than the header, and is no count or total.
    """
    file.seek(0)
    text = io.TextIOWrapper(file, dialect.encoding, errors="replace", newline="")
    try:
        rows = python_csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote)
        for row in rows:
            if row and rows.line_num > dialect.header_line:
                is_odd = len(row) != len(dialect.header)
                yield rows.line_num, is_odd and not is_footer(dialect.delimiter.join(row), len(row))
    except python_csv.Error:  # a value that is far too long
        return
    finally:
        text.detach()


def _odd_shape(
    file: IO[bytes], name: str, dialect: Dialect, expected: str, there: str
) -> SnapshotUnreadableError:
    number = next((number for number, is_odd in _lines(file, dialect) if is_odd), None)
    place = f"line {number:,}" if number else "a line"
    mark = "comma" if dialect.delimiter == "," else "separator"
    return SnapshotUnreadableError(
        f"{name}: {place} has {there} columns, but the header has {expected}; extract it again with "
        f"quotes around every value that holds a {mark}."
    )


def _refuse_early(file: IO[bytes], name: str, dialect: Dialect, footer: int) -> None:
    """Refuse an odd line that is none of the last ones.

    Raises:
        SnapshotUnreadableError: with its number.
    """
    odd, below = None, 0
    for number, is_odd in _lines(file, dialect):
        below += odd is not None
        if is_odd and odd is None:
            odd = number
    if odd is not None and below >= footer:
        raise SnapshotUnreadableError(
            f"{name}: line {odd:,} has another number of columns than the header, and is none of the "
            f"last {footer} lines (source.csv.footer); extract it again."
        )


def _plain_dialect(file: IO[bytes], name: str, wanted: Wanted) -> Dialect:
    """The dialect of a file in which no line has all mapped columns; usually an error that says why."""
    head = first_bytes(file, name)
    if b"\x00" in head:
        raise SnapshotUnreadableError(f"{name} holds NUL bytes; {NOT_UTF8.format('it')}")
    # The header is read first, with every column as text, so that a missing column gets its own error.
    first_line = _first_line(file)
    if len(first_line) > _MOST_HEADER_BYTES:
        raise SnapshotUnreadableError(
            f"{name} begins with a line of more than {_MOST_HEADER_BYTES >> 20} MB, which is not a "
            "header; extract it again."
        )
    if not first_line.strip():
        raise SnapshotUnreadableError(
            f"{name} begins with an empty line; extract it again with the header first."
        )
    with csv.open_csv(
        io.BytesIO(first_line.rstrip(b"\r\n") + b"\n"),
        parse_options=csv.ParseOptions(newlines_in_values=True),
    ) as header_reader:
        header = header_reader.schema.names
    pick(name, header, wanted)
    # A name in the header holds a line break, so that no single line has all columns.
    return Dialect(header=tuple(header), header_line=first_line.count(b"\n"))


def _refuse_open_quotes(batch: pa.RecordBatch, name: str, dialect: Dialect) -> None:
    """Refuse a value that swallowed rows: an unclosed quote includes everything that follows."""
    for column in batch.columns:
        # Almost no column holds a line break at all: searching its bytes is ten times as fast.
        if column.buffers()[2] and b"\n" in column.buffers()[2].to_pybytes():
            broken = compute.match_substring(column, "\n")
            if any(
                _holds_a_row(text, dialect.delimiter, batch.num_columns)
                for text in column.filter(broken).cast(pa.binary()).to_pylist()
            ):
                raise SnapshotUnreadableError(
                    f"{name} has a quote that is never closed, which swallows the rows after it; "
                    "extract it again."
                )


def _holds_a_row(value: bytes, delimiter: str, columns: int) -> bool:
    """Whether a value with line breaks swallowed a row: a line in it has all columns.

    Of its last line only a part may be in it, up to the quote that ended the value.
    """
    mark = delimiter.encode()
    first, *lines = value.split(b"\n")
    if columns == 1:
        return False
    whole = lines[:-1]
    if any(line.count(mark) == columns - 1 for line in whole):
        return True
    return not whole and first.count(mark) + lines[-1].count(mark) >= max(columns - 1, 5)


def _first_line(file: IO[bytes]) -> bytes:
    line = file.readline(_MOST_HEADER_BYTES + 1)
    # A quoted name in the header may hold a line break.
    while line.count(b'"') % 2 and len(line) <= _MOST_HEADER_BYTES:
        more = file.readline(_MOST_HEADER_BYTES + 1)
        if not more:
            break
        line += more
    file.seek(0)
    return line
