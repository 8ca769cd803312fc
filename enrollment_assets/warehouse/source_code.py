"""What statements and functions are made of: their text without comments, blanks and documentation.

The same text comes out of every process, folder and version of Python.
"""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_WORD = re.compile(r"[\w$.]+|\S")
_QUOTED_OR_COMMENT = re.compile(
    r"""(?P<quoted>\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$\w*\$).*?(?P=tag))"""
    r"|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)

# Types are documentation, and the others differ between versions of Python.
_NO_CODE = frozenset({"annotation", "returns", "type_params", "type_comment", "kind", "ctx"})
# What a metric says of itself; columns and dependencies count apart from the code.
_DECLARED = frozenset({"name", "grain", "description", "columns", "key", "checks", "depends_on"})
_METRIC = "CustomMetric"


class Parts(NamedTuple):
    """Python code: its text, the names and attributes in it (`settings.forecast`), its strings."""

    text: str
    chains: frozenset[str]
    strings: frozenset[str]


@lru_cache(maxsize=256)
def plain_sql(text: str) -> str:
    """The words of a statement, one space apart, without comments; what is quoted stays as it is."""
    parts = []
    end = 0
    for match in _QUOTED_OR_COMMENT.finditer(text):
        parts += [*_WORD.findall(text[end : match.start()]), match["quoted"] or ""]
        end = match.end()
    return " ".join(filter(None, [*parts, *_WORD.findall(text[end:])]))


def parts_of(tree: ast.AST) -> Parts:
    """What a piece of Python is made of."""
    words: list[str] = []
    chains: set[str] = set()
    strings: set[str] = set()

    def look(node: object) -> None:
        if isinstance(node, ast.Name | ast.Attribute) and (chain := chain_of(node)):
            chains.add(chain)
            words.append(chain)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                strings.add(node.value)
            words.append(repr(node.value))
        elif not isinstance(node, ast.AST):
            words.append(str(node))
        elif not _is_documentation(node):
            words.append(f"({type(node).__name__}")
            for name, value in _fields(node):
                words.append(name)
                for part in value:
                    look(part)
            words.append(")")

    look(tree)
    return Parts(" ".join(words), frozenset(chains), frozenset(strings))


def _fields(node: ast.AST) -> Iterator[tuple[str, list[object]]]:
    """The fields of a node that have an effect, each with what it holds."""
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in _NO_CODE:
            continue
        if name == "keywords" and _makes_metric(node):
            value = [given for given in value if given.arg not in _DECLARED]
        yield name, value if isinstance(value, list) else [value]


def chain_of(node: ast.AST) -> str:
    """A name with the attributes that are asked of it, such as `settings.forecast`; else nothing."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def _is_documentation(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _makes_metric(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and chain_of(node.func).split(".")[-1] == _METRIC
