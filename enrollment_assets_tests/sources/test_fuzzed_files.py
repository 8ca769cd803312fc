"""Files with random damage: rows, or a refusal in words; no other error, no hang, no dead process."""

import gzip
import io
import random
import time
import zipfile

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from enrollment_assets.errors import SnapshotUnreadableError, SourceError
from enrollment_assets.sources import isolated
from enrollment_assets.sources.configured import source_for
from enrollment_assets_tests.conftest import day
from enrollment_assets_tests.support.soak import count

DATE = day("2024-09-03")
SEED = 20261127
ROWS = [("ID", "Program"), *((f"{n:05d}", f"P{n % 7}é") for n in range(80))]
SLOWEST_SECONDS = 10
MOST_MEMORY = 1 << 30


def as_csv():
    return "".join(f"{a},{b}\n" for a, b in ROWS).encode()


def as_parquet(compression):
    columns = {name: [row[n] for row in ROWS[1:]] for n, name in enumerate(ROWS[0])}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression=compression, row_group_size=30)
    return file.getvalue()


def as_xlsx():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        padded = book.add_format({"num_format": "0000000"})
        for number, row in enumerate(ROWS):
            sheet.write_row(number, 0, row)
        sheet.write_number(5, 0, 42, padded)
        sheet.merge_range(7, 1, 9, 1, "P")
    return file.getvalue()


def as_zip(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("s.csv", as_csv())
    return file.getvalue()


WHOLE = {
    ".csv": [as_csv(), as_csv().decode().encode("utf-16")],
    ".csv.gz": [gzip.compress(as_csv(), mtime=0)],
    ".parquet": [as_parquet("snappy"), as_parquet("none"), as_parquet("zstd")],
    ".xlsx": [as_xlsx()],
    ".zip": [
        as_zip(zipfile.ZIP_DEFLATED),
        as_zip(zipfile.ZIP_STORED),
        as_zip(zipfile.ZIP_LZMA),
        as_zip(zipfile.ZIP_BZIP2),
    ],
}


def damaged(draw, content):
    """The content with a few kinds of damage, one after the other."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data) + 1)
        length = draw.choice((1, 2, 4, 16, 200))
        match draw.randrange(7):
            case 0:
                for n in range(place, min(place + length, len(data))):
                    data[n] ^= 1 << draw.randrange(8)
            case 1:
                del data[place:]
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = draw.randbytes(length)
            case 4:
                data[place : place + length] = b"\xff" * length
            case 5:
                data[place : place + length] = bytes(length)
            case _:
                data[place:place] = data[draw.randrange(len(data) + 1) :][:length]
    return bytes(data)


@pytest.mark.parametrize("ending", WHOLE)
def test_damage_gives_rows_or_a_refusal(university, ending):
    university.change(
        columns={"student_id": "ID", "program": "Program"},
        dimensions=["program"],
        source={
            "url": "snapshots",
            "pattern": "s_{date:%Y%m%d}" + ending,
            "settle_seconds": 0,
            "max_megabytes": 50,
            "timeout_seconds": SLOWEST_SECONDS,
        },
    )
    settings = university.settings
    path = university.snapshots / settings.files.name_for(DATE)
    draw = random.Random(f"{SEED} {ending}")
    refused = []
    source = source_for(settings)
    before = psutil.Process().memory_info().rss
    for number in range(count(60, 20_000)):
        path.write_bytes(damaged(draw, draw.choice(WHOLE[ending])))
        began = time.monotonic()
        try:
            with source.read(DATE) as extract:
                rows = sum(batch.num_rows for batch in extract.rows)
            assert rows < 100_000
        except (SnapshotUnreadableError, SourceError) as error:
            refused.append(str(error))
        assert time.monotonic() - began < 2 * SLOWEST_SECONDS, f"{number} took too long"
    memory = psutil.Process().memory_info().rss - before
    assert memory + _memory_of_reader() < MOST_MEMORY
    assert refused
    assert not any("é" in words for words in refused)


def _memory_of_reader():
    return sum(psutil.Process(child.process.pid).memory_info().rss for child in isolated._children)
