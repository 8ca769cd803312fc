"""The tables of the warehouse: names, declared types and what each column means.

The types stand here and not in a first write, so that an empty or all-null day cannot choose them.
"""

from dataclasses import dataclass
from functools import lru_cache

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import WarehouseError

SCHEMA = "enrollment"
OPERATIONS = "operations"


@dataclass(frozen=True)
class Column:
    """One column: its name, DuckDB type, and what it holds."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table; `date_column` holds the day of the partition, where it has one."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    date_column: str | None = None
    schema: str = SCHEMA

    @property
    def relation(self) -> str:
        """The name to use in SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(column.name for column in self.columns)

    def create_statement(self) -> str:
        """The statement that makes the table where it is not there."""
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.relation} ({columns})"


_METRICS = (
    ("baseline_date", "DATE", "Day of the snapshot that the day is compared with; empty at first"),
    ("days_since_baseline", "INTEGER", "Calendar days between the two"),
)


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


def tables(settings: Settings) -> dict[str, Table]:
    """Every table of these settings, under its name."""
    return _tables(settings.dimensions)


@lru_cache(maxsize=8)
def _tables(dimensions: tuple[str, ...]) -> dict[str, Table]:
    def of_dimensions(text: str, prefix: str = "") -> tuple[tuple[str, str, str], ...]:
        return tuple((prefix + name, "VARCHAR", text.format(name)) for name in dimensions)

    snapshots = Table(
        "enrollment_snapshots",
        "One row per snapshot day, term and student (and program in grain registration)",
        _columns(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term, opaque text"),
            ("student_id", "VARCHAR", "The student's id, text from end to end"),
            ("student_name", "VARCHAR", "The student's name"),
            *of_dimensions("The student's {} on that day"),
            ("status", "VARCHAR", "Status code as the source gave it"),
        ),
        "snapshot_date",
    )
    log = Table(
        "snapshot_log",
        "One row per snapshot day and term: the snapshot that stands",
        _columns(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("status", "VARCHAR", "accepted, rejected or missing"),
            ("row_count", "BIGINT", "Rows of the term in the extract, duplicates included"),
            ("student_count", "BIGINT", "Distinct students that were stored"),
            ("duplicate_count", "BIGINT", "Rows left out because their key stood there already"),
            ("missing_count", "BIGINT", "Rows without an id"),
            ("reasons", "VARCHAR", "Why the day was refused or has no rows"),
            ("source", "VARCHAR", "Where the rows came from"),
            ("content_hash", "VARCHAR", "Fingerprint of the stored rows, whatever their order"),
            ("extracted_at", "TIMESTAMPTZ", "When they were read"),
        ),
        "snapshot_date",
    )
    changes = Table(
        "student_changes",
        "One row per snapshot day, term and student who was added, dropped or moved",
        _columns(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("baseline_date", "DATE", "Day of the snapshot that it is compared with"),
            ("change", "VARCHAR", "added, dropped or moved"),
            ("returning", "BOOLEAN", "Added, and enrolled earlier in the same term"),
            ("student_id", "VARCHAR", "The student's id"),
            ("student_name", "VARCHAR", "The student's name"),
            *of_dimensions("The student's {} now; for dropped students the last known one"),
            *of_dimensions("The student's {} at the baseline; empty for added students", "from_"),
        ),
        "snapshot_date",
    )
    metrics = Table(
        "enrollment_metrics",
        "One row per day and term with an accepted snapshot",
        _columns(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            *_METRICS,
            ("total_enrollment", "BIGINT", "Headcount: distinct students"),
            (
                "new_students",
                "BIGINT",
                "Students added since the baseline, returning ones included",
            ),
            ("returning_students", "BIGINT", "Of these, enrolled earlier in the same term"),
            ("dropped_students", "BIGINT", "Students of the baseline who are not there now"),
            ("moved_students", "BIGINT", "Retained students with another value of some dimension"),
            ("retained_students", "BIGINT", "Students in both snapshots; all of them at first"),
            ("net_change", "BIGINT", "Added less dropped students"),
            ("retention_rate", "DOUBLE", "Day-over-day continuation: retained / baseline, percent"),
            ("growth_rate", "DOUBLE", "Net change / baseline, percent"),
            ("gross_enrollment", "BIGINT", "Students ever enrolled in the term so far"),
            ("days_to_start", "INTEGER", "Days until the term starts; negative afterwards"),
            ("days_to_census", "INTEGER", "Days until the census; negative afterwards"),
        ),
        "date",
    )
    segments = Table(
        "segment_metrics",
        "One row per day, term, dimension and segment with students now or at the baseline",
        _columns(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension"),
            ("segment", "VARCHAR", "Value of the dimension"),
            *_METRICS,
            ("total_enrollment", "BIGINT", "Distinct students in the segment"),
            ("new_students", "BIGINT", "Added students who are in it"),
            ("dropped_students", "BIGINT", "Dropped students who were in it"),
            ("moved_in", "BIGINT", "Retained students who are in it and were not"),
            ("moved_out", "BIGINT", "Retained students who were in it and are not"),
            ("net_change", "BIGINT", "Change of the total since the baseline"),
        ),
        "date",
    )
    attempts = Table(
        "snapshot_attempts",
        "One row per try to read a day's snapshot of a term, accepted or not",
        _columns(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            (
                "term",
                "VARCHAR",
                "Code of the term; empty for rows of terms that are not configured",
            ),
            ("status", "VARCHAR", "accepted, rejected, missing, or outside the term's dates"),
            ("reasons", "VARCHAR", "Why it was not accepted"),
            ("row_count", "BIGINT", "Rows of the term in the extract"),
            ("student_count", "BIGINT", "Distinct students among them"),
            ("duplicate_count", "BIGINT", "Rows whose key stood there already"),
            ("missing_count", "BIGINT", "Rows without an id"),
            ("blank_count", "BIGINT", "Rows without a value in some dimension"),
            ("invalid_count", "BIGINT", "Rows whose id is not of the expected form"),
            ("outside_count", "BIGINT", "Rows left out: the day lies outside the term's dates"),
            ("uncounted_count", "BIGINT", "Rows left out by status or exclusion rule"),
            ("unknown_status_count", "BIGINT", "Rows left out: neither counted nor ignored status"),
            ("content_hash", "VARCHAR", "Fingerprint of the rows, where they stood"),
            ("decided_by", "VARCHAR", "Who accepted or rejected it on purpose; empty for a rule"),
            ("run_id", "VARCHAR", "Dagster run that tried"),
            ("attempted_at", "TIMESTAMPTZ", "When"),
        ),
        "snapshot_date",
        OPERATIONS,
    )
    restatements = Table(
        "metric_restatements",
        "One row per figure that changed after a report of its day was written; rows are only added",
        _columns(
            ("date", "DATE", "Day of the figure"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension; empty for figures of the whole term"),
            ("segment", "VARCHAR", "Value of the dimension; empty for figures of the whole term"),
            ("metric", "VARCHAR", "Column of enrollment_metrics or segment_metrics"),
            ("old_value", "DOUBLE", "What had been reported; empty if nothing had"),
            ("new_value", "DOUBLE", "What holds now; empty if the day was thrown out"),
            ("restated_at", "TIMESTAMPTZ", "When"),
            ("run_id", "VARCHAR", "Dagster run that restated it"),
        ),
    )
    reported = Table(
        "reported_figures",
        "One row per figure of a day of which a report was written, as it was last known",
        _columns(
            ("date", "DATE", "Day of the figure"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension; empty for figures of the whole term"),
            ("segment", "VARCHAR", "Value of the dimension; empty for figures of the whole term"),
            ("metric", "VARCHAR", "Column of enrollment_metrics or segment_metrics"),
            ("value", "DOUBLE", "Its value"),
        ),
        "date",
        OPERATIONS,
    )
    derivations = Table(
        "derivations",
        "One row per derived table, day and term: what its rows were computed from",
        _columns(
            ("table_name", "VARCHAR", "The derived table"),
            ("date", "DATE", "Day of the rows"),
            ("term", "VARCHAR", "Code of the term"),
            ("lineage", "VARCHAR", "Fingerprint of all they depend on; empty if it was stale"),
            ("run_id", "VARCHAR", "Dagster run that computed them"),
            ("derived_at", "TIMESTAMPTZ", "When"),
        ),
        "date",
        OPERATIONS,
    )
    pruned = Table(
        "pruned_snapshots",
        "One row per term and prune: snapshots before `kept_from` are gone, their figures stand",
        _columns(
            ("term", "VARCHAR", "Code of the term"),
            ("kept_from", "DATE", "First snapshot that was kept; figures up to it are final"),
            ("snapshot_count", "BIGINT", "Snapshots that were removed"),
            ("run_id", "VARCHAR", "Dagster run that removed them"),
            ("pruned_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    all_tables = (
        *(snapshots, log, changes, metrics, segments),
        *(attempts, restatements, reported, derivations, pruned),
    )
    return {table.name: table for table in all_tables}


WEEKLY_VIEW = Table(
    "weekly_enrollment_summary",
    "One row per term and week, from Monday to Sunday",
    _columns(
        ("term", "VARCHAR", "Code of the term"),
        ("week_start", "DATE", "Monday of the week"),
        ("avg_enrollment", "DOUBLE", "Mean headcount of the week's snapshots"),
        ("weekly_adds", "HUGEINT", "Students added in the week, counted once a day"),
        ("weekly_drops", "HUGEINT", "Students dropped in the week, counted once a day"),
        ("avg_retention", "DOUBLE", "Mean day-over-day continuation in percent"),
    ),
)


def _columns_there(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], dict[str, str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema IN (?, ?)",
        [SCHEMA, OPERATIONS],
    ).fetchall():
        found.setdefault((schema, table), {})[column] = kind
    return found


def has_all_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """Whether every declared table and column is there."""
    found = _columns_there(connection)
    return all(
        set(spec.column_names) <= set(found.get((spec.schema, spec.name), ()))
        for spec in tables(settings).values()
    )


def ensure_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make what is not there; add the column of a dimension that was configured later.

    Raises:
        WarehouseError: if a column has another type than it should.
    """
    found = _columns_there(connection)
    for spec in tables(settings).values():
        there = found.get((spec.schema, spec.name))
        if there is None:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {spec.schema}")
            connection.execute(spec.create_statement())
            continue
        for column in spec.columns:
            kind = there.get(column.name)
            if kind is None:
                connection.execute(
                    f'ALTER TABLE {spec.relation} ADD COLUMN "{column.name}" {column.type}'
                )
            elif kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") != column.type:
                raise WarehouseError(
                    f"{spec.relation}.{column.name} is {kind} in the warehouse and should be "
                    f"{column.type}; move the file aside and backfill into a new one."
                )
