"""The reference of tables in `docs/tables.md`, from what is declared.

`python -m enrollment_assets_tests.support.table_pages` writes it anew.
"""

from collections.abc import Iterator
from itertools import chain

from enrollment_assets.config import Settings, load_settings
from enrollment_assets.publishing.exports.files import export_tables
from enrollment_assets.schema.platform import platform_tables, platform_views
from enrollment_assets.schema.table import OPERATIONS, Table
from enrollment_assets_tests.conftest import CHECKOUT

PAGE = CHECKOUT / "docs" / "tables.md"
_BEGIN = "<!-- tables: written by `python -m enrollment_assets_tests.support.table_pages` -->\n\n"
_END = "<!-- end of tables -->\n"


def with_tables(page: str, settings: Settings) -> str:
    """The page, with what is generated in it written anew."""
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}{''.join(_parts(settings))}{_END}{after}"


def _parts(settings: Settings) -> Iterator[str]:
    stored = [*platform_tables(settings).values(), *platform_views(settings).values()]
    groups = (
        ("Schema `enrollment`", [t for t in stored if t.schema != OPERATIONS]),
        ("Schema `operations`: ledgers", [t for t in stored if t.schema == OPERATIONS]),
        ("Exports: the star schema", list(export_tables(settings).values())),
    )
    for title, tables in groups:
        yield f"## {title}\n\n"
        yield from chain.from_iterable(map(_table, sorted(tables, key=lambda table: table.name)))


def _table(table: Table) -> Iterator[str]:
    yield f"### `{table.name}`\n\n{table.grain}."
    yield f" {table.description}\n\n" if table.description else "\n\n"
    yield "| column | type | meaning |\n|---|---|---|\n"
    for column in table.columns:
        meaning = column.description.replace("|", "\\|")
        yield f"| `{column.name}` | {column.type} | {meaning} |\n"
    yield "\n"


if __name__ == "__main__":
    configured = load_settings(CHECKOUT / "enrollment.yaml")
    PAGE.write_text(with_tables(PAGE.read_text(), configured))
