"""A table and its columns: declared once; made, documented and restated from that."""

from dataclasses import dataclass
from pathlib import Path

SCHEMA = "enrollment"
OPERATIONS = "operations"
SNAPSHOTS = "enrollment_snapshots"
SPELLS = "enrollment_spells"

# What a segment is called whose students have no value in the dimension.
BLANK_SEGMENT = "(not given)"


@dataclass(frozen=True)
class Column:
    """One column: its name, DuckDB type, and what it holds."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: The table's and the asset's name.
        grain: What one row stands for.
        columns: In order, with types that an empty day cannot change.
        date_column: Holds the day of the partition, where the table has one.
        schema: `enrollment`, or `operations` for ledgers.
        is_custom: Declared by a metric that somebody added, and may change with it.
        stage: The asset group that it belongs to; empty for ledgers.
        description: What it says, in a sentence or two.
        depends_on: The tables of schema `enrollment` that it is computed from.
        has_statement: Whether its file holds the statement that gives its rows.
        binds: What that statement binds.
        lineage: What beside snapshots its rows depend on: `term_dates`, `dimensions`, `small_cell`,
            `acknowledged` (anomalies), `calendar`.
        is_view: Has no rows of its own, but is a query over other tables.
        is_daily_view: The same, of a table that is written day by day in another form.
        file: The file that declares it.
        figures: The columns that each partition shows in Dagster for each term.
        figures_where: SQL that picks the one row of a term that holds them.
        computed_by: The Python that gives its rows, as `module:name`; empty where SQL does.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    date_column: str | None = None
    schema: str = SCHEMA
    is_custom: bool = False
    stage: str = ""
    description: str = ""
    depends_on: tuple[str, ...] = ()
    has_statement: bool = False
    binds: tuple[str, ...] = ()
    lineage: tuple[str, ...] = ()
    is_view: bool = False
    is_daily_view: bool = False
    file: Path | None = None
    figures: tuple[str, ...] = ()
    figures_where: str = ""
    computed_by: str = ""

    @property
    def relation(self) -> str:
        """The name to use in SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def reads_snapshots(self) -> bool:
        """Whether it is computed from who was enrolled, which is big, and may be pruned."""
        return SNAPSHOTS in self.depends_on

    def create_statement(self) -> str:
        """The statement that makes the table where it is not there."""
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.relation} ({columns})"
