"""What it costs to read workbooks and Parquet files in a process of their own.

    python bench/isolated_reading.py

30 days of 5,000 students are read here, and in the process that a run uses, by turns. Printed are CPU
seconds of both processes together, the least of three turns, their ratio, and the start.
"""

import tempfile
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from enrollment_assets.sources import formats, isolated
from enrollment_assets.sources.header import Wanted

DAYS, STUDENTS, TURNS = 30, 5_000, 3
COLUMNS = ("student_id", "student_name", "term", "division", "program", "level", "status")


def rows() -> list[tuple[str, ...]]:
    """The students of a day."""
    return [
        (f"{n:07d}", f"Name {n}", "2024FA", f"D{n % 7}", f"P{n % 60}", f"L{n % 4}", "enrolled")
        for n in range(STUDENTS)
    ]


def write(folder: Path) -> dict[str, Path]:
    """The day as a Parquet file and as a workbook."""
    parquet, workbook = folder / "s.parquet", folder / "s.xlsx"
    columns = list(zip(*rows(), strict=True))
    pq.write_table(pa.table(dict(zip(COLUMNS, map(pa.array, columns), strict=True))), parquet)
    with xlsxwriter.Workbook(workbook) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([COLUMNS, *rows()]):
            sheet.write_row(number, 0, row)
    return {"parquet": parquet, "xlsx": workbook}


def cpu() -> float:
    """CPU seconds of this process and its children so far."""
    own = psutil.Process()
    there = [own, *own.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in there)


def read(path: Path, *, is_isolated: bool) -> int:
    """Read the day 30 times; returns the rows."""
    wanted = Wanted({name: (name,) for name in COLUMNS})
    count = 0
    for _ in range(DAYS):
        with path.open("rb") as file:
            batches = (
                isolated.read(file, path.name, wanted, max_megabytes=2_000, timeout=600)
                if is_isolated
                else formats.read(file, path.name, wanted, max_megabytes=2_000)
            )
            count += sum(batch.num_rows for batch in batches)
    return count


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder))
        began, before = time.monotonic(), cpu()
        with files["parquet"].open("rb") as file:
            wanted = Wanted({name: (name,) for name in COLUMNS})
            for _ in isolated.read(file, "s.parquet", wanted, max_megabytes=100, timeout=600):
                pass
        print(f"start: {cpu() - before:.2f} CPU s, {time.monotonic() - began:.2f} s")
        for name, path in files.items():
            costs: dict[bool, float] = {}
            for _ in range(TURNS):
                for is_isolated in (False, True):
                    before = cpu()
                    assert read(path, is_isolated=is_isolated) == DAYS * STUDENTS
                    costs[is_isolated] = min(cpu() - before, costs.get(is_isolated, float("inf")))
            print(
                f"{name}: here {costs[False]:.2f}, in its own process {costs[True]:.2f} CPU s, "
                f"ratio {costs[True] / costs[False]:.2f}"
            )


if __name__ == "__main__":
    main()
