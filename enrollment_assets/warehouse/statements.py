"""Reads the platform's own SQL files, which lie beside their stage in `<room>/sql/`.

One file is one statement. Values are bound; all that a template puts in are column names, which the
configuration restricts to lower-case identifiers, and the bound of small cells, a whole number.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from enrollment_assets.config import Grain, Settings
from enrollment_assets.config.sections import Anchor
from enrollment_assets.schema.custom import custom_metrics

if TYPE_CHECKING:
    import jinja2

# Daily tables that depend on the figures of all terms, and are restated after them.
INSIGHT = (
    *("point_in_time", "segment_point_in_time", "segment_disclosure"),
    *("enrollment_anomalies", "enrollment_forecast"),
)

_PACKAGE = Path(__file__).resolve().parents[1]


def sql_folders() -> list[Path]:
    """The folders that hold the platform's statements; no two files in them share a name."""
    return sorted(path for path in _PACKAGE.rglob("sql") if path.is_dir())


@lru_cache(maxsize=1)
def _environment() -> "jinja2.Environment":
    import jinja2

    # SQL, not HTML: there is nothing to escape, and values never go through the template.
    return jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(sql_folders()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def statement(name: str, settings: Settings, *, dedupe: bool = False) -> str:
    """The text of `<name>.sql` for these settings.

    `dedupe` is for statements that keep one row of each key.
    """
    excluded = tuple(rule.column for rule in settings.exclude)
    anchor = settings.point_in_time.anchor
    insight = (*INSIGHT, *custom_metrics(settings))
    return _render(
        name,
        settings.dimensions,
        settings.grain,
        excluded,
        dedupe,
        anchor,
        insight,
        settings.privacy.small_cell,
    )


@lru_cache(maxsize=128)
def _render(
    name: str,
    dimensions: tuple[str, ...],
    grain: Grain,
    excluded: tuple[str, ...],
    dedupe: bool,
    anchor: Anchor,
    insight: tuple[str, ...],
    small_cell: int,
) -> str:
    template = _environment().get_template(f"{name}.sql")
    return template.render(
        dimensions=dimensions,
        by_program=grain is Grain.registration,
        excluded=excluded,
        dedupe=dedupe,
        anchor=anchor.value,
        insight=insight,
        small_cell=small_cell,
    )
