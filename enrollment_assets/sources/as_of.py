"""A column that says which day the rows are of."""

import datetime as dt
from collections.abc import Iterator

import pyarrow as pa
from pyarrow import compute

from enrollment_assets.errors import SnapshotUnreadableError

# Under this name the column comes with the rows; no column of ours is called so.
AS_OF = "as of"
_FORMS = (
    "%Y-%m-%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%-m/%-d/%Y",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%d-%b-%Y",
    "%d-%b-%y",
)
_MOST_SHOWN = 40


def day_of(rows: Iterator[pa.RecordBatch]) -> dt.date | None:
    """The day that the first row is of, or None where it names none."""
    first = next((batch.column(AS_OF)[0].as_py() for batch in rows if batch.num_rows), None)
    text = (first or "").split("T")[0].split(" ")[0]
    for form in _FORMS:
        try:
            return dt.datetime.strptime(text, form.replace("%-", "%")).date()  # noqa: DTZ007
        except ValueError:
            continue
    return None


def of_the_day(
    rows: Iterator[pa.RecordBatch], date: dt.date, name: str, column: str
) -> Iterator[pa.RecordBatch]:
    """The rows without that column, all of which must be of the day.

    Raises:
        SnapshotUnreadableError: if one is of another day; also while batches are read.
    """
    spelled = [format(date, form) for form in _FORMS]
    pattern = "(?i)^(" + "|".join(map(_escaped, spelled)) + r")([T ].*)?$"
    for batch in rows:
        is_right = compute.match_substring_regex(batch.column(AS_OF), pattern)
        if not compute.all(compute.fill_null(is_right, False)).as_py():
            place = compute.index(compute.fill_null(is_right, False), False).as_py()
            there = batch.column(AS_OF)[place].as_py()
            # A value that is no date may be anything.
            shown = there if there and not set(there) - set("0123456789-/.: T") else "no date"
            raise SnapshotUnreadableError(
                f"{name}: {column} says {shown[:_MOST_SHOWN]}, and the file should be of {date}; put "
                "the right file there, or correct source.days_ahead."
            )
        yield batch.select([ours for ours in batch.schema.names if ours != AS_OF])


def _escaped(text: str) -> str:
    return text.replace(".", r"\.")
