"""Reads CSV and other text, Parquet and Excel as a stream of Arrow batches of text.

Every value is read as text: `00042` stays `00042`, and a student named Null keeps the name.
"""

import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

import pyarrow as pa
from pyarrow import compute, parquet

from enrollment_assets.errors import SnapshotUnreadableError, SourceError
from enrollment_assets.sources.delimited import BLOCK_BYTES, read_text
from enrollment_assets.sources.header import NOT_UTF8, Wanted, first_bytes, pick, without_changes
from enrollment_assets.sources.workbook import find_sheet, refuse_stray_cells, rows_of

_BATCH_ROWS = 50_000
# A longer value is not an id, a name or a code.
_MOST_VALUE_BYTES = 64 << 10
# Endings of text files; what separates the columns is found in the header.
TEXTS = (".csv", ".txt", ".tsv", ".dat")
ENDINGS = (*TEXTS, ".parquet", ".xlsx")
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
    rows = refuse_odd(_plain_errors(name, reader(file, name, wanted)), name, most_bytes)
    return without_changes(rows, name, wanted)


def _reader_for(name: str) -> Reader:
    readers: dict[str, Reader] = {
        **dict.fromkeys(TEXTS, read_text),
        ".parquet": _read_parquet,
        ".xlsx": _read_xlsx,
    }
    for ending, reader in readers.items():
        if name.lower().endswith(ending):
            return reader
    raise SourceError(
        f"source.pattern: {name} ends in none of {', '.join(readers)}, nor these with .gz or .zip; use "
        "the extension of the files' format."
    )


def _plain_errors(name: str, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Readers quote the bad row: keep the row's number, drop its content."""
    try:
        yield from rows
    except UnicodeDecodeError:
        raise SnapshotUnreadableError(NOT_UTF8.format(name)) from None
    except pa.ArrowInvalid as error:
        text = str(error)
        if "UTF8" in text or "utf8" in text or "UTF-8" in text:
            raise SnapshotUnreadableError(NOT_UTF8.format(name)) from None
        if "straddling" in text:
            raise SnapshotUnreadableError(
                f"{name} has a row of more than {BLOCK_BYTES >> 20} MB; extract it again."
            ) from None
        raise damaged(name) from None
    except (MemoryError, pa.ArrowMemoryError):
        raise needs_memory(name) from None
    except pa.ArrowException:
        raise damaged(name) from None
    except OSError as error:
        # Arrow raises an OSError without a number for damaged pages; those of disks have one.
        if error.errno is None:
            raise damaged(name) from None
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
            raise damaged(name) from None
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
        yield _without_marks(_without_nul(batch, name))


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


def _without_marks(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Values without what keeps Excel from taking them for numbers: `="00123"`, or an apostrophe first.

    A name may begin with an apostrophe; an id does not, nor does a number.
    """
    arrays = list(batch.columns)
    for place, name in enumerate(batch.schema.names):
        for mark, pattern in (
            ("=", r'^="([^"]*)"$'),
            ("'", r"^'(.+)$" if name == "student_id" else r"^'(\d[\d.\-]*)$"),
        ):
            if compute.any(compute.starts_with(arrays[place], mark)).as_py():
                arrays[place] = compute.replace_substring_regex(arrays[place], pattern, r"\1")
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def too_large(name: str, most_bytes: int) -> SnapshotUnreadableError:
    """The error of a snapshot that is larger than is allowed."""
    return SnapshotUnreadableError(
        f"{name} unpacks to more than {most_bytes >> 20:,} MB; raise source.max_megabytes if that "
        "is right."
    )


def needs_memory(name: str) -> SnapshotUnreadableError:
    """The error of a snapshot that needs more memory than a reader may have."""
    return SnapshotUnreadableError(
        f"{name} needs too much memory (more than 1 GB, or 20 times its size), or is damaged; "
        "extract it again."
    )


def damaged(name: str) -> SnapshotUnreadableError:
    """The error of a snapshot that is not what its extension says."""
    return SnapshotUnreadableError(
        f"{name} cannot be read in the format of its extension; extract it again."
    )


def _read_parquet(file: IO[bytes], name: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    first_bytes(file, name, expected=b"PAR1")
    content = parquet.ParquetFile(file, page_checksum_verification=True)
    header = content.schema_arrow.names
    places = pick(name, header, wanted)
    names = [header[place] for place in places.values()]
    for batch in content.iter_batches(_BATCH_ROWS, columns=names):
        batch.validate(full=True)
        arrays = [as_text(batch.column(header[place])) for place in places.values()]
        yield pa.RecordBatch.from_arrays(arrays, names=list(places))


def as_text(array: pa.Array) -> pa.Array:
    """A column of any type as text, as people write it: 42 for 42.0, a date for midnight."""
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
    first_bytes(file, name, expected=b"PK\x03\x04")
    found, first_header = find_sheet(file, name, wanted.columns, wanted.sheet)
    places = pick(name, found.header if found else first_header, wanted)
    if found:
        if found.header_row:
            wanted.notes.append(
                f"header in row {found.header_row + 1} of {found.name}, the rows above it left out"
            )
        yield from rows_of(found, places)
