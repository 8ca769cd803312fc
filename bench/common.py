"""What the benchmarks share: a year of snapshots, and child processes measured from outside."""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import psutil
import yaml

from enrollment_assets.config import Settings
from enrollment_assets.warehouse.statements import statement

STUDENTS = 17_000
DAYS = 365
FIRST_DAY = "2025-01-01"
TERM = "2025"
COLUMNS = ("student_id", "student_name", "term", "division", "program", "level", "status")
# Share of students replaced, and of those who move, on an ordinary day.
_TURNOVER, _MOVES = 0.004, 0.001


@dataclass(frozen=True)
class Measured:
    """One measured child process; `result` is the JSON object on its last line, if there is one."""

    seconds: float
    megabytes: float
    cpu_seconds: float
    result: dict[str, float] = field(default_factory=dict)


def measure(command: list[str], **environment: str) -> Measured:
    """Run a command; wall time, and CPU time and highest memory of it and its children together."""
    start, cpu_start = time.perf_counter(), _cpu_of_children()
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    watched = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{output}")
    lines = output.strip().splitlines()
    result = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Measured(seconds, peak / 2**20, _cpu_of_children() - cpu_start, result)


def _cpu_of_children() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_year(folder: Path, *, students: int = STUDENTS, days: int = DAYS) -> None:
    """One CSV a day with 7 text columns, some students coming, going and moving each day."""
    random = np.random.RandomState(7)
    folder.mkdir(parents=True, exist_ok=True)
    programs = [f"Program {number:02d}" for number in range(40)]

    def line(number: int) -> str:
        program = random.randint(len(programs))
        return (
            f"{number:08d},Given Family {number % 9973},{TERM},Division {program % 7},"
            f"{programs[program]},Level {number % 5},enrolled\n"
        )

    rows = {number: line(number) for number in range(students)}
    following = students
    header = ",".join(COLUMNS) + "\n"
    for day in np.datetime64(FIRST_DAY) + np.arange(days):
        text = header + "".join(rows.values())
        (folder / f"enrollment_snapshot_{str(day).replace('-', '')}.csv").write_text(text)
        numbers = np.fromiter(rows, dtype=np.int64)
        for number in random.choice(numbers, int(students * _TURNOVER), replace=False).tolist():
            del rows[number]
            rows[following] = line(following)
            following += 1
        numbers = np.fromiter(rows, dtype=np.int64)
        for number in random.choice(numbers, int(students * _MOVES), replace=False).tolist():
            rows[number] = line(number)


def write_config(folder: Path, snapshots: Path, *, years: int = 1) -> Path:
    """A configuration for the year, with its data in the folder."""
    first = int(FIRST_DAY[:4]) - (years - 1)
    config = {
        "institution": {"name": "Benchmark", "timezone": "UTC"},
        "start_date": f"{first}-01-01",
        "data_dir": str(folder / "data"),
        "source": {"kind": "files", "url": str(snapshots)},
        "columns": {name: name for name in COLUMNS},
        "terms": [
            {
                "code": TERM,
                "registration_opens": f"{first}-01-01",
                "starts": f"{first}-08-01",
                "census": f"{first}-09-01",
                "ends": "2025-12-31",
            }
        ],
    }
    path = folder / "enrollment.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def store_rows(connection: duckdb.DuckDBPyConnection, settings: Settings, rows: str) -> None:
    """Store a query's rows as accepted snapshots, unjudged, by the platform's own statements."""
    for command in (
        f"CREATE OR REPLACE TEMP TABLE made_rows AS {rows}",
        "CREATE OR REPLACE TEMP VIEW spell_rows AS FROM made_rows",
        (
            "CREATE OR REPLACE TEMP TABLE verdicts AS SELECT DISTINCT snapshot_date, term, "
            "'accepted' AS status, NULL::VARCHAR AS decided_by FROM made_rows"
        ),
        *(
            statement(name, settings)
            for name in (
                *("spell_regions", "spell_days", "touched_keys", "touched_spells", "new_spells"),
                *("forget_spells", "keep_spells"),
            )
        ),
        (
            "INSERT INTO enrollment.snapshot_log BY NAME SELECT snapshot_date, term, "
            "'accepted' AS status, "
            "count(*) AS row_count, count(*) AS student_count, "
            "md5(bit_xor(hash(student_id))::VARCHAR) AS content_hash FROM made_rows GROUP BY ALL"
        ),
    ):
        connection.execute(command)


def make_home(folder: Path) -> Path:
    """A Dagster home with the project's dagster.yaml."""
    home = folder / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        (Path(__file__).parents[1] / "dagster.yaml").read_text(encoding="utf-8")
    )
    return home
