"""The platform's SQL files: where they lie, and the header in which one declares a table.

A file that declares a table begins with comment lines in YAML, such as

    -- name: point_in_time
    -- stage: insight
    -- grain: One row per day and term with an accepted snapshot
    -- date: date
    -- depends_on: enrollment_metrics
    -- columns:
    --   date: DATE - Day of the snapshot

and an empty line, after which comes the statement that gives the rows of `$first` to `$last`. A table
that Python computes, or that is a ledger, has no statement. Files without a header are statements that
other code runs by name.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from enrollment_assets.config.file import parse_yaml
from enrollment_assets.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parents[1]
_COMMENT = "--"
_FIRST_KEY = "-- name:"
# LibYAML, where it is built in, takes a tenth of the time; every import comes here.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def folders() -> list[Path]:
    """The folders that hold the platform's SQL; no two files in them share a name."""
    return sorted(path for path in _PACKAGE.rglob("sql") if path.is_dir())


def header_lines(text: str) -> list[str]:
    """The leading comment lines of a text, without their marks."""
    lines = []
    for line in text.splitlines():
        if not line.startswith(_COMMENT):
            break
        lines.append(line.removeprefix(_COMMENT).removeprefix(" "))
    return lines


@lru_cache(maxsize=1)
def headers() -> Mapping[Path, dict[str, Any]]:
    """The header of each file that declares a table, and whether it `has_statement`.

    Raises:
        ConfigurationError: if a header is no YAML; with the file and the line.
    """
    declared = {}
    for folder in folders():
        for path in sorted(folder.glob("*.sql")):
            text = path.read_text(encoding="utf-8")
            if not text.startswith(_FIRST_KEY):
                continue
            lines = header_lines(text)
            declared[path] = _parsed("\n".join(lines), path)
            declared[path]["has_statement"] = len(text.splitlines()) > len(lines)
    return declared


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return parse_yaml(text, path)  # which says in words what is wrong
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: the header must hold keys and values.")
    return content
