"""A table and its columns: declared once, made and documented from that."""

from dataclasses import dataclass

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
    """One table; `date_column` holds the day of the partition, where it has one.

    One that `is_custom` was declared by a metric that somebody added, and may change with it.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    date_column: str | None = None
    schema: str = SCHEMA
    is_custom: bool = False

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


def columns_of(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns from name, type and description."""
    return tuple(Column(*row) for row in rows)
