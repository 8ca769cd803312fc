"""How many damaged extracts are held or rejected, and how many sound ones are held for nothing.

Two sets of snapshots: the made-up university and, with --oulad, the Open University's real
registrations. All days are loaded once with `quality.on_doubt: warn`: a day that is accepted in doubt
is a false hold, because nothing is wrong with it. Days that the made-up university leaves out or
damages on purpose are rejected and not counted. Then one fault at a time is planted into the rows of a
random day and term of at least 200 students, and judged with the shipped settings against what was
accepted before that day, by the code that judges each morning's file. Nothing is stored.

Found: the term is held or rejected.

Usage: python bench/planted_faults.py [--oulad FOLDER_OF_THE_DATA_SET] [--faults 40] [--seed 7]
"""

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import yaml
from common import make_home, measure

from enrollment_assets.cli import example
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.pipeline.ingest.staging import Staging
from enrollment_assets.pipeline.ingest.store import SnapshotStore
from enrollment_assets.pipeline.ingest.verdicts import ACCEPTED
from enrollment_assets.sources.base import Extract
from enrollment_assets.warehouse.connection import Warehouse

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = CHECKOUT / "examples"
LEAST_STUDENTS = 200
LEAST_SEGMENT = 50

# What each fault makes of a row: SQL for the share of students it hits, drawn by a hash of the ID.
# {share}: the share hit, {seed}: of the draw, {dimension}, {segment}: drawn ones.
HIT = "(hash(student_id || '{seed}') % 10000 < {share} * 10000)"
FAULTS: dict[str, tuple[float, float, str, dict[str, str]]] = {
    "10% to 45% of the students missing, anywhere": (0.10, 0.45, f"NOT {HIT}", {}),
    "10% to 45% missing, one after the other by ID": (
        0.10,
        0.45,
        "percent_rank() OVER (ORDER BY student_id) >= {share}",
        {},
    ),
    "IDs of 5% to 50% with a zero before them": (
        0.05,
        0.50,
        "true",
        {"student_id": f"CASE WHEN {HIT} THEN '0' || student_id ELSE student_id END"},
    ),
    "IDs of 5% to 50% with .0 behind them": (
        0.05,
        0.50,
        "true",
        {"student_id": f"CASE WHEN {HIT} THEN student_id || '.0' ELSE student_id END"},
    ),
    "IDs of 5% to 50% with an invisible sign": (
        0.05,
        0.50,
        "true",
        {"student_id": f"CASE WHEN {HIT} THEN chr(8203) || student_id ELSE student_id END"},
    ),
    "a dimension empty for 10% to 100%": (
        0.10,
        1.00,
        "true",
        {"{dimension}": f'CASE WHEN {HIT} THEN NULL ELSE "{{dimension}}" END'},
    ),
    "a dimension in other capitals for 10% to 100%": (
        0.10,
        1.00,
        "true",
        {
            "{dimension}": f'CASE WHEN NOT {HIT} THEN "{{dimension}}" '
            'WHEN upper("{dimension}") = "{dimension}" THEN lower("{dimension}") '
            'ELSE upper("{dimension}") END'
        },
    ),
    "a dimension in codes for 10% to 100%": (
        0.10,
        1.00,
        "true",
        {
            "{dimension}": f"CASE WHEN {HIT} THEN 'X' || left(md5(\"{{dimension}}\"), 4) "
            'ELSE "{dimension}" END'
        },
    ),
    "a segment of 50 or more missing": (0, 0, "\"{dimension}\" IS DISTINCT FROM '{segment}'", {}),
    "one part (division) missing": (0, 0, "\"division\" IS DISTINCT FROM '{division}'", {}),
}


@dataclass(frozen=True)
class Loaded:
    """A data set, loaded; `terms` holds the code and the number of accepted days in doubt of each."""

    name: str
    settings: Settings
    holds: list[tuple[str, int, int]]
    days: list[tuple[dt.date, str]]


def load(
    name: str, config: Path, build: Callable[[Settings, Path], object], last: dt.date, folder: Path
) -> Loaded:
    """Build the snapshots in the folder, and load them with `on_doubt: warn`."""
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["source"]["url"] = "snapshots"
    own = folder / "enrollment.yaml"
    own.write_text(yaml.safe_dump({**content, "quality": {"on_doubt": "warn"}}), encoding="utf-8")
    settings = load_settings(own)
    build(settings, folder / "snapshots")
    days = ["--from", str(settings.start_date), "--to", str(last)]
    enrollment = str(Path(sys.executable).with_name("enrollment"))
    environment = {"ENROLLMENT_CONFIG": str(own), "DAGSTER_HOME": str(make_home(folder))}
    measure([enrollment, "backfill", "--only", "core", *days], **environment)
    own.write_text(yaml.safe_dump(content), encoding="utf-8")
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        holds = connection.execute(
            "SELECT term, count(*), count(reasons) FROM enrollment.snapshot_log "
            "WHERE status = 'accepted' GROUP BY term ORDER BY term"
        ).fetchall()
        # The first snapshot of a term has nothing to be compared with.
        eligible = connection.execute(
            "SELECT snapshot_date, term FROM enrollment.snapshot_log WHERE status = 'accepted' "
            "AND student_count >= ? QUALIFY row_number() OVER (PARTITION BY term ORDER BY "
            "snapshot_date) > 1 ORDER BY ALL",
            [LEAST_STUDENTS],
        ).fetchall()
    return Loaded(name, load_settings(own), holds, eligible)


@dataclass(frozen=True)
class Damaged:
    """A source that gives the stored rows of a day, damaged in one term."""

    connection: duckdb.DuckDBPyConnection
    columns: tuple[str, ...]
    term: str
    where: str
    values: dict[str, str]
    is_live = False

    def check(self) -> None:
        """It can always be read."""

    def dates(self) -> None:
        """It has any day."""

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """The rows of one day."""
        chosen = ", ".join(
            f'{self.values.get(name, _quoted(name))} AS "{name}"' for name in self.columns
        )
        rows = "FROM enrollment.enrollment_snapshots WHERE snapshot_date = $day AND term"
        table = self.connection.execute(
            f"SELECT {chosen} FROM (SELECT *, {self.where} AS is_left {rows} = $term) WHERE is_left "
            f"UNION ALL BY NAME SELECT {', '.join(map(_quoted, self.columns))} {rows} <> $term",
            {"day": date, "term": self.term},
        ).to_arrow_table()
        yield Extract(date, "planted", iter(table.to_batches()))


def _quoted(name: str) -> str:
    return f'"{name}"'


def is_caught(
    connection: duckdb.DuckDBPyConnection, settings: Settings, source: Damaged, day: dt.date
) -> bool:
    """Whether the term of a damaged extract would be held or rejected."""
    store = SnapshotStore(connection, settings, "planted")
    (batch,) = Staging(connection, settings).stage(source, [day])
    store.judge(batch)
    (verdict,) = [result for result in batch[0].terms if result.term == source.term]
    return verdict.status != ACCEPTED


def draw(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    random: np.random.Generator,
    day: dt.date,
    term: str,
) -> dict[str, str] | None:
    """A dimension and one of its segments, and a division, of at least 50 students each."""
    drawn: dict[str, str] = {"seed": str(random.integers(1_000_000))}
    dimensions = sorted(settings.dimensions)
    drawn["dimension"] = str(random.choice(dimensions))
    for column, key in ((drawn["dimension"], "segment"), ("division", "division")):
        segments = connection.execute(
            f'SELECT "{column}" FROM enrollment.enrollment_snapshots WHERE snapshot_date = ? '
            f'AND term = ? AND "{column}" IS NOT NULL GROUP BY 1 '
            "HAVING count(DISTINCT student_id) >= ? ORDER BY 1",
            [day, term, LEAST_SEGMENT],
        ).fetchall()
        if not segments:
            return None
        drawn[key] = str(segments[int(random.integers(len(segments)))][0]).replace("'", "''")
    return drawn


def report(loaded: Loaded, count: int, seed: int) -> None:
    """Both tables of a data set."""
    settings = loaded.settings
    print(f"\n**{loaded.name}**: {count} faults of each kind\n")
    print("| planted | held or rejected | accepted, days before (-) or after the start |")
    print("|---|---|---|")
    random = np.random.default_rng(seed)
    with Warehouse(settings).connect() as connection:
        for fault, (low, high, where, values) in FAULTS.items():
            found, missed, planted = 0, [], 0
            while planted < count:
                day, term = loaded.days[int(random.integers(len(loaded.days)))]
                share = f"{random.uniform(low, high):.4f}"
                drawn = draw(connection, settings, random, day, term)
                if drawn is None:
                    continue
                filled = {
                    key.format(**drawn): value.format(share=share, **drawn)
                    for key, value in values.items()
                }
                source = Damaged(
                    connection,
                    settings.row_columns,
                    term,
                    where.format(share=share, **drawn),
                    filled,
                )
                planted += 1
                if is_caught(connection, settings, source, day):
                    found += 1
                else:
                    after = (day - settings.term(term).starts).days
                    missed.append(f"{term} {after:+d} ({share}, {drawn['segment']})")
            print(f"| {fault} | {found} of {planted} | {'; '.join(missed) or 'none'} |", flush=True)
    print("\n| term | accepted days | in doubt although nothing is wrong |\n|---|---|---|")
    for row in loaded.holds:
        print("| " + " | ".join(map(str, row)) + " |")


def main() -> None:
    """Build, plant, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--oulad", type=Path)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    sets: list[tuple[str, Path, Callable[[Settings, Path], object], dt.date]] = [
        (
            "The made-up university",
            CHECKOUT / "enrollment.yaml",
            example.generate,
            example.UNTIL,
        )
    ]
    if options.oulad:
        folder = EXAMPLES / "open_university"
        build = [sys.executable, str(folder / "build.py"), str(options.oulad), "--to"]
        last = dt.date(2015, 6, 30)
        sets.append(
            (
                "The Open University",
                folder / "enrollment.yaml",
                lambda _, to: measure([*build, str(to)]),
                last,
            )
        )
    for name, config, build_set, last in sets:
        with tempfile.TemporaryDirectory() as text:
            report(load(name, config, build_set, last, Path(text)), options.faults, options.seed)


if __name__ == "__main__":
    main()
