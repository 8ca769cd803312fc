"""A file of mostly free blocks is written anew when a run ends, and holds the same."""

import duckdb

from enrollment_assets_tests.conftest import student

D1, D2, D3 = "2024-06-03", "2024-06-04", "2024-06-05"


def everything(university):
    with duckdb.connect(str(university.settings.warehouse_path), read_only=True) as connection:
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() UNION ALL "
            "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
        ).fetchall()
        return {
            name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for (name,) in tables
        }


def test_a_file_that_is_mostly_free_shrinks_at_the_end_of_a_run(university):
    for date in (D1, D2):
        university.write(date, [student(f"{n:03d}") for n in range(60)])
    assert university.run(D1, D2).success
    path = university.settings.warehouse_path
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE ballast AS SELECT hash(range) AS x FROM range(3_000_000)")
        connection.execute("CHECKPOINT")
        # Behind it, so that its blocks stay in the file.
        connection.execute("CREATE TABLE tail AS SELECT hash(range) AS x FROM range(300_000)")
        connection.execute("CHECKPOINT")
        connection.execute("DROP TABLE ballast")
        connection.execute("CHECKPOINT")
    before, size = everything(university), path.stat().st_size
    university.run(D3)  # without a file: nothing but the log changes
    assert path.stat().st_size < size / 2
    after = everything(university)
    for table in ("enrollment.enrollment_spells", "enrollment.enrollment_snapshots"):
        assert after[table] == before[table]
    assert set(after) == set(before)
    university.write(D3, [student(f"{n:03d}") for n in range(59)])
    assert university.run(D3).success
    assert not path.with_name(f".{path.name}.part").exists()
