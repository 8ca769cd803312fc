"""Rows of a ZIP file with several text files, joined by a query: each file is a table."""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import IO

import duckdb
import pyarrow as pa

from enrollment_assets.config import Settings
from enrollment_assets.errors import SnapshotUnreadableError, SourceError
from enrollment_assets.sources import formats
from enrollment_assets.sources.columns import find_columns
from enrollment_assets.sources.dialect import dialect_of
from enrollment_assets.sources.header import Wanted
from enrollment_assets.sources.packed import archive_of, copied, members, open_member
from enrollment_assets.sources.query import Query
from enrollment_assets.support.literals import identifier

_BATCH_ROWS = 50_000
# What a table of this name says of the others: bulk, delta or absent (OneRoster, section 3.1).
_MANIFEST, _DELTA = "manifest", "delta"


@contextmanager
def joined_by_file(
    file: IO[bytes], name: str, settings: Settings, path: str, date: dt.date, wanted: Wanted
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows of a query over the text files of an archive, as text, under our names.

    Raises:
        SourceError: if the query is wrong, or lacks a column.
        SnapshotUnreadableError: if the archive is damaged, or holds changes instead of all rows.
    """
    query = Query.read((settings.base / path).resolve())
    folder, max_megabytes = settings.data_path, settings.files.max_megabytes
    with ExitStack() as stack:
        archive = stack.enter_context(archive_of(file, name))
        connection = stack.enter_context(duckdb.connect())
        for member in members(archive, name):
            if not member.filename.lower().endswith(formats.TEXTS):
                continue
            with copied(
                open_member(archive, member, name), name, folder, max_megabytes << 20
            ) as content:
                _load(connection, content, member, wanted, max_megabytes)
        _refuse_delta(connection, name)
        # The query is the operator's own; it needs nothing but these tables.
        connection.execute("SET enable_external_access = false")
        binds = {"snapshot_date": date} if "snapshot_date" in query.binds else {}
        try:
            found = connection.execute(query.with_binds(lambda bind: f"${bind}"), binds)
        except (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException) as error:
            words = str(error).partition("\n")[0]
            raise SourceError(
                f"source.query: {query.path.name} does not fit {name}: {words}"
            ) from None
        except duckdb.Error as error:
            raise SnapshotUnreadableError(
                f"{query.path.name} failed on {name} ({type(error).__name__}); correct the query or "
                "the files."
            ) from None
        header = [column[0] for column in found.description or ()]
        places = find_columns(
            wanted.columns, header, what=query.path.name, config=str(settings.path)
        )
        wanted.header = header
        yield formats.refuse_odd(_as_text(found, places), name, max_megabytes << 20)


def _load(
    connection: duckdb.DuckDBPyConnection,
    content: IO[bytes],
    member: zipfile.ZipInfo,
    wanted: Wanted,
    max_megabytes: int,
) -> None:
    """Make a table of a text file, all of its columns as text."""
    path = PurePosixPath(member.filename)
    table = re.sub(r"\W+", "_", path.name.partition(".")[0]).lower()
    dialect = dialect_of(content, {}, wanted.csv)
    columns = {column: (column,) for column in (dialect.header if dialect else ()) if column}
    if not columns:
        raise SnapshotUnreadableError(f"{path.name} has no header; extract it again.")
    every = Wanted(columns, wanted.csv)
    names = ", ".join(f"{identifier(column)} VARCHAR" for column in columns)
    connection.execute(f"CREATE TABLE {identifier(table)} ({names})")
    for batch in formats.read(content, path.name, every, max_megabytes=max_megabytes):
        connection.register("batch", pa.Table.from_batches([batch]))
        connection.execute(f"INSERT INTO {identifier(table)} SELECT * FROM batch")
        connection.unregister("batch")


def _refuse_delta(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Refuse an archive whose manifest says that a file holds changes only.

    Raises:
        SnapshotUnreadableError: with the files.
    """
    tables = {table for (table,) in connection.execute("SHOW TABLES").fetchall()}
    if _MANIFEST not in tables:
        return
    rows = connection.execute(f"SELECT * FROM {_MANIFEST}").fetchall()
    found = [row[0] for row in rows if len(row) > 1 and str(row[1]).strip().lower() == _DELTA]
    if found:
        raise SnapshotUnreadableError(
            f"{name} holds changes alone ({', '.join(map(str, found))}: delta), which are no snapshot; "
            "ask for a bulk export."
        )


def _as_text(found: duckdb.DuckDBPyConnection, places: dict[str, int]) -> Iterator[pa.RecordBatch]:
    for batch in found.to_arrow_reader(_BATCH_ROWS):
        arrays = [formats.as_text(batch.column(place)) for place in places.values()]
        yield pa.RecordBatch.from_arrays(arrays, names=list(places))
