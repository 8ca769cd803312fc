"""The house stays as it is built: imports go down, no circles, one room for Dagster's private names."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import enrollment_assets
from enrollment_assets.cli.main import COMMANDS, cli
from enrollment_assets.config import load_settings
from enrollment_assets.orchestration import dagster_internals
from enrollment_assets.pipeline import names
from enrollment_assets.schema import sql_files
from enrollment_assets.schema.metric_files import tables_read
from enrollment_assets.schema.platform import declared_exports, platform_tables, platform_views
from enrollment_assets.sources.configured import KINDS
from enrollment_assets.warehouse.statements import statement
from enrollment_assets_tests.conftest import CHECKOUT

PACKAGE = Path(enrollment_assets.__file__).parent
# An import goes only down this list.
FLOORS = (
    *("definitions", "cli", "orchestration", "publishing", "pipeline", "warehouse", "schema"),
    *("analytics", "sources", "config", "support", "errors"),
)
# Names that people have written into their own files; each hands one thing on.
DOORS = {"custom_metrics": "schema", "instance_storage": "orchestration"}
MOST_ENTRIES = 14
MOST_LINES = 500


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported(tree: ast.AST) -> Iterator[str]:
    """What a module imports at run time, inside functions too, and what it names as text."""
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for part in block.body
        for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            place = node.value.partition(":")[0]
            if place in MODULES and place != "enrollment_assets":
                yield place


EDGES = {
    name: {found for found in imported(tree) if found in MODULES and found != name}
    for name, tree in TREES.items()
}


def reachable(start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(EDGES[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += EDGES[module]
    return seen


def test_no_module_imports_itself_in_a_circle():
    assert [name for name in MODULES if name in reachable(name)] == []


def test_imports_go_only_down():
    upwards = [
        f"{name} -> {target}"
        for name, targets in EDGES.items()
        for target in targets
        if room_of(name)
        and FLOORS.index(DOORS.get(room_of(target), room_of(target)))
        < FLOORS.index(DOORS.get(room_of(name), room_of(name)))
    ]
    assert upwards == []


def test_the_kinds_of_sources_are_where_the_table_says():
    assert {place.partition(":")[0] for place in KINDS.values()} <= MODULES.keys()


def test_dagster_is_imported_only_where_it_belongs():
    allowed = ("assets", "checks", "partitions", "event_log")
    wrong = [
        name
        for name, tree in TREES.items()
        if any(found.split(".")[0] == "dagster" for found in imported(tree))
        and room_of(name) not in ("definitions", "orchestration")
        and name != "enrollment_assets.cli.running"
        and not (room_of(name) in ("pipeline", "publishing") and name.endswith(allowed))
    ]
    assert wrong == []


def test_private_names_of_dagster_are_in_one_room():
    adapter = "enrollment_assets.orchestration.dagster_internals"
    assert [
        (name, found)
        for name, tree in TREES.items()
        if not name.startswith(adapter)
        for found in imported(tree)
        if found.startswith(("dagster._", "dagster_shared"))
    ] == []


def test_the_tags_are_dagsters_own():
    from dagster._core.storage import tags

    assert dagster_internals.backfill  # the room loads
    own = {value for value in vars(names).values() if str(value).startswith("dagster/")}
    assert own == {
        tags.ASSET_PARTITION_RANGE_START_TAG,
        tags.ASSET_PARTITION_RANGE_END_TAG,
        tags.PARTITION_NAME_TAG,
        tags.BACKFILL_ID_TAG,
        tags.MAX_RUNTIME_SECONDS_TAG,
        tags.WILL_RETRY_TAG,
        tags.AUTO_RETRY_RUN_ID_TAG,
    }


def test_the_top_level_of_the_package_is_small():
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}
    assert entries - {"__init__", "__pycache__"} == {*FLOORS, *DOORS}
    assert len({*FLOORS, *DOORS}) <= MOST_ENTRIES


def test_long_modules_say_why():
    long = {
        name
        for name, path in MODULES.items()
        if len(path.read_text().splitlines()) > MOST_LINES
        and "One module" not in (ast.get_docstring(TREES[name]) or "")
    }
    assert long == set()


def test_rooms_without_dagster_and_definitions_without_heavy_packages():
    rooms = [
        name
        for name in MODULES
        if room_of(name) in ("warehouse", "schema", "analytics", "sources", "config", "support")
        and not name.endswith("sources.copying")  # needs the driver of PostgreSQL
    ]
    heavy = ["matplotlib", "statsmodels", "apprise", "pandas", "numpy", "sqlalchemy", "pyarrow"]
    code = (
        "import sys, json, importlib\n"
        f"import enrollment_assets.definitions\n"
        f"loaded = [m for m in {heavy} if m in sys.modules]\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )
    assert json.loads(done.stdout) == []
    code = (
        f"import sys, importlib\n[importlib.import_module(m) for m in {rooms}]\n"
        "sys.exit('dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0


def test_no_two_sql_files_share_a_name():
    found = [path.name for folder in sql_files.folders() for path in folder.glob("*.sql")]
    assert len(found) == len(set(found))


def test_snapshots_have_the_columns_of_a_row():
    settings = load_settings(CHECKOUT / "enrollment.yaml")
    declared = platform_tables(settings)["enrollment_snapshots"].column_names
    assert declared == ("snapshot_date", *settings.row_columns)


SETTINGS = load_settings(CHECKOUT / "enrollment.yaml")
COMPUTED = {
    name: table
    for name, table in {**platform_tables(SETTINGS), **platform_views(SETTINGS)}.items()
    if table.has_statement and (table.date_column or table.is_view)
} | declared_exports(SETTINGS)


@pytest.mark.parametrize("name", COMPUTED)
def test_a_table_depends_on_what_its_statement_reads(name):
    table = COMPUTED[name]
    # its own earlier rows are no other table
    read = {found for found in tables_read(statement(name, SETTINGS)) if found != name}
    if name != "enrollment_snapshots" and "enrollment_spells" in read:
        # The asset of the spells is that of the view over them.
        read = read - {"enrollment_spells"} | {"enrollment_snapshots"}
    assert sorted(table.depends_on) == sorted(read)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name):
    command = cli.get_command(click.Context(cli), name)
    summary = " ".join(command.help.partition("\n\n")[0].split())
    assert summary.startswith(COMMANDS[name][1])
