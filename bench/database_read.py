"""A snapshot of a million students from PostgreSQL and from MariaDB, beside the fastest public readers.

Usage: python bench/database_read.py [--students N]. PostgreSQL and MariaDB must run on this machine
(TEST_POSTGRES_URL and TEST_MARIADB_URL name others). The readers to compare with are installed by the
Makefile into an environment of their own; those that are not there are left out.
"""

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
import yaml
from common import COLUMNS, measure

from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.ingest.intake import store_days
from enrollment_assets.sources.configured import source_for
from enrollment_assets.sources.database import DatabaseSource  # noqa: F401 - not timed
from enrollment_assets.warehouse.connection import Warehouse

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306")
DATABASE = "enrollment_bench"
DAY = dt.date(2025, 9, 1)
_ROUNDS = 3
_ROWS = {
    "postgresql": "lpad(n::text, 8, '0'), 'Given ' || n % 9973 || ' Family ' || n % 7919, '2025', "
    "'Division ' || n % 7, 'Program ' || lpad((n % 40)::text, 2, '0'), 'Level ' || n % 5, 'enrolled' "
    "FROM generate_series(1, {students}) AS n",
    "mysql": "lpad(seq, 8, '0'), concat('Given ', seq % 9973, ' Family ', seq % 7919), '2025', "
    "concat('Division ', seq % 7), concat('Program ', lpad(seq % 40, 2, '0')), "
    "concat('Level ', seq % 5), 'enrolled' FROM seq_1_to_{students}",
}


def quoted(kind: str) -> str:
    """The columns; `level` means something in MariaDB."""
    mark = '"' if kind == "postgresql" else "`"
    return ", ".join(f"{mark}{name}{mark}" for name in COLUMNS)


def query(kind: str) -> str:
    """What every reader asks for."""
    return f"SELECT {quoted(kind)} FROM students"


def fill(kind: str, students: int) -> None:
    """Make the table of students anew."""
    with admin(kind, None).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {DATABASE}"))
        connection.execute(sa.text(f"CREATE DATABASE {DATABASE}"))
    with admin(kind, DATABASE).begin() as connection:
        columns = ", ".join(f"{name} VARCHAR(60)" for name in quoted(kind).split(", "))
        connection.execute(sa.text(f"CREATE TABLE students ({columns})"))
        connection.execute(
            sa.text(f"INSERT INTO students SELECT {_ROWS[kind].format(students=students)}")
        )
        connection.execute(
            sa.text("ANALYZE students" if kind == "postgresql" else "ANALYZE TABLE students")
        )


def admin(kind: str, database: str | None) -> sa.Engine:
    """A connection that may make databases."""
    url = sa.make_url(POSTGRES if kind == "postgresql" else MARIADB)
    driver = "postgresql+psycopg" if kind == "postgresql" else "mysql+pymysql"
    return sa.create_engine(
        url.set(drivername=driver, database=database or url.database), poolclass=sa.NullPool
    )


def address(kind: str) -> str:
    """The address of the bench's database, as a source is configured with it."""
    url = sa.make_url(POSTGRES if kind == "postgresql" else MARIADB)
    return url.set(database=DATABASE).render_as_string(hide_password=False)


def store(rows: Any, folder: Path) -> None:
    """Put what a reader gives into a DuckDB file, as fast as that goes."""
    with duckdb.connect(
        folder / f"plain{time.monotonic_ns()}.duckdb", config={"preserve_insertion_order": False}
    ) as connection:
        connection.register("rows", rows)
        connection.execute("CREATE TABLE students AS FROM rows")


def scanner(kind: str, folder: Path) -> None:
    """DuckDB's own extension."""
    name, function = {
        "postgresql": ("postgres", "postgres_query"),
        "mysql": ("mysql", "mysql_query"),
    }[kind]
    package = find_spec(f"duckdb_extension_{name}_scanner")
    if package is None or not package.submodule_search_locations:
        raise ImportError(name)
    (extension,) = Path(package.submodule_search_locations[0]).rglob("*.duckdb_extension")
    url = sa.make_url(address(kind))
    place = f"host={url.host} port={url.port} user={url.username}"
    place += f" {'dbname' if kind == 'postgresql' else 'database'}={DATABASE}"
    if url.password:
        place += f" password={url.password}"
    with duckdb.connect(
        folder / f"scanned{time.monotonic_ns()}.duckdb", config={"preserve_insertion_order": False}
    ) as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"ATTACH '{place}' AS source (TYPE {name}, READ_ONLY)")
        connection.execute(f"CREATE TABLE students AS FROM {function}('source', $${query(kind)}$$)")


def adbc(kind: str, folder: Path) -> None:
    """Arrow's database connectivity."""
    if kind != "postgresql":
        raise ImportError(kind)
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(address(kind)) as connection, connection.cursor() as cursor:
        cursor.execute(query(kind))
        store(cursor.fetch_record_batch(), folder)


def connectorx(kind: str, folder: Path) -> None:
    """A reader in Rust."""
    import connectorx as reader

    store(reader.read_sql(address(kind), query(kind), return_type="arrow"), folder)


def cursor(kind: str, folder: Path) -> None:
    """SQLAlchemy's server-side cursor, row by row into Arrow."""
    engine = admin(kind, DATABASE)
    with engine.connect() as connection:
        result = connection.execution_options(stream_results=True).execute(sa.text(query(kind)))

        def batches() -> Iterator[pa.RecordBatch]:
            for rows in result.partitions(20_000):
                yield pa.RecordBatch.from_arrays(
                    [pa.array(column) for column in zip(*rows, strict=True)], names=list(COLUMNS)
                )

        rows = batches()
        first = next(rows)
        store(pa.RecordBatchReader.from_batches(first.schema, chain([first], rows)), folder)


def ours(kind: str, folder: Path, *, whole: bool = False) -> None:
    """Our source; `whole` also judges the rows and stores them with their log."""
    os.environ["BENCH_URL"] = address(kind)
    home = folder / f"home{time.monotonic_ns()}"
    home.mkdir()
    (home / "query.sql").write_text(f"{query(kind)} WHERE :snapshot_date > '2000-01-01'")
    config = {
        "institution": {"name": "Benchmark", "timezone": "UTC"},
        "start_date": "2025-01-01",
        "source": {"kind": "database", "url": "${BENCH_URL}", "query": "query.sql"},
        "columns": {name: name for name in COLUMNS},
        "terms": [
            {
                "code": "2025",
                "registration_opens": "2025-01-01",
                "starts": "2025-08-01",
                "census": "2025-09-01",
                "ends": "2025-12-31",
            }
        ],
    }
    (home / "enrollment.yaml").write_text(yaml.safe_dump(config))
    settings = load_settings(home / "enrollment.yaml")
    source = source_for(settings)
    if whole:
        with Warehouse(settings).connect() as connection:
            (day,) = store_days(connection, settings, source, [DAY], run_id="bench")
        if day.terms[0].status != "accepted":
            sys.exit(f"the snapshot was not accepted: {day.terms[0].reasons}")
        return
    with source.read(DAY) as extract:
        first = next(extract.rows)
        store(pa.RecordBatchReader.from_batches(first.schema, chain([first], extract.rows)), folder)


WAYS: dict[str, Callable[[str, Path], None]] = {
    "DuckDB's scanner": scanner,
    "ADBC": adbc,
    "ConnectorX": connectorx,
    "SQLAlchemy's cursor": cursor,
    "ours: source": ours,
    "ours: into the warehouse": lambda kind, folder: ours(kind, folder, whole=True),
}


def main() -> None:
    """Measure all ways, each in a process of its own, in turn; print the best of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--students", type=int, default=1_000_000)
    parser.add_argument("--only", choices=list(WAYS))
    parser.add_argument("--kind", choices=list(_ROWS))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.only:
        start = time.perf_counter()
        try:
            WAYS[options.only](options.kind, options.folder)
        except ImportError:
            print(json.dumps({"seconds": -1}))
            return
        print(json.dumps({"seconds": time.perf_counter() - start}))
        return
    for kind in _ROWS:
        fill(kind, options.students)
        best: dict[str, tuple[float, float]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for way in list(WAYS) * _ROUNDS:
                me = [sys.executable, __file__, "--folder", folder, "--only", way, "--kind", kind]
                measured = measure(me)
                seconds = measured.result["seconds"]
                if seconds > 0:
                    peak = max(measured.megabytes, best.get(way, (0.0, 0.0))[1])
                    best[way] = (min(seconds, best.get(way, (seconds, 0.0))[0]), peak)
        fastest = min(seconds for way, (seconds, _) in best.items() if "ours" not in way)
        print(
            f"\n{kind}: {options.students:,} students, {len(COLUMNS)} columns, best of {_ROUNDS}\n"
        )
        print("| way | seconds | of the fastest | peak MB |\n|---|---|---|---|")
        for way, (seconds, peak) in best.items():
            print(f"| {way} | {seconds:.2f} | {seconds / fastest:.2f} | {peak:.0f} |")
        with suppress(sa.exc.DBAPIError), admin(kind, None).connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(sa.text(f"DROP DATABASE {DATABASE}"))


if __name__ == "__main__":
    main()
