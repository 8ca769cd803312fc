"""Reads the platform's own SQL files, which lie beside their stage in `<room>/sql/`.

One file is one statement. Values are bound; all that a template puts in are names of tables and of
columns, which the configuration restricts to lower-case identifiers, and the bound of small cells, a
whole number.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from enrollment_assets.config import Grain, Settings
from enrollment_assets.schema.catalog import lineage
from enrollment_assets.schema.sql_files import folders

if TYPE_CHECKING:
    import jinja2


@lru_cache(maxsize=1)
def _environment() -> "jinja2.Environment":
    import jinja2

    # SQL, not HTML: there is nothing to escape, and values never go through the template.
    return jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(folders()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def statement(
    name: str, settings: Settings, *, dedupe: bool = False, former: tuple[str, ...] = ()
) -> str:
    """The text of `<name>.sql` for these settings.

    `dedupe` is for statements that keep one row of each key; `former` are the columns of stored rows
    that are no longer configured, for statements that write such rows.
    """
    return _render(
        name,
        dimensions=settings.dimensions,
        row_columns=settings.row_columns,
        compared_columns=settings.compared_columns,
        former_columns=former,
        spell_columns=(*settings.row_columns, *former),
        reads=settings.reads,
        renamed_columns=(*settings.mapping, *(("student_id",) if settings.aliases else ())),
        by_program=settings.grain is Grain.registration,
        excluded=tuple(rule.column for rule in settings.exclude),
        dedupe=dedupe,
        anchor=settings.point_in_time.anchor.value,
        small_cell=settings.privacy.small_cell,
        lineage=lineage(settings),
    )


@lru_cache(maxsize=256)
def _render(name: str, **variables: object) -> str:
    return _environment().get_template(f"{name}.sql").render(variables)
