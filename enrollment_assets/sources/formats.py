"""Reads CSV, gzipped CSV, Parquet and Excel as a stream of Arrow batches of text.

Every value is read as text: `00042` stays `00042`, and a student named Null keeps the name.
"""

import difflib
import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa
from pyarrow import compute, csv, parquet

from enrollment_assets.errors import SnapshotUnreadableError, SourceError
from enrollment_assets.sources.columns import first_there
from enrollment_assets.sources.dialect import Dialect, dialect_of, is_footer, students_only
from enrollment_assets.sources.workbook import find_sheet, refuse_stray_cells, rows_of

_BATCH_ROWS = 50_000
_BLOCK_BYTES = 4 << 20
_MOST_HEADER_BYTES = 1 << 20
# A longer value is not an id, a name or a code.
_MOST_VALUE_BYTES = 64 << 10
_MAGIC = {
    b"PK\x03\x04": "an Excel or ZIP file",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel (.xls) file",
    b"%PDF": "a PDF file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_PAGE = re.compile(rb"^\s*<(!doctype|html|\?xml)", re.IGNORECASE)


@dataclass
class Wanted:
    """The mapped columns, ours with the names in the source, and the whole header once it was read.

    `notes`: what the file is like where it is no plain CSV file.
    """

    columns: Mapping[str, Sequence[str]]
    header: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Reader = Callable[[IO[bytes], str, Wanted], Iterator[pa.RecordBatch]]


def read(
    file: IO[bytes], name: str, wanted: Wanted, *, max_megabytes: int
) -> Iterator[pa.RecordBatch]:
    """The mapped columns of an open file, under our names, as text; its extension says its format.

    Raises:
        SourceError: if its extension is not supported.
        SnapshotUnreadableError: if it is not what its extension says; also while batches are read.
    """
    reader = _reader_for(name)
    most_bytes = max_megabytes << 20
    _refuse_packed(file, name, most_bytes)
    return refuse_odd(_plain_errors(name, reader(file, name, wanted)), name, most_bytes)


def _reader_for(name: str) -> Reader:
    lowered = name.lower()
    readers: dict[str, Reader] = {
        ".csv": _read_csv,
        ".csv.gz": _read_gzipped_csv,
        ".parquet": _read_parquet,
        ".xlsx": _read_xlsx,
    }
    for ending, reader in readers.items():
        if lowered.endswith(ending):
            return reader
    raise SourceError(
        f"source.pattern: {name} ends in none of {', '.join(readers)}; use the extension of the files' "
        "format."
    )


def _plain_errors(name: str, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Readers quote the bad row: keep the row's number, drop its content."""
    try:
        yield from rows
    except UnicodeDecodeError:
        raise SnapshotUnreadableError(_NOT_UTF8.format(name)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SnapshotUnreadableError(
            f"{name} is not a complete gzip file; extract it again."
        ) from None
    except pa.ArrowInvalid as error:
        text = str(error)
        if "UTF8" in text or "utf8" in text or "UTF-8" in text:
            raise SnapshotUnreadableError(_NOT_UTF8.format(name)) from None
        shape = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", text)
        if shape:
            place = f"row {shape[1]}" if shape[1] else "a row"
            raise SnapshotUnreadableError(
                f"{name}: {place} has {shape[3]} columns, but the header has {shape[2]}; extract "
                "it again with quotes around every value that holds a comma."
            ) from None
        if "straddling" in text:
            raise SnapshotUnreadableError(
                f"{name} has a row of more than {_BLOCK_BYTES >> 20} MB; extract it again."
            ) from None
        raise _damaged(name) from None
    except pa.ArrowException:
        raise _damaged(name) from None
    except OSError as error:
        # Arrow raises an OSError without a number for damaged pages; those of disks have one.
        if error.errno is None:
            raise _damaged(name) from None
        raise


def _refuse_packed(file: IO[bytes], name: str, most_bytes: int) -> None:
    """Refuse a workbook that unpacks to more than is allowed, because it is read as a whole.

    Its XML needs several times its size in memory; files of other formats are read piece by piece.
    """
    if name.lower().endswith(".xlsx") and zipfile.is_zipfile(file):
        try:
            with zipfile.ZipFile(file) as packed:
                size = sum(item.file_size for item in packed.infolist())
            if size <= most_bytes // 4:
                refuse_stray_cells(file, name)
        # zipfile raises NotImplementedError for an unknown compression, and the others for damage.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
            raise _damaged(name) from None
        if size > most_bytes // 4:
            raise too_large(name, most_bytes // 4)
    file.seek(0)


def refuse_odd(
    rows: Iterator[pa.RecordBatch], name: str, most_bytes: int
) -> Iterator[pa.RecordBatch]:
    """Refuse a stream that does not end, and values that cannot be real."""
    size = 0
    for batch in rows:
        size += batch.nbytes
        if size > most_bytes:
            raise too_large(name, most_bytes)
        for column in batch.columns:
            if (compute.max(compute.binary_length(column)).as_py() or 0) > _MOST_VALUE_BYTES:
                raise SnapshotUnreadableError(
                    f"{name} holds a value of more than {_MOST_VALUE_BYTES >> 10} kB; extract it again."
                )
        yield _without_nul(batch, name)


def _without_nul(batch: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """Values that are NUL bytes alone are empty: some database tools write an empty text like this."""
    arrays = list(batch.columns)
    for place, column in enumerate(arrays):
        data = column.buffers()[2]
        if data and b"\x00" in data.to_pybytes():
            arrays[place] = compute.replace_substring_regex(column, "^\\x00+$", "")
            if compute.any(compute.match_substring(arrays[place], "\x00")).as_py():
                raise SnapshotUnreadableError(f"{name} holds NUL bytes; extract it again.")
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def too_large(name: str, most_bytes: int) -> SnapshotUnreadableError:
    """The error of a snapshot that is larger than is allowed."""
    return SnapshotUnreadableError(
        f"{name} unpacks to more than {most_bytes >> 20:,} MB; raise source.max_megabytes if that "
        "is right."
    )


def _damaged(name: str) -> SnapshotUnreadableError:
    return SnapshotUnreadableError(
        f"{name} cannot be read in the format of its extension; extract it again."
    )


# What Arrow says of a file that ends with its header.
_NOTHING_BELOW = ("Empty CSV file", "Could not skip initial", "CSV file too short")
_NOT_UTF8 = "{} is not UTF-8 text; save or extract it as UTF-8."


def _first_bytes(file: IO[bytes], name: str, expected: bytes | None = None) -> bytes:
    """Read the beginning of the file, and refuse what does not fit its extension."""
    head = file.read(1024)
    file.seek(0)
    if not head:
        raise SnapshotUnreadableError(
            f"{name} is empty (0 bytes, not even a header); extract it again."
        )
    if expected and head.startswith(expected):
        return head
    looks_like = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if not looks_like and _PAGE.match(head):
        looks_like = "a web page"
    if looks_like or expected:
        seems = f"it looks like {looks_like}" if looks_like else "its content is something else"
        raise SnapshotUnreadableError(
            f"{name} does not fit its extension: {seems}; correct its name, or extract it again."
        )
    return head


def _pick(name: str, header: Sequence[str], wanted: Wanted) -> dict[str, int]:
    """The place of each mapped column in the header.

    A first row that is not a header holds a student's data: only names that resemble ours are quoted.
    """
    header = [column.strip().removeprefix("\ufeff") for column in header]
    places = {}
    for ours, names in wanted.columns.items():
        theirs = first_there(names, header, names)
        count = header.count(theirs)
        if count > 1:
            raise SnapshotUnreadableError(
                f"{name} has the column {theirs} {count} times; extract it again with only one."
            )
        if count == 0:
            close = [
                column
                for column in header
                if column.lower() == theirs.lower()
                or difflib.SequenceMatcher(None, column.lower(), theirs.lower()).ratio() > 0.8  # noqa: PLR2004
            ]
            hint = f" (it has {close[0]})" if close else f" (it has {len(header):,} others)"
            if len(header) == 1 and (other := re.search(r"[;\t|]", header[0])):
                mark = "tabs" if other[0] == "\t" else other[0]
                hint = f" (its columns are separated by {mark}, not by commas)"
            raise SnapshotUnreadableError(
                f"{name} has no column {' or '.join(names)}{hint}; extract it with that column, or "
                f"correct columns.{ours} in enrollment.yaml."
            )
        places[ours] = header.index(theirs)
    wanted.header = header
    return places


def _read_csv(file: IO[bytes], name: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    dialect = dialect_of(file, wanted.columns)
    if dialect is None:
        dialect = _plain_dialect(file, name, wanted)
    wanted.notes += dialect.described()
    left_out: list[int] = []

    def on_odd_row(row: Any) -> str:
        if not is_footer(row.text):
            return "error"
        left_out.append(row.actual_columns)
        return "skip"

    header = list(dialect.header)
    places = _pick(name, header, wanted)
    mapped = {header[place] for place in places.values()}
    convert = csv.ConvertOptions(
        # Unmapped columns are not read, whatever their encoding, except to detect a quote that was
        # never closed.
        column_types={
            column: pa.string() if column in mapped else pa.binary() for column in header
        },
        # "NA" may be a program, and "Null" is somebody's name; databases write NULL or \\N without
        # quotes for nothing.
        null_values=["", "NULL", "\\N"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        reader = csv.open_csv(
            file,
            read_options=csv.ReadOptions(
                block_size=_BLOCK_BYTES,
                encoding=dialect.encoding,
                skip_rows=dialect.header_line,
                column_names=header,
            ),
            parse_options=csv.ParseOptions(
                newlines_in_values=True,
                delimiter=dialect.delimiter,
                invalid_row_handler=on_odd_row,
            ),
            convert_options=convert,
        )
    except pa.ArrowInvalid as error:
        if any(words in str(error) for words in _NOTHING_BELOW):
            return  # a header alone
        raise
    is_first = True
    with reader:
        for batch in reader:
            _refuse_open_quotes(batch, name, dialect.delimiter)
            ours = _as_ours(batch, places)
            yield students_only(ours, wanted.columns["student_id"], is_first=is_first)
            is_first = False
    if left_out:
        wanted.notes.append(f"{len(left_out)} lines that are no rows left out")


def _plain_dialect(file: IO[bytes], name: str, wanted: Wanted) -> Dialect:
    """The dialect of a file in which no line has all mapped columns; usually an error that says why."""
    head = _first_bytes(file, name)
    if b"\x00" in head:
        raise SnapshotUnreadableError(f"{name} holds NUL bytes; {_NOT_UTF8.format('it')}")
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
    _pick(name, header, wanted)
    # A name in the header holds a line break, so that no single line has all columns.
    return Dialect(header=tuple(header), header_line=first_line.count(b"\n"))


def _refuse_open_quotes(batch: pa.RecordBatch, name: str, delimiter: str) -> None:
    """Refuse a value that swallowed rows: an unclosed quote includes everything that follows."""
    for column in batch.columns:
        # Almost no column holds a line break at all: searching its bytes is ten times as fast.
        if column.buffers()[2] and b"\n" in column.buffers()[2].to_pybytes():
            broken = compute.match_substring(column, "\n")
            if any(
                _holds_a_row(text, delimiter, batch.num_columns)
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


def _read_gzipped_csv(file: IO[bytes], name: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    _first_bytes(file, name, expected=b"\x1f\x8b")
    with gzip.open(file) as unpacked:
        yield from _read_csv(unpacked, name, wanted)  # type: ignore[arg-type]


def _read_parquet(file: IO[bytes], name: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    _first_bytes(file, name, expected=b"PAR1")
    content = parquet.ParquetFile(file, page_checksum_verification=True)
    header = content.schema_arrow.names
    places = _pick(name, header, wanted)
    names = [header[place] for place in places.values()]
    for batch in content.iter_batches(_BATCH_ROWS, columns=names):
        batch.validate(full=True)
        arrays = [_as_text(batch.column(header[place])) for place in places.values()]
        yield pa.RecordBatch.from_arrays(arrays, names=list(places))


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_null(array.type):  # a column without any value
        return pa.array([None] * len(array), pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    text = array.cast(pa.string())
    if pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        # A column of whole numbers with an empty value becomes floating-point on the way: 42.0 is 42.
        text = compute.replace_substring_regex(text, r"\.0+$", "")
        text = compute.if_else(compute.equal(text, "nan"), pa.scalar(None, pa.string()), text)
    return text


def _read_xlsx(file: IO[bytes], name: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    _first_bytes(file, name, expected=b"PK\x03\x04")
    found, first_header = find_sheet(file, name, wanted.columns)
    places = _pick(name, found.header if found else first_header, wanted)
    if found:
        if found.header_row:
            wanted.notes.append(
                f"header in row {found.header_row + 1} of {found.name}, the rows above it left out"
            )
        yield from rows_of(found, places)


def _as_ours(batch: pa.RecordBatch, places: dict[str, int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [batch.column(place) for place in places.values()], names=list(places)
    )
