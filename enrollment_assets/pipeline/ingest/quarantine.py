"""Keeps rows that were not stored: one folder a day, Parquet files with the reasons beside them.

`refused_<term>.parquet` holds the rows of a term's newest snapshot that was held or rejected; a person
can still accept them. Older ones carry the time of their rejection in their names. `rows.parquet` holds
the rows without an id and those of terms that are not configured.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseError
from enrollment_assets.sources.base import Extract
from enrollment_assets.support.files import make_private_folder, replace, written_aside
from enrollment_assets.warehouse.connection import plain_errors

STRAYS = "rows.parquet"
REASONS = "reasons.json"
_BATCH_ROWS = 100_000


def quarantine_folder(settings: Settings, date: dt.date) -> Path:
    """Where the rows of one day are kept."""
    return settings.data_path / "quarantine" / date.isoformat()


def rejected_name(term: str) -> str:
    """The file of one term; codes are opaque text and may hold anything."""
    # The word of earlier versions: rows that wait there must still be found.
    return f"refused_{quote(term, safe='')}.parquet"


def kept_file(settings: Settings, date: dt.date, term: str) -> Path:
    """Where the newest rows of a term are that were not accepted, if there are any."""
    return quarantine_folder(settings, date) / rejected_name(term)


def keep_rows(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    date: dt.date,
    name: str,
    query: str,
    about: Mapping[str, Any],
) -> None:
    """Write the rows of a query as Parquet, and what is known about them into `reasons.json`."""
    from pyarrow import parquet

    folder = make_private_folder(quarantine_folder(settings, date))
    path = folder / name
    doing = f"Keeping rejected rows of {date}"
    with plain_errors(doing):
        table = connection.execute(query, {"date": date, "term": about["term"]}).to_arrow_table()
    try:
        reasons = read_reasons(settings, date)
        if path.exists() and name != STRAYS:
            # An older rejection is kept, too: its rows may be nowhere else.
            before = f"{path.stem}.{path.stat().st_mtime_ns}.parquet"
            path.rename(folder / before)
            reasons[before] = reasons.pop(name, {})
        with written_aside(path) as aside:
            parquet.write_table(table, aside)
        reasons[name] = {**about, "rows": table.num_rows}
        replace(folder / REASONS, json.dumps(reasons, indent=2, default=str).encode())
    except OSError as error:
        raise WarehouseError(
            f"{doing}: the files cannot be written ({error.strerror or 'no space left'}); nothing was "
            "stored. Free some space and run it again."
        ) from None


def read_reasons(settings: Settings, date: dt.date) -> dict[str, dict[str, Any]]:
    """What is known about each file of a day."""
    try:
        reasons: dict[str, dict[str, Any]] = json.loads(
            (quarantine_folder(settings, date) / REASONS).read_text()
        )
    except (FileNotFoundError, ValueError):
        return {}
    return reasons


def kept_by(settings: Settings, date: dt.date) -> dict[str, str]:
    """The terms of a day whose held or rejected rows are kept, and the run that kept them, in order."""
    return {
        about["term"]: str(about.get("run_id"))
        for about in sorted(
            (
                about
                for name, about in read_reasons(settings, date).items()
                if about.get("term")
                and name == rejected_name(about["term"])
                and (quarantine_folder(settings, date) / name).exists()
            ),
            key=lambda about: str(about["term"]),
        )
    }


class QuarantineSource:
    """The kept rows of terms of a day as a source, so that they are loaded like any other rows."""

    is_live = False

    def __init__(self, settings: Settings, terms: Sequence[str]) -> None:
        self._settings = settings
        self._terms = terms

    def check(self) -> None:
        """Nothing to reach."""

    def dates(self) -> list[dt.date] | None:
        """Unknown, and not needed: a person names the day."""
        return None

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Open the kept rows of one day."""
        from pyarrow import parquet

        paths = [kept_file(self._settings, date, term) for term in self._terms]
        wanted = set(self._settings.row_columns)

        def rows() -> Iterator[Any]:
            for path in paths:
                content = parquet.ParquetFile(path)
                names = [name for name in content.schema_arrow.names if name in wanted]
                yield from content.iter_batches(_BATCH_ROWS, columns=names)

        yield Extract(date, str(quarantine_folder(self._settings, date)), rows())
