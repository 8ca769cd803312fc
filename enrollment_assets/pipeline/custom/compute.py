"""Computes custom metrics, each day completely or not at all, and counts for their checks."""

import datetime as dt
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.config.file import did_you_mean
from enrollment_assets.errors import ConfigurationError, WarehouseError
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.custom import DATE, CustomMetric, Metric, SqlMetric
from enrollment_assets.schema.metric_files import custom_metrics, metric_faults
from enrollment_assets.schema.table import BLANK_SEGMENT, SCHEMA
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.derive import (
    any_frozen,
    casts,
    check_columns,
    chunks,
    record_derivations,
    replace_rows,
)
from enrollment_assets.warehouse.transactions import transaction

if TYPE_CHECKING:
    import pandas as pd

# Rows of snapshots that are in memory at a time as Python objects, and days of everything else.
_FRAME_ROWS = 150_000
_FRAME_DAYS = 366

# No column of a metric can have this name.
_COMPUTED_FOR = "computed for"


def write_metric(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    metric: Metric,
    days: Sequence[dt.date],
    *,
    run_id: str,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Replace consecutive days of a metric's table by its rows for them.

    Days whose snapshots were pruned are kept as they are, if the metric reads snapshots. `advance` gets
    the number of days of each chunk once it is committed.

    Raises:
        WarehouseError: if a chunk cannot be computed; earlier chunks are stored, this one is unchanged.
    """
    keep_frozen = metric.table.reads_snapshots and any_frozen(connection)
    for chunk in _chunks(metric, days, connection):
        with plain_errors(f"Writing {metric.name}"):
            _compute(connection, settings, metric, chunk)
            with transaction(connection):
                replace_rows(connection, metric.table, chunk, "computed", keep_frozen=keep_frozen)
                record_derivations(connection, settings, metric.table, chunk[0], chunk[-1], run_id)
        advance(len(chunk))


def _chunks(
    metric: Metric, days: Sequence[dt.date], connection: duckdb.DuckDBPyConnection
) -> Iterator[Sequence[dt.date]]:
    in_frames = isinstance(metric, CustomMetric)
    if metric.table.reads_snapshots:
        most = {"most_rows": _FRAME_ROWS} if in_frames else {}
        return chunks(days, connection, **most)
    return (days[n : n + _FRAME_DAYS] for n in range(0, len(days), _FRAME_DAYS))


def _compute(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    metric: Metric,
    days: Sequence[dt.date],
) -> None:
    """Put the metric's rows for consecutive days into the temporary table `computed`."""
    if isinstance(metric, SqlMetric):
        values: dict[str, Any] = {
            "first": days[0],
            "last": days[-1],
            "small_cell": settings.privacy.small_cell,
            "blank_segment": BLANK_SEGMENT,
            **metric.parameters,
        }
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE computed AS {metric.text}",
            {name: values[name] for name in metric.binds},
        )
        columns = connection.execute("SELECT * FROM computed LIMIT 0").description or []
        check_columns(metric.table, [column[0] for column in columns])
    elif isinstance(metric, CustomMetric):
        frames = _frames(connection, settings, metric, days)
        parts = []
        for day in days:
            try:
                rows = _rows_of(settings, metric, frames, day)
            except Exception as error:  # noqa: BLE001 - custom code may raise anything
                raise WarehouseError(_without_values(metric, day, error)) from None
            parts.append(_checked(metric, day, rows))
        _store(connection, metric, [part for part in parts if not part.empty])


def _frames(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    metric: CustomMetric,
    days: Sequence[dt.date],
) -> dict[str, "pd.DataFrame"]:
    """The metric's inputs, from its lookback before the first day to the last, by name."""
    declared = tables(settings)
    frames = {}
    for name in metric.depends_on:
        column = declared[name].date_column if name in declared else None
        query, binds = f"SELECT * FROM {SCHEMA}.{name}", []
        if column:
            query += f" WHERE {column} BETWEEN ? AND ? ORDER BY {column}"
            binds = [days[0] - dt.timedelta(metric.lookback_days), days[-1]]
        frames[name] = connection.execute(query, binds).df()
    return frames


def _rows_of(
    settings: Settings, metric: CustomMetric, frames: Mapping[str, "pd.DataFrame"], day: dt.date
) -> Any:
    """The metric's rows for a day, computed from what was known on that day."""
    import pandas as pd

    declared = tables(settings)
    first, last = pd.Timestamp(day - dt.timedelta(metric.lookback_days)), pd.Timestamp(day)
    # With copy-on-write, changes inside the metric do not reach the days that follow.
    with pd.option_context("mode.copy_on_write", True):
        known = {}
        for name, frame in frames.items():
            column = declared[name].date_column if name in declared else None
            start, end = 0, len(frame)
            if column:
                start = int(frame[column].searchsorted(first))
                end = int(frame[column].searchsorted(last, side="right"))
            known[name] = frame.iloc[start:end]
        return metric.compute(known, day, settings)


def _checked(metric: CustomMetric, day: dt.date, rows: Any) -> "pd.DataFrame":
    """The rows of a day, with the day in `date` where they have no such column."""
    import pandas as pd

    if not isinstance(rows, pd.DataFrame):
        raise WarehouseError(
            f"Computing {metric.name} for {day}: compute must return a pandas.DataFrame, not a "
            f"{type(rows).__name__}; nothing was changed."
        )
    if rows.empty:
        return rows
    today = pd.Timestamp(day)
    dated = rows if DATE in rows.columns else rows.assign(**{DATE: today})
    check_columns(metric.table, list(dated.columns))
    return dated.assign(**{_COMPUTED_FOR: today})


def _store(
    connection: duckdb.DuckDBPyConnection, metric: CustomMetric, parts: Sequence["pd.DataFrame"]
) -> None:
    """Put frames with the rows of days into the temporary table `computed`."""
    import pandas as pd

    relation = f"{metric.table.relation} LIMIT 0"
    if parts:
        with warnings.catch_warnings():
            # Raised for columns that are empty on some days; they get their declared types anyway.
            warnings.simplefilter("ignore", FutureWarning)
            rows = pd.concat(parts, ignore_index=True)
        relation = "rows_of_days"
        connection.register(relation, rows)
        others = connection.execute(
            f"SELECT count(*) FROM {relation} "
            f'WHERE CAST(date AS DATE) IS DISTINCT FROM CAST("{_COMPUTED_FOR}" AS DATE)'
        ).fetchall()[0][0]
        if others:
            raise WarehouseError(
                f"Writing {metric.name}: {others:,} rows have a date other than the day they were "
                "computed for; nothing was changed. Correct the column date."
            )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE computed AS SELECT {casts(metric.table)} FROM {relation}"
    )
    if parts:
        connection.unregister(relation)


def _without_values(metric: CustomMetric, day: dt.date, error: Exception) -> str:
    """What went wrong and where, without the message: Dagster writes it into its event log."""
    stack = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in stack if frame.filename == metric.written_at[0]]
    frame = (own or stack)[-1]
    return (
        f"Computing {metric.name} for {day}: {type(error).__name__} in {frame.filename}, line "
        f"{frame.lineno}; nothing was changed. The message may hold a student's data and is not shown; "
        f"`enrollment metric {metric.name} --date {day}` shows it."
    )


def preview(settings: Settings, name: str, day: dt.date) -> "pd.DataFrame":
    """The rows that a metric gives for a day, from the warehouse as it is; nothing is written.

    Errors are shown unchanged, with any values they quote: they are for the author of the metric.

    Raises:
        ConfigurationError: if there is no such metric, or no warehouse yet.
    """
    metrics, faults = custom_metrics(settings), metric_faults(settings)
    if name in faults:
        raise ConfigurationError(faults[name])
    if name not in metrics:
        raise ConfigurationError(f"{name} is not a custom metric{did_you_mean(name, metrics)}.")
    metric = metrics[name]
    with Warehouse(settings).read() as connection:
        if connection is None:
            raise ConfigurationError(
                f"{settings.warehouse_path} does not exist yet; run a backfill first."
            )
        if isinstance(metric, CustomMetric):
            rows = _rows_of(settings, metric, _frames(connection, settings, metric, [day]), day)
            return _checked(metric, day, rows).drop(columns=_COMPUTED_FOR, errors="ignore")
        _compute(connection, settings, metric, [day])
        return connection.execute("FROM computed").df()


@dataclass(frozen=True)
class Counts:
    """A day's rows of a metric: how many, how many break its key, how many fail each check."""

    rows: int
    without_key: int
    repeated: int
    failing: Mapping[str, int]


def check_counts(
    connection: duckdb.DuckDBPyConnection, metric: Metric, days: Sequence[dt.date]
) -> dict[dt.date, Counts]:
    """The counts for the metric's checks, for each of consecutive days."""
    key = [f'"{column}"' for column in metric.key]
    counts = [
        "count(*)",
        f"count(*) FILTER ({' OR '.join(f'{column} IS NULL' for column in key)})",
        f"count(*) - count(DISTINCT row({', '.join(key)}))",
        *(
            f"count(*) FILTER ((\n{condition}\n) IS NOT TRUE)"
            for condition in metric.checks.values()
        ),
    ]
    with plain_errors(f"Checking {metric.name}"):
        rows = connection.execute(
            f"SELECT date, {', '.join(counts)} FROM {metric.table.relation} "
            "WHERE date BETWEEN ? AND ? GROUP BY date",
            [days[0], days[-1]],
        ).fetchall()
    counts_by_day = {
        day: Counts(total, without_key, repeated, dict(zip(metric.checks, failing, strict=True)))
        for day, total, without_key, repeated, *failing in rows
    }
    nothing = Counts(0, 0, 0, dict.fromkeys(metric.checks, 0))
    return {day: counts_by_day.get(day, nothing) for day in days}
