"""All tables of a configuration: the platform's own, and those of custom metrics."""

from dataclasses import dataclass

from enrollment_assets.config import Settings
from enrollment_assets.schema.metric_files import custom_metrics
from enrollment_assets.schema.platform import platform_tables
from enrollment_assets.schema.table import Table

CORE_STAGES = ("changes", "metrics")


def tables(settings: Settings) -> dict[str, Table]:
    """Every table of these settings, under its name."""
    custom = {name: metric.table for name, metric in custom_metrics(settings).items()}
    return {**platform_tables(settings), **custom}


@dataclass(frozen=True)
class Lineage:
    """The daily tables that are computed again when a snapshot they depend on changes.

    Attributes:
        core: Those that depend on the snapshots of their own term, each after what it is made of.
        insight: Those that look at other terms too, custom metrics among them.
        reading: The core ones that read snapshots: days whose snapshots were pruned are final.
        term_dates: Those that also depend on the dates of terms, and so on for the other four.
    """

    core: tuple[str, ...]
    insight: tuple[str, ...]
    reading: tuple[str, ...]
    term_dates: tuple[str, ...]
    dimensions: tuple[str, ...]
    small_cell: tuple[str, ...]
    acknowledged: tuple[str, ...]
    calendar: tuple[str, ...]


def lineage(settings: Settings) -> Lineage:
    """What is restated, for the statements that know what is stale."""
    daily = [
        table
        for table in platform_tables(settings).values()
        if table.date_column and table.depends_on and table.stage in (*CORE_STAGES, "insight")
    ]
    core = [table for table in daily if table.stage in CORE_STAGES]
    insight = tuple(table.name for table in daily if table.stage == "insight")

    def using(what: str) -> tuple[str, ...]:
        return tuple(table.name for table in daily if what in table.lineage)

    return Lineage(
        core=tuple(table.name for table in core),
        insight=(*insight, *custom_metrics(settings)),
        reading=tuple(table.name for table in core if table.reads_snapshots),
        term_dates=using("term_dates"),
        dimensions=using("dimensions"),
        small_cell=using("small_cell"),
        acknowledged=using("acknowledged"),
        calendar=using("calendar"),
    )
