"""The warehouse is written anew without free space: whole, or not at all."""

from pathlib import Path

import duckdb
import pytest

from enrollment_assets.errors import WarehouseError
from enrollment_assets.warehouse import compaction
from enrollment_assets.warehouse.compaction import compact, free_bytes
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.writing import writing
from enrollment_assets_tests.conftest import student


@pytest.fixture
def loose(university):
    """A warehouse of one day, a good part of which is free."""
    university.write("2024-09-03", [student(f"{n:03d}") for n in range(60)])
    assert university.run("2024-09-03").success
    warehouse = Warehouse(university.settings)
    with warehouse.connect() as connection:
        for table in ("waste", "after_it"):
            connection.execute(
                f"CREATE TABLE operations.{table} AS SELECT hash(range) AS h FROM range(1000000)"
            )
            connection.execute("CHECKPOINT")
        connection.execute("DROP TABLE operations.waste")
    return warehouse


def content(warehouse):
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        names = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
        ).fetchall()
        return {
            (schema, name): connection.execute(f'FROM "{schema}"."{name}" ORDER BY ALL').fetchall()
            for schema, name in names
        }


def aside(warehouse):
    return warehouse.path.with_name(f".{warehouse.path.name}.part")


def test_the_new_file_holds_the_same_in_less_space(loose):
    before, size = content(loose), loose.path.stat().st_size
    with loose.read() as connection:
        free = free_bytes(connection)
    assert free > size / 4
    # What processes that were killed have left changes nothing.
    aside(loose).write_bytes(b"half of a file")
    Path(f"{aside(loose)}.wal").write_bytes(b"half of a log")
    compact(loose)
    assert loose.path.stat().st_size <= size - free * 0.9
    assert loose.path.stat().st_mode & 0o077 == 0
    assert content(loose) == before
    with loose.read() as connection:
        assert free_bytes(connection) == 0
    assert not list(loose.path.parent.glob(".*part*"))
    # The file that is open now is the new one.
    with loose.connect() as connection:
        connection.execute("CREATE TABLE operations.later AS SELECT 1 AS one")
    assert content(loose)[("operations", "later")] == [(1,)]


def test_a_copy_that_fails_leaves_the_file_as_it_was(loose, monkeypatch):
    before = content(loose)
    whole = compaction._copy

    def fail(connection):
        whole(connection)
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(compaction, "_copy", fail)
    with pytest.raises(WarehouseError, match="the disk is full; nothing was changed"):
        compact(loose)
    assert content(loose) == before
    assert not list(loose.path.parent.glob(".*part*"))
    # A run that asks for it has done its work, and ends well.
    with writing(loose.settings, "a test") as warehouse:
        warehouse.is_to_be_compacted = True
    assert content(loose) == before


def test_a_copy_that_lacks_rows_is_not_taken(loose, monkeypatch):
    before = content(loose)
    monkeypatch.setattr(
        compaction,
        "_TABLES",
        "DELETE FROM smaller.operations.after_it; " + compaction._TABLES,
    )
    with pytest.raises(WarehouseError, match="after_it is not complete"):
        compact(loose)
    assert content(loose) == before
