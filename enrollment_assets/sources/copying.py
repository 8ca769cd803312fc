"""PostgreSQL's COPY as a stream of Arrow batches of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
import pyarrow as pa
from psycopg import pq
from pyarrow import compute, csv

_CHUNK_BYTES = 1 << 20
_BOOLEAN = "bool"
_NUMBERS = ("float4", "float8", "numeric")
_TIMES = ("timestamp", "timestamptz")


@dataclass(frozen=True)
class Column:
    """A column of a query, and PostgreSQL's name of its type."""

    name: str
    type: str | None


def copied_columns(connection: psycopg.Connection, query: str) -> list[Column]:
    """The columns of a query, which is prepared and not run.

    Raises:
        psycopg.Error: if PostgreSQL does not understand it.
    """
    encoding = connection.info.encoding
    prepared = connection.pgconn.prepare(b"", query.encode(encoding))
    if prepared.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(prepared, encoding=encoding)
    described = connection.pgconn.describe_prepared(b"")
    types = connection.adapters.types
    columns = []
    for place in range(described.nfields):
        known = types.get(described.ftype(place))
        name = (described.fname(place) or b"").decode(encoding)
        columns.append(Column(name, known.name if known else None))
    return columns


def read_copy(
    connection: psycopg.Connection,
    query: str,
    columns: Sequence[Column],
    places: dict[str, int],
) -> Iterator[pa.RecordBatch]:
    """The rows of a query: the columns at `places`, as text, under our names.

    Raises:
        psycopg.Error: if the server refuses, or is lost.
    """
    names = [f"column_{place}" for place in range(len(columns))]
    wanted = [names[place] for place in places.values()]
    read = csv.ReadOptions(column_names=names, block_size=2 * _CHUNK_BYTES)
    parse = csv.ParseOptions(newlines_in_values=True)
    convert = csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    kinds = [columns[place].type for place in places.values()]
    for chunk in _chunks(connection, query):
        table = csv.read_csv(
            pa.BufferReader(chunk),
            # A single row may be longer than a chunk should be.
            read_options=read if len(chunk) < read.block_size else _of_block(read, len(chunk)),
            parse_options=parse,
            convert_options=convert,
        )
        for batch in table.to_batches():
            arrays = [
                _as_text(array, kind) for array, kind in zip(batch.columns, kinds, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=list(places))


def _of_block(read: csv.ReadOptions, size: int) -> csv.ReadOptions:
    return csv.ReadOptions(column_names=read.column_names, block_size=size + 1)


def _chunks(connection: psycopg.Connection, query: str) -> Iterator[bytes]:
    """Some megabytes at a time; COPY sends whole rows, so that no chunk ends within one."""
    pieces: list[bytes] = []
    size = 0
    # psycopg wants a literal; this one comes from the operator's own file.
    statement = psycopg.sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(
        psycopg.sql.SQL(f"{query}\n")
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy:
            pieces.append(bytes(piece))
            size += len(piece)
            if size >= _CHUNK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _as_text(array: pa.Array, kind: str | None) -> pa.Array:
    """The text as other sources give it: 42 for 42.00, a date for midnight, true for t."""
    if kind in _NUMBERS:
        array = compute.replace_substring_regex(array, r"\.0+$", "")
        return compute.if_else(compute.equal(array, "NaN"), pa.scalar(None, pa.string()), array)
    if kind in _TIMES:
        return compute.replace_substring_regex(array, r" 00:00:00([+-]\d\d(:\d\d)?)?$", "")
    if kind == _BOOLEAN:
        return compute.if_else(compute.equal(array, "t"), "true", "false")
    return array
