"""What every format has: the first bytes, and the place of each mapped column in the header."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa
from pyarrow import compute

from enrollment_assets.config.source import CsvKeys
from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources.columns import first_there

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


# Under this name a column that is not mapped comes along, if it may say what happened to a row.
CHANGE = "change of the row"
_CHANGE_COLUMNS = frozenset(
    "action actioncode operation op optype changetype changeoperation rowaction recordaction dml "
    "dmltype cdcoperation iud iudflag".split()
)
_INSERTS = frozenset("i ins insert inserted a add added n new c create created".split())
_CHANGES = frozenset(
    "u upd update updated m modify modified change changed upsert d del delete deleted remove removed "
    "drop dropped".split()
)


@dataclass
class Wanted:
    """The mapped columns, ours with the names in the source, and the whole header once it was read.

    `csv` and `sheet`: how it is written, as configured. `notes`: what the file is like where it is no
    plain CSV file.
    """

    columns: Mapping[str, Sequence[str]]
    csv: CsvKeys = field(default_factory=CsvKeys)
    sheet: str | None = None
    header: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


NOT_UTF8 = "{} is not UTF-8 text; save it as UTF-8, or name its encoding (source.csv.encoding)."


def first_bytes(file: IO[bytes], name: str, expected: bytes | None = None) -> bytes:
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


def pick(name: str, header: Sequence[str], wanted: Wanted) -> dict[str, int]:
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
    change = [place for place, column in enumerate(header) if _plain(column) in _CHANGE_COLUMNS]
    if "student_id" in places and change and change[0] not in places.values():
        places[CHANGE] = change[0]
    return places


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", column).lower()


def without_changes(
    rows: Iterator[pa.RecordBatch], name: str, wanted: Wanted
) -> Iterator[pa.RecordBatch]:
    """The rows of a snapshot; a list of changes is none, and looks like the loss of everybody else.

    Raises:
        SnapshotUnreadableError: if a column says of each row that it was inserted, updated or deleted;
            also while batches are read.
    """
    for batch in rows:
        if CHANGE not in batch.schema.names:
            yield batch
            continue
        said = {
            (value or "").strip().lower()
            for value in compute.unique(batch.column(CHANGE)).to_pylist()
        }
        if said & _CHANGES and not said - _CHANGES - _INSERTS - {""}:
            column = next(column for column in wanted.header if _plain(column) in _CHANGE_COLUMNS)
            raise SnapshotUnreadableError(
                f"{name} is a list of changes ({column}: {', '.join(sorted(said - {''}))}), and no "
                "snapshot; extract all students who are enrolled."
            )
        yield batch.select([ours for ours in batch.schema.names if ours != CHANGE])
