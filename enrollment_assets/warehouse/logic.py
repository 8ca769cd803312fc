"""By which logic each derived table is computed: a fingerprint that changes when a formula does.

A version is made of the statement without comments and blanks, or of the Python functions that compute
the table without comments and documentation, of the columns, of the settings that these functions read,
and of the versions of the tables that it is computed from. So a changed formula makes its descendants
stale and nothing else, and a changed comment nothing at all. Dated facts of the configuration, such as
terms and closures, are no formula; `lineage.sql` knows what follows from them.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.schema.catalog import lineage, tables
from enrollment_assets.schema.custom import CustomMetric, SqlMetric
from enrollment_assets.schema.metric_files import custom_metrics
from enrollment_assets.schema.sql_files import folders
from enrollment_assets.schema.table import Table
from enrollment_assets.support.literals import quoted
from enrollment_assets.warehouse.statements import statement

_PACKAGE = Path(__file__).resolve().parents[1]
_NAME = _PACKAGE.name
# Python that formulas are made of; what else they call reads and writes, and computes nothing.
_FORMULAS = (f"{_NAME}.analytics", f"{_NAME}.pipeline.insight")
# Keys that hold dated facts or places, not formulas.
_NO_FORMULA = frozenset({"terms", "calendar", "start_date", "data_dir", "metrics_dir", "source"})
_LENGTH = 16
_WORD = re.compile(r"[\w$.]+|\S")
_QUOTED_OR_COMMENT = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$.*?\$\$)|--[^\n]*|/\*.*?\*/""", re.DOTALL
)


def code_versions(settings: Settings) -> Mapping[str, str]:
    """The version of each table that is restated, under its name."""
    declared = tables(settings)
    custom = custom_metrics(settings)
    about = lineage(settings)
    versions: dict[str, str] = {}
    # In this order each table comes after those that it is computed from.
    for name in (*about.core, *about.insight):
        table = declared[name]
        metric = custom.get(name)
        own: list[str] = [f"{column.name} {column.type}" for column in table.columns]
        if isinstance(metric, SqlMetric):
            own += [
                plain_sql(metric.text),
                json.dumps(metric.parameters, default=str, sort_keys=True),
            ]
        elif isinstance(metric, CustomMetric):
            own.append(_plain_python(ast.parse(Path(metric.written_at[0]).read_text("utf-8"))))
        else:
            own += _of_platform(table, settings)
        parents = [versions[parent] for parent in sorted(table.depends_on) if parent in versions]
        versions[name] = _fingerprint(*own, *parents)
    return MappingProxyType(versions)


def code_version(settings: Settings, table: Table) -> str | None:
    """The version of any table, view or export; None of those whose rows no formula gives."""
    versions = code_versions(settings)
    if table.name in versions or not table.has_statement:
        return versions.get(table.name)
    parents = [versions[parent] for parent in sorted(table.depends_on) if parent in versions]
    return _fingerprint(plain_sql(statement(table.name, settings)), *parents)


def load_code_versions(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Load the versions into the temporary table `code_versions`, to know what is stale."""
    rows = ", ".join(f"({quoted(n)}, {quoted(v)})" for n, v in code_versions(settings).items())
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE code_versions AS FROM (VALUES {rows}) AS t (table_name, version)"
    )


def _of_platform(table: Table, settings: Settings) -> Iterator[str]:
    if table.has_statement:
        yield plain_sql(statement(table.name, settings))
    if table.computed_by:
        source, reads, statements = _python(table.computed_by)
        yield source
        for key in sorted(reads & set(Settings.model_fields) - _NO_FORMULA):
            yield f"{key} {json.dumps(settings.model_dump(mode='json')[key], sort_keys=True)}"
        for name in sorted(statements):
            yield plain_sql(statement(name, settings))


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:_LENGTH]


@lru_cache(maxsize=128)
def plain_sql(text: str) -> str:
    """The words of a statement, one space apart, without comments; what is quoted stays as it is."""
    parts = []
    end = 0
    for match in _QUOTED_OR_COMMENT.finditer(text):
        parts += [*_WORD.findall(text[end : match.start()]), match["quoted"] or ""]
        end = match.end()
    return " ".join(filter(None, [*parts, *_WORD.findall(text[end:])]))


@lru_cache(maxsize=32)
def _python(root: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """What a function or class and all formulas that it uses are made of.

    Gives their code without comments and documentation, the keys of the settings that it reads, and the
    statements that it names.
    """
    codes: dict[str, str] = {}
    reads: set[str] = set()
    named: set[str] = set()
    waiting = [root]
    while waiting:
        place = waiting.pop()
        module, _, name = place.partition(":")
        node = _definitions(module).get(name)
        if place in codes or node is None:
            continue
        if isinstance(node, ast.alias):  # imported from there
            codes[place] = ""
            waiting.append(f"{_imported_from(module, name)}")
            continue
        codes[place] = _plain_python(node)
        for part in ast.walk(node):
            match part:
                case ast.Name(id=used):
                    waiting.append(f"{module}:{used}")
                case ast.Attribute(value=ast.Name(id="settings"), attr=key):
                    reads.add(key)
                case ast.Attribute(value=ast.Attribute(attr="settings" | "_settings"), attr=key):
                    reads.add(key)
                case ast.Attribute(value=ast.Name(id=used), attr=attribute):
                    waiting.append(f"{_imported_from(module, used).rstrip(':')}:{attribute}")
                case ast.Constant(value=str(text)) if text in _statements():
                    named.add(text)
    code = "\x1f".join(f"{place} {codes[place]}" for place in sorted(codes))
    return code, frozenset(reads), frozenset(named)


@lru_cache(maxsize=64)
def _definitions(module: str) -> dict[str, ast.AST]:
    """What a module of formulas defines at its top, and the names that it imports from others."""
    found: dict[str, ast.AST] = {}
    if not module.startswith(_FORMULAS):
        return found
    path = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    if not path.is_file():
        return found
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
            case ast.ImportFrom(module=str(source), names=names) if source.startswith(_NAME):
                for imported in names:
                    name = imported.asname or imported.name
                    found[name] = ast.alias(f"{source}:{imported.name}")
    return found


def _imported_from(module: str, name: str) -> str:
    """The place of an imported name: `module:name`, or `module:` of a module."""
    node = _definitions(module).get(name)
    if not isinstance(node, ast.alias):
        return ""
    source, _, imported = node.name.partition(":")
    is_module = _PACKAGE.joinpath(*source.split(".")[1:], f"{imported}.py").is_file()
    return f"{source}.{imported}:" if is_module else node.name


def _plain_python(node: ast.AST) -> str:
    """The code of a node without comments, documentation and places in the file."""
    for part in ast.walk(node):
        body = getattr(part, "body", None)
        if (
            isinstance(part, ast.FunctionDef | ast.ClassDef | ast.Module)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            part.body = body[1:] or [ast.Pass()]
    return ast.unparse(node)


@lru_cache(maxsize=1)
def _statements() -> frozenset[str]:
    return frozenset(path.stem for folder in folders() for path in folder.glob("*.sql"))
