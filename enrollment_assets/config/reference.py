"""The documentation of every key, and the JSON schema for editors, both from the settings model.

`python -m enrollment_assets.config.reference docs/configuration.md` writes them anew.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from enrollment_assets.config.environment import VARIABLES
from enrollment_assets.config.fields import Kind
from enrollment_assets.config.settings import Settings

SCHEMA_FILE = Path(__file__).with_name("enrollment.schema.json")

_BEGIN = "<!-- {name}: written by `python -m enrollment_assets.config.reference {file}` -->"
_END = "<!-- end of {name} -->"
_PLAIN = {
    bool: Kind("true or false", "true or false"),
    int: Kind("whole number", "whole numbers"),
    float: Kind("number", "numbers"),
    str: Kind("text", "texts"),
    Path: Kind("path", "paths"),
}
_ANYTHING = Kind("anything", "anything")
_KEYS = Kind("keys and values", "keys and values")
_SECTION = Kind("section", "sections")
# A default that depends on other keys has no value of its own.
_DEFAULTS = {"dimensions": "`division`, `program`, `level`", "columns": "`student_id: student_id`"}


def described(model: type[BaseModel] = Settings) -> None:
    """Give each key the text that follows it in the source as its description.

    pydantic would do that itself, at each import, which takes as long as all other classes together.
    """
    for field in model.model_fields.values():
        for below in _models(field.annotation):
            described(below)
    for parent in reversed(model.__mro__):
        if not (issubclass(parent, BaseModel) and parent.__module__.startswith(__package__)):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(parent))).body
        assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class is one
        for key, text in pairwise(body.body):
            if (
                isinstance(key, ast.AnnAssign)
                and isinstance(key.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and key.target.id in model.model_fields
            ):
                model.model_fields[key.target.id].description = inspect.cleandoc(
                    str(text.value.value)
                )
    model.model_rebuild(force=True)


def schema() -> str:
    """The JSON schema of `enrollment.yaml`."""
    described()
    model = _in_one_line(Settings.model_json_schema())
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def documentation(text: str) -> str:
    """The text of `docs/configuration.md`, with what is generated in it written anew."""
    described()
    parts = {"keys": "\n".join(_sections()), "variables": "\n".join(_variables())}
    for name, content in parts.items():
        begin = _BEGIN.format(name=name, file="docs/configuration.md")
        end = _END.format(name=name)
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n\n{content}\n{end}{after}"
    return text


def _in_one_line(part: Any, *, is_names: bool = False) -> Any:
    """A schema without line breaks in descriptions, and without titles that only repeat a key."""
    if isinstance(part, dict):
        return {
            name: _in_one_line(below, is_names=name in ("properties", "$defs") and not is_names)
            for name, below in part.items()
            if is_names or name != "title"
        }
    if isinstance(part, list):
        return [_in_one_line(below) for below in part]
    return _line(part) if isinstance(part, str) else part


def _sections() -> Iterator[str]:
    """A table for the keys at the top, and one for each section below."""
    yield from _table("Top level", "", Settings, skip_sections=True)
    for name, field in Settings.model_fields.items():
        models = _models(field.annotation)
        for model in models:
            title = f"`{name}`"
            if len(models) > 1:
                title += f", kind {_literals(model.model_fields['kind'].annotation)[0]}"
            words = _line(field.description or "") if len(models) == 1 else _line(model.__doc__)
            yield from _table(title, words, model)


def _table(
    title: str, words: str, model: type[BaseModel], *, skip_sections: bool = False
) -> Iterator[str]:
    yield f"### {title}\n"
    if words:
        yield f"{words}\n"
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key, field in _keys(model, skip_sections=skip_sections):
        cells = (f"`{key}`", _kind(field), _default(key, field), _line(field.description or ""))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _keys(
    model: type[BaseModel], prefix: str = "", *, skip_sections: bool = False
) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a section, those of sections inside it included."""
    # What several kinds share comes after what is a kind's own.
    own = model.__annotations__
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] not in own)
    for name, field in fields:
        key = f"{prefix}{field.alias or name}"
        below = _models(field.annotation)
        if not (below and skip_sections):
            yield key, field
        if below and not skip_sections:
            several = get_origin(field.annotation) is tuple
            yield from _keys(below[0], f"{key}[]." if several else f"{key}.")


def _variables() -> Iterator[str]:
    yield "| variable | meaning |"
    yield "|---|---|"
    for name, words in VARIABLES.items():
        yield f"| `{name}` | {words} |"
    yield ""


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a key holds: several kinds, one, or none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _kind(field: FieldInfo) -> str:
    """What is allowed there, in words, with its bounds."""
    words = _kind_of(field.annotation, field.metadata).one
    limits: dict[str, float] = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("ge", "gt", "le")
        if getattr(limit, name, None) is not None
    }
    if "ge" in limits and "le" in limits:
        return f"{words} from {limits['ge']:g} to {limits['le']:g}"
    for name, sign in (("ge", "at least"), ("gt", "more than")):
        if name in limits:
            return f"{words}, {sign} {limits[name]:g}"
    return words


def _kind_of(annotation: Any, metadata: Sequence[Any] = ()) -> Kind:
    """The type of a value in words."""
    marks = [mark for mark in metadata if isinstance(mark, Kind)]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if marks:
        found = marks[0]
    elif origin is Annotated:
        found = _kind_of(arguments[0], arguments[1:])
    elif origin in (Union, UnionType):
        kinds = [_kind_of(kind) for kind in arguments if kind is not type(None)]
        found = Kind(*(" or ".join(words) for words in zip(*map(astuple, kinds), strict=True)))
    elif origin in (tuple, frozenset):
        found = Kind(f"list of {_kind_of(arguments[0]).many}", "lists")
    elif origin is dict:
        found = _KEYS
    elif _literals(annotation):
        names = ", ".join(f"`{name}`" for name in _literals(annotation))
        found = Kind(names, names)
    elif _models(annotation):
        found = _SECTION
    else:
        found = _PLAIN.get(annotation, _ANYTHING)
    return found


def _literals(annotation: Any) -> list[str]:
    """The words that are allowed, where only certain ones are."""
    if get_origin(annotation) is Literal:
        return [str(name) for name in get_args(annotation)]
    is_enum = isinstance(annotation, type) and issubclass(annotation, StrEnum)
    return [str(name) for name in annotation] if is_enum else []


def _default(key: str, field: FieldInfo) -> str:
    if key in _DEFAULTS:
        return _DEFAULTS[key]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value in (None, "", (), {}, frozenset()) or isinstance(value, BaseModel):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def main(page: Path) -> None:
    """Write both anew."""
    page.write_text(documentation(page.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA_FILE.write_text(schema(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
