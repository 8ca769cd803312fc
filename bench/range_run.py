"""A year of 17,000 students in one range run, beside three other ways of doing it.

Rows: 6.2 million, 7 text columns. Each way runs in a process of its own; seconds are wall time with
process start, megabytes the highest memory of the process and its children.

    ours           one range run of snapshots, changes, metrics, segments and their checks
    empty assets   the same assets and checks doing nothing: Dagster and its event log alone
    (a) SQL        DuckDB alone: one read_csv over all files into full rows, the same tables by the
                   same statements; no verdicts, no transactions, no checks, no Dagster
    (b) pandas     day by day: read a CSV, set differences with the day before; nothing stored
    (c) stock      Dagster's DuckDB IO manager, multiprocess executor, one run per partition, its
                   own event storage: measured on 5 days and scaled

Usage: python bench/range_run.py [--days 365] [--students 17000]
"""

import argparse
import json
import math
import sys
import tempfile
import time
import warnings
from pathlib import Path

from common import (
    COLUMNS,
    DAYS,
    FIRST_DAY,
    STUDENTS,
    make_home,
    make_year,
    measure,
    write_config,
)

STOCK_DAYS = 5


def plain_sql(snapshots: Path, database: Path, config: Path) -> None:
    """The same tables with the same set logic by DuckDB alone: one bulk read, no questions asked."""
    import duckdb

    from enrollment_assets.config import load_settings
    from enrollment_assets.schema.catalog import lineage, tables
    from enrollment_assets.schema.table import BLANK_SEGMENT
    from enrollment_assets.warehouse.connection import load_terms
    from enrollment_assets.warehouse.derive import Statement, write_statement
    from enrollment_assets.warehouse.tables import ensure_tables

    settings = load_settings(config)
    connection = duckdb.connect(
        str(database), config={"memory_limit": "1GB", "preserve_insertion_order": "false"}
    )
    ensure_tables(connection, settings)
    connection.execute(tables(settings)["enrollment_snapshots"].create_statement())
    load_terms(connection, settings)
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
    connection.execute(
        "INSERT INTO enrollment.enrollment_snapshots BY NAME SELECT "
        "strptime(regexp_extract(filename, '(\\d{8})', 1), '%Y%m%d')::DATE AS snapshot_date, "
        f"* EXCLUDE (filename) FROM read_csv('{snapshots}/*.csv', filename = true, "
        f"columns = {{{types}}})"
    )
    hashed = ", ".join(f"coalesce({name}, '')" for name in COLUMNS)
    connection.execute(
        "INSERT INTO enrollment.snapshot_log BY NAME SELECT snapshot_date, term, "
        "'accepted' AS status, count(*) AS row_count, count(DISTINCT student_id) AS student_count, "
        f"md5(bit_xor(md5_number(concat_ws(chr(31), {hashed})))::VARCHAR) AS content_hash "
        "FROM enrollment.enrollment_snapshots GROUP BY ALL"
    )
    days = [
        day
        for (day,) in connection.execute(
            "SELECT DISTINCT snapshot_date FROM enrollment.snapshot_log ORDER BY 1"
        ).fetchall()
    ]
    # The platform reads these off its spells.
    full_rows = {"student_changes": "full_rows_changes", "segment_metrics": "full_rows_segments"}
    for name in lineage(settings).core:
        if name in full_rows:
            file = Path(__file__).with_name(f"{full_rows[name]}.sql")
            query = file.read_text(encoding="utf-8")
            values = {"first": days[0], "last": days[-1], "blank_segment": BLANK_SEGMENT}
            connection.execute(
                f"INSERT INTO {tables(settings)[name].relation} BY NAME {query}",
                {key: value for key, value in values.items() if f"${key}" in query},
            )
        else:
            write_statement(connection, settings, Statement(name), days, run_id="bench")
    connection.close()


def with_pandas(snapshots: Path) -> None:
    """Set differences of one CSV and the next; as the pipeline that this project replaces."""
    import pandas as pd

    before: set[str] = set()
    changes = 0
    for path in sorted(snapshots.glob("*.csv")):
        frame = pd.read_csv(path, dtype=str)
        now = set(frame["student_id"])
        if before:
            changes += len(now - before) + len(before - now)
        for name in ("division", "program", "level"):
            frame.groupby(name)["student_id"].nunique()
        before = now
    print(json.dumps({"changes": changes}))


def empty_assets(first: str, days: int, home: Path) -> None:
    """The graph of the core with the same number of partitions, events and checks, and no work."""
    import datetime as dt
    import os

    import dagster as dg

    warnings.simplefilter("ignore")
    os.environ["DAGSTER_HOME"] = str(home)
    partitions = dg.DailyPartitionsDefinition(first, end_offset=1)
    single = dg.BackfillPolicy.single_run()

    def asset(name: str, deps: list[str]) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=deps, partitions_def=partitions, backfill_policy=single)
        def nothing(context: dg.AssetExecutionContext) -> None:
            for key in context.partition_keys:
                context.add_asset_metadata({"rows": 1}, partition_key=key)

        return nothing

    names = [f"asset_{number}" for number in range(5)]
    checks = [f"check_{number}" for number in range(6)]

    @dg.multi_asset_check(
        specs=[
            dg.AssetCheckSpec(name, asset=names[0], partitions_def=partitions) for name in checks
        ]
    )
    def all_checks(context: dg.AssetCheckExecutionContext):  # type: ignore[no-untyped-def]
        for key in context.partition_keys:
            for name in checks:
                yield dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(names[0]), check_name=name, passed=True, partition=key
                )
        for name in checks:
            yield dg.AssetCheckResult(asset_key=names[0], check_name=name, passed=True)

    definitions = dg.Definitions(
        assets=[asset(name, names[:number][-1:]) for number, name in enumerate(names)],
        asset_checks=[all_checks],
        jobs=[dg.define_asset_job("all")],
        executor=dg.in_process_executor,
    )
    last = dt.date.fromisoformat(first) + dt.timedelta(days - 1)
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("all").execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last.isoformat(),
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if not result.success:
        sys.exit(1)


STOCK = """
import sys
import dagster as dg, pandas as pd
from dagster_duckdb_pandas import DuckDBPandasIOManager
days = dg.DailyPartitionsDefinition("{first}", end_offset=1)
meta = {{"partition_expr": "day"}}

@dg.asset(partitions_def=days, metadata=meta)
def snapshots(context) -> pd.DataFrame:
    name = context.partition_key.replace("-", "")
    frame = pd.read_csv(f"{snapshots}/enrollment_snapshot_{{name}}.csv", dtype=str)
    return frame.assign(day=pd.Timestamp(context.partition_key))

before = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
)

@dg.asset(
    partitions_def=days,
    metadata=meta,
    ins={{"was": dg.AssetIn("snapshots", partition_mapping=before)}},
)
def changes(context, was: pd.DataFrame) -> pd.DataFrame:
    name = context.partition_key.replace("-", "")
    now = pd.read_csv(f"{snapshots}/enrollment_snapshot_{{name}}.csv", dtype=str)
    a, b = set(now.student_id), set(was.student_id) if len(was) else set()
    rows = [(i, "added") for i in a - b] + [(i, "dropped") for i in b - a]
    found = pd.DataFrame(rows, columns=["student_id", "change"])
    return found.assign(day=pd.Timestamp(context.partition_key))

@dg.asset(partitions_def=days, metadata=meta)
def metrics(context, changes: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({{"day": [pd.Timestamp(context.partition_key)], "changes": [len(changes)]}})

@dg.asset(partitions_def=days, metadata=meta)
def segments(context, snapshots: pd.DataFrame) -> pd.DataFrame:
    return snapshots.groupby(["day", "division", "program", "level"]).size().reset_index(name="total")

defs = dg.Definitions(
    assets=[snapshots, changes, metrics, segments],
    jobs=[dg.define_asset_job("all")],
    resources={{"io_manager": DuckDBPandasIOManager(database="{database}", schema="main")}},
)
"""


def stock(folder: Path, snapshots: Path, days: int) -> None:
    """Dagster as it comes: one run for each partition, each asset in a process of its own."""
    import datetime as dt
    import os
    import subprocess

    home = folder / "stock_home"
    home.mkdir()
    code = folder / "stock.py"
    code.write_text(
        STOCK.format(first=FIRST_DAY, snapshots=snapshots, database=folder / "stock.duckdb")
    )
    for offset in range(days):
        day = dt.date.fromisoformat(FIRST_DAY) + dt.timedelta(offset)
        command = [
            str(Path(sys.executable).with_name("dagster")),
            *("job", "execute", "-f", str(code), "-j", "all"),
            *("--tags", json.dumps({"dagster/partition": day.isoformat()})),
        ]
        subprocess.run(
            command,
            check=True,
            env={**os.environ, "DAGSTER_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def main() -> None:
    """Measure all ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--without-stock", action="store_true", help="leave the slow one out")
    parser.add_argument("--only", choices=["sql", "pandas", "empty", "stock"])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.only:
        folder = options.folder
        start = time.perf_counter()
        match options.only:
            case "sql":
                plain_sql(folder / "snapshots", folder / "plain.duckdb", folder / "enrollment.yaml")
            case "pandas":
                with_pandas(folder / "snapshots")
            case "empty":
                empty_assets(FIRST_DAY, options.days, folder / "dagster_home")
            case "stock":
                stock(folder, folder / "snapshots", STOCK_DAYS)
        print(json.dumps({"seconds": time.perf_counter() - start}))
        return
    import datetime as dt

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        make_year(folder / "snapshots", students=options.students, days=options.days)
        config = write_config(folder, folder / "snapshots")
        home = make_home(folder)
        last = dt.date.fromisoformat(FIRST_DAY) + dt.timedelta(options.days - 1)
        enrollment = str(Path(sys.executable).with_name("enrollment"))
        ours = measure(
            [enrollment, "backfill", "--only", "core", "--from", FIRST_DAY, "--to", str(last)],
            ENROLLMENT_CONFIG=str(config),
            DAGSTER_HOME=str(home),
        )
        me = [sys.executable, __file__, "--folder", text, "--days", str(options.days)]
        ways = ["empty", "sql", "pandas"] + ([] if options.without_stock else ["stock"])
        others = {name: measure([*me, "--only", name]) for name in ways}
    sql = others["sql"]
    rest = ours.seconds - others["empty"].seconds
    print(f"\n{options.days} days, {options.students:,} students, {len(COLUMNS)} text columns\n")
    print("| way | seconds | of (a) | peak MB |\n|---|---|---|---|")
    table = [
        ("ours: one range run, with checks", ours.seconds, ours.megabytes),
        ("the same graph with empty assets", others["empty"].seconds, others["empty"].megabytes),
        ("ours less the empty graph", rest, float("nan")),
        ("(a) plain DuckDB SQL", sql.seconds, sql.megabytes),
        ("(b) pandas, day by day", others["pandas"].seconds, others["pandas"].megabytes),
    ]
    if "stock" in others:
        scaled = others["stock"].seconds * options.days / STOCK_DAYS
        name = f"(c) stock Dagster, scaled from {STOCK_DAYS} days"
        table.append((name, scaled, others["stock"].megabytes))
    for name, seconds, megabytes in table:
        memory = "" if math.isnan(megabytes) else f"{megabytes:,.0f}"
        print(f"| {name} | {seconds:,.1f} | {seconds / sql.seconds:.1f} | {memory} |")


if __name__ == "__main__":
    main()
