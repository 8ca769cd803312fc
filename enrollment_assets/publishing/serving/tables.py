"""Which exported table, and which part of it, each path of the API shows."""

from dataclasses import dataclass

from enrollment_assets.config import Settings
from enrollment_assets.publishing.exports.files import export_tables
from enrollment_assets.schema.platform import platform_tables
from enrollment_assets.schema.table import Column, Table
from enrollment_assets.schema.vocabulary import translated

_SAME_POINT = (
    *("date", "term", "days_to_start", "total_enrollment", "comparison_term", "comparison_day"),
    *("comparison_date", "comparison_gap_days", "comparison_total", "change", "change_pct"),
    *("comparison_census", "comparison_census_live", "comparison_final", "comparison_note"),
)


@dataclass(frozen=True)
class View:
    """Columns of an exported table, under their names in the warehouse.

    `key`: columns that are never empty; rows are ordered by them, and then by those in `then`.
    `in_file`: the name of each column in the file, by the institution's vocabulary.
    """

    table: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    then: tuple[str, ...]
    in_file: dict[str, str]


def views(settings: Settings) -> dict[str, View]:
    """The views, by the last part of their path."""
    tables = export_tables(settings)
    daily = tables["fact_enrollment_daily"]
    metrics = platform_tables(settings)["enrollment_metrics"].column_names
    in_file = {
        name: translated(name, settings.vocabulary)
        for table in tables.values()
        for name in table.column_names
    }

    def view(
        table: Table, *key: str, then: tuple[str, ...] = (), only: tuple[str, ...] = ()
    ) -> View:
        known = {column.name: column for column in table.columns}
        columns = tuple(known[name] for name in only or table.column_names)
        return View(table.name, table.grain, columns, key, then, in_file)

    return {
        "terms": view(tables["dim_term"], "starts", "code"),
        "metrics": view(daily, "date", "term", only=metrics),
        "point-in-time": view(daily, "date", "term", only=_SAME_POINT),
        "segments": view(tables["fact_segment_daily"], "date", "term", "dimension", "segment"),
        "forecast": view(tables["fact_forecast"], "as_of", "term", "target_date"),
        "anomalies": view(
            tables["fact_anomaly"], "date", "term", then=("dimension", "segment", "series")
        ),
        "totals": view(tables["fact_total_daily"], "date"),
        "dates": view(tables["dim_date"], "date"),
    }
