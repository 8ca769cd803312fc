"""Reads the configuration file strictly, and tells what is wrong with it in words."""

import datetime as dt
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from enrollment_assets.errors import ConfigurationError


def read_yaml(path: Path, variable: str) -> dict[str, Any]:
    """The keys and values of a configuration file; `variable` may name another one.

    Raises:
        ConfigurationError: with the file, and the line where there is one.
    """
    return parse_yaml(_text(path, variable), path)


def lines_of(path: Path, variable: str) -> dict[tuple[str | int, ...], int]:
    """The line of each key of a configuration file; entries of lists have a number.

    Raises:
        ConfigurationError: with the file, if it cannot be read.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    root = yaml.compose(_text(path, variable), Loader=yaml.SafeLoader)
    if root is not None:
        _note_lines(root, (), lines)
    return lines


def _note_lines(
    node: yaml.Node, key: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for other in merged:
                    _note_lines(other, key, lines)
            else:
                below = (*key, str(key_node.value))
                lines[below] = key_node.start_mark.line + 1
                _note_lines(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*key, number)] = value.start_mark.line + 1
            _note_lines(value, (*key, number), lines)


def _text(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} is not there; run in the folder of enrollment.yaml, name the file with "
            f"{variable}, or make a new folder with `enrollment init FOLDER`."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None


def parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """The keys and values of a text in YAML; `path` is its file, for messages.

    Raises:
        ConfigurationError: with the file, and the line where there is one.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigurationError(f"{path}{place}: {problem}.") from None
    except ValueError as error:  # such as the 31st of September
        raise ConfigurationError(f"{path}: a date that does not exist ({error}).") from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{path} must hold keys and values, such as `start_date: 2024-04-01`."
        )
    return {str(key): value for key, value in content.items()}


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that is given twice is an error, not a silent overwrite."""


def _mapping_without_doubles(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a word", key_node.start_mark
            )
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key} is given twice", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node)


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_doubles
)


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """A hint at the name that was meant, or all names that there are."""
    allowed = sorted(allowed)
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"; did you mean {close[0]}" if close else f"; known are {', '.join(allowed)}"


def in_words(path: Path, error: ValidationError, root: type[BaseModel]) -> str:
    """What a validation found, one clause for each problem: file, key, value, what is allowed."""
    lines = []
    problems = error.errors(include_url=False)
    for problem in problems:
        # A list of which an entry was refused counts as shorter than it is.
        if problem["type"] == "too_short" and any(
            other is not problem and other["loc"][: len(problem["loc"])] == problem["loc"]
            for other in problems
        ):
            continue
        location = _without_kinds(root, [part for part in problem["loc"] if part != "[key]"])
        key = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
        ).lstrip(".")
        message = problem["msg"].removeprefix("Value error, ")
        value = problem.get("input")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key{did_you_mean(str(location[-1]), _allowed(root, location[:-1]))}"
        elif problem["type"] == "union_tag_invalid":
            key, value = f"{key}.kind", problem["ctx"]["tag"]
            message = f"must be one of {problem['ctx']['expected_tags']} (found {value!r})"
        elif problem["type"] == "string_type" and isinstance(value, int | float | dt.date):
            message = f"must be text; write it in quotes (found {value!r})"
        elif problem["type"] == "missing":
            message = "must be given"
        elif isinstance(value, str | int | float | bool | dt.date) and "${" not in str(value):
            message = f"{message} (found {value!r})"
        lines.append(f"{path}: {key}: {message}" if key else f"{path}: {message}")
    return "; ".join(lines) + "."


def _without_kinds(root: type[BaseModel], location: list[Any]) -> list[Any]:
    """The keys of a place, without the names that pydantic puts in where several kinds are allowed."""
    keys: list[Any] = []
    for part in location:
        kinds = [kind.model_fields["kind"] for kind in _models(root, keys) if _has_kind(kind)]
        if keys and part in [name for kind in kinds for name in get_args(kind.annotation)]:
            continue
        keys.append(part)
    return keys


def _allowed(root: type[BaseModel], location: list[Any]) -> list[str]:
    """The keys that are allowed at a place of the configuration."""
    return [
        field.alias or name
        for model in _models(root, location)
        for name, field in model.model_fields.items()
    ]


def _has_kind(model: type[BaseModel]) -> bool:
    return "kind" in model.model_fields


def _models(root: type[BaseModel], location: list[Any]) -> list[type[BaseModel]]:
    """The sections that are allowed at a place: more than one where there are several kinds."""
    models = [root]
    for part in location:
        if isinstance(part, str):
            models = [
                kind
                for model in models
                if part in model.model_fields
                for kind in _sections(model.model_fields[part].annotation)
            ]
    return models


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for argument in get_args(annotation) for kind in _sections(argument)]
