"""What the exported tables hold, as the interface shows them: columns, keys, meanings."""

from dataclasses import dataclass
from functools import cached_property

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.schema import Column, platform_tables


@dataclass(frozen=True)
class Exported:
    """One exported table, or the part of it that is shown.

    `key`: the columns that are never empty; rows are ordered by them, and then by those in `then`.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    then: tuple[str, ...] = ()

    @cached_property
    def all_names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)


_SUPPRESSION = (
    "{}: small (fewer students than may be shown), complement (it would give such a one away)"
)


def _suppression(name: str, what: str) -> Column:
    return Column(
        name, "VARCHAR", _SUPPRESSION.format(f"Why {what} is withheld") + ", or empty: shown"
    )


def exported_tables(settings: Settings) -> dict[str, Exported]:
    """Every table that the interface reads, under the name by which it is asked for."""
    tables = platform_tables(settings)
    metrics = tables["enrollment_metrics"].columns
    compared = {column.name: column for column in tables["segment_point_in_time"].columns}
    forecast = tuple(c for c in tables["enrollment_forecast"].columns)
    same_point = (
        *(
            "date",
            "term",
            "days_to_start",
            "total_enrollment",
            "comparison_term",
            "comparison_date",
        ),
        *("comparison_total", "change", "change_pct", "comparison_census", "comparison_final"),
    )
    net = {column.name: column for column in tables["segment_metrics"].columns}["net_change"]
    segments = (
        *(compared[name] for name in ("date", "term", "dimension", "segment", "total_enrollment")),
        _suppression("suppression", "total_enrollment"),
        net,
        *(compared[name] for name in ("comparison_term", "comparison_date", "comparison_total")),
        _suppression("comparison_suppression", "comparison_total"),
        *(compared[name] for name in ("change", "change_pct", "contribution_pct")),
        compared["comparison_census"],
        _suppression("comparison_census_suppression", "comparison_census"),
        compared["comparison_final"],
        _suppression("comparison_final_suppression", "comparison_final"),
    )
    anomalies = tables["enrollment_anomalies"]
    return {
        "terms": Exported(
            "dim_term",
            "One row per term",
            (
                Column("code", "VARCHAR", "Code of the term, opaque text"),
                Column("name", "VARCHAR", "What people call it"),
                Column("registration_opens", "DATE", "First day on which students can be enrolled"),
                Column("starts", "DATE", "First day of classes"),
                Column("census", "DATE", "Day on which the official count is frozen"),
                Column("ends", "DATE", "Last day"),
                Column("academic_year", "VARCHAR", "Academic year in which it starts"),
                Column("comparison", "VARCHAR", "Code of the term that it is compared with"),
            ),
            ("code",),
        ),
        "metrics": Exported(
            "fact_enrollment_daily",
            tables["enrollment_metrics"].grain,
            metrics,
            ("date", "term"),
        ),
        "point_in_time": Exported(
            "fact_enrollment_daily",
            tables["point_in_time"].grain,
            tuple(compared[name] for name in same_point),
            ("date", "term"),
        ),
        "segments": Exported(
            "fact_segment_daily",
            tables["segment_point_in_time"].grain,
            segments,
            ("date", "term", "dimension", "segment"),
        ),
        "forecast": Exported(
            "fact_forecast",
            tables["enrollment_forecast"].grain,
            forecast,
            ("as_of", "term", "target_date"),
        ),
        "anomalies": Exported(
            "fact_anomaly",
            anomalies.grain,
            anomalies.columns,
            ("date", "term"),
            ("series", "dimension", "segment"),
        ),
        "dates": Exported(
            "dim_date",
            "One row per calendar day",
            (
                Column("date", "DATE", "The day"),
                Column("year", "INTEGER", "Calendar year"),
                Column("quarter", "INTEGER", "Calendar quarter, 1 to 4"),
                Column("month", "INTEGER", "Calendar month, 1 to 12"),
                Column("month_name", "VARCHAR", "Its English name"),
                Column("YearMonth", "VARCHAR", "Year and month, as text that sorts"),
                Column("DayOfWeek", "INTEGER", "Day of the week"),
                Column("day_name", "VARCHAR", "Its English name"),
                Column("iso_year", "INTEGER", "Year of the ISO week"),
                Column("iso_week", "INTEGER", "ISO week, 1 to 53"),
                Column("academic_year", "VARCHAR", "Academic year"),
                Column("is_business_day", "BOOLEAN", "From Monday to Friday, and no closure"),
                Column("closure", "BOOLEAN", "Whether the institution is closed"),
                Column("event", "VARCHAR", "Event of the calendar; empty if there is none"),
                Column("term", "VARCHAR", "Code of the term that is open; of several the last"),
                Column("term_day", "INTEGER", "Days since that term started"),
            ),
            ("date",),
        ),
    }
