"""Morning files that went wrong in every way we know, each with what must become of it.

A case is the file's ending, its bytes, and the rows that a person would read from it: `None` where it
must be refused. Where `may_refuse` is set, refusing is right as well: the rows alone would be.
"""

import csv
import gzip
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

HEADER = ("student_id", "student_name", "term", "program", "level")
Rows = Sequence[tuple[str, ...]]

# Every file may unpack to so much (source.max_megabytes).
LIMIT_MEGABYTES = 4


@dataclass(frozen=True)
class Case:
    """One file."""

    kind: str
    ending: str
    content: bytes
    rows: Rows | None
    may_refuse: bool = False


def base_rows(count: int = 60) -> list[tuple[str, ...]]:
    """Ordinary students, with values that readers like to change."""
    names = ["Müller, Ana", 'O"Brien', "李雷", "null", "=1+1", "ثريا", "N/A", "🎓"]
    return [
        (f"{n:05d}", names[n % len(names)], "2024FA", f"P{n % 5}", str(n % 4)) for n in range(count)
    ]


def text(rows: Rows, *, header: Sequence[str] = HEADER, **options: Any) -> str:
    """The rows as CSV."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n", **options)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def _csv(kind: str, content: str | bytes, rows: Rows | None, *, may_refuse: bool = False) -> Case:
    data = content.encode() if isinstance(content, str) else content
    return Case(kind, ".csv", data, rows, may_refuse)


def _parquet(rows: Rows, **options: Any) -> bytes:
    columns = {name: [row[n] for row in rows] for n, name in enumerate(HEADER)}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def _xlsx(rows: Rows) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADER, *rows]):
            for place, value in enumerate(row):
                sheet.write_string(number, place, value)
    return file.getvalue()


def _some(draw: random.Random, low: int, high: int) -> int:
    return draw.randint(low, high)


def truncated(draw: random.Random, rows: Rows) -> Case:
    whole = text(rows, quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    cut = whole.encode()[: _some(draw, 0, len(whole.encode()) - 1)]
    try:
        there = cut.decode()
        found = [tuple(row) for row in csv.reader(io.StringIO(there, newline=""), strict=True)]
    except (UnicodeDecodeError, csv.Error):
        return _csv("truncated", cut, None)
    if there.count('"') % 2 or any(len(row) != len(HEADER) for row in found) or len(found) < 2:
        return _csv("truncated", cut, None)
    return _csv("truncated", cut, found[1:], may_refuse=True)


def separators(draw: random.Random, rows: Rows) -> Case:
    mark = draw.choice(";\t|:^~")
    return _csv("separator", text(rows, delimiter=mark), rows if mark in ";\t|" else None)


def byte_order_mark(draw: random.Random, rows: Rows) -> Case:
    return _csv("byte order mark", b"\xef\xbb\xbf" + text(rows).encode(), rows)


def encodings(draw: random.Random, rows: Rows) -> Case:
    name = draw.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp850"])
    rows = [(row[0], f"Jürgen {row[0]}", *row[2:]) for row in rows]
    # Of code page 850 nothing makes sense as Windows-1252.
    return _csv(name, text(rows).encode(name), None if name == "cp850" else rows)


def nul_bytes(draw: random.Random, rows: Rows) -> Case:
    data = bytearray(text(rows).encode())
    for _ in range(_some(draw, 1, 5)):
        data.insert(_some(draw, 0, len(data)), 0)
    # A value of nothing else is empty.
    return _csv("NUL", bytes(data), rows, may_refuse=True)


def nul_in_parquet(draw: random.Random, rows: Rows) -> Case:
    place, number = _some(draw, 0, 4), _some(draw, 0, len(rows) - 1)
    changed = [list(row) for row in rows]
    changed[number][place] += "\x00x"
    return Case("NUL", ".parquet", _parquet([tuple(row) for row in changed]), None)


def bombs(draw: random.Random, rows: Rows) -> Case:
    size = LIMIT_MEGABYTES * 1_500_000
    kind = draw.choice(["zeros", "rows", "workbook", "dictionary"])
    if kind == "zeros":
        return Case("bomb", ".csv.gz", gzip.compress(b"\x00" * size * 4), None)
    if kind == "rows":
        line = ",".join(rows[0]).encode() + b"\n"
        return Case(
            "bomb", ".csv.gz", gzip.compress(text(rows).encode() + line * (size // 20)), None
        )
    if kind == "workbook":
        file = io.BytesIO(_xlsx(rows))
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("xl/worksheets/sheet2.xml", b" " * size)
        return Case("bomb", ".xlsx", file.getvalue(), None)
    many = np.zeros(size // 10, dtype="int32")
    columns = {
        name: pa.DictionaryArray.from_arrays(many, [rows[0][n]]) for n, name in enumerate(HEADER)
    }
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return Case("bomb", ".parquet", file.getvalue(), None)


def swapped(draw: random.Random, rows: Rows) -> Case:
    order = list(range(len(HEADER)))
    draw.shuffle(order)
    header = [HEADER[n] for n in order]
    return _csv(
        "columns in another order", text([[r[n] for n in order] for r in rows], header=header), rows
    )


def swapped_values(draw: random.Random, rows: Rows) -> Case:
    changed = [(f"{row[1]} {row[0]}", row[0], *row[2:]) for row in rows]
    return _csv("names under the ids", text(changed), None)


def headers(draw: random.Random, rows: Rows) -> Case:
    header = list(HEADER)
    place = _some(draw, 0, len(HEADER) - 1)
    kind = draw.choice(["renamed", "doubled", "missing", "case", "title", "none"])
    if kind == "missing":
        short = [[value for n, value in enumerate(row) if n != place] for row in rows]
        return _csv(kind, text(short, header=[h for n, h in enumerate(header) if n != place]), None)
    if kind == "doubled":
        header.append(header[place])
        return _csv(kind, text([(*row, "x") for row in rows], header=header), None)
    if kind == "title":
        return _csv(kind, "Enrolled students, 4 September 2024\n" + text(rows), rows)
    if kind == "none":
        return _csv(kind, text(rows).partition("\n")[2], None)
    header[place] = header[place].upper() if kind == "case" else f"{header[place]}_code"
    return _csv(kind, text(rows, header=header), None)


def more_columns(draw: random.Random, rows: Rows) -> Case:
    dated = [(*row, f"{_some(draw, 2030, 9999)}-01-01") for row in rows]
    return _csv("dates in the future", text(dated, header=[*HEADER, "as_of"]), rows)


def ragged(draw: random.Random, rows: Rows) -> Case:
    changed = [list(row) for row in rows]
    row = changed[_some(draw, 0, len(rows) - 1)]
    if draw.random() < 0.5:
        row.append("more")
    else:
        row.pop()
    return _csv("a row of another length", text(changed), None)


def large_cells(draw: random.Random, rows: Rows) -> Case:
    changed = [list(row) for row in rows]
    changed[_some(draw, 0, len(rows) - 1)][_some(draw, 0, 4)] = "x" * 10_000_000
    ending = draw.choice([".csv", ".csv.gz", ".parquet"])
    data = _parquet(changed) if ending == ".parquet" else text(changed).encode()
    return Case("10 MB", ending, gzip.compress(data, 1) if ending == ".csv.gz" else data, None)


def empty(draw: random.Random, rows: Rows) -> Case:
    header = ",".join(HEADER)
    return _csv(
        "empty",
        draw.choice(["", "\n", " ", "\n\n\n", header, header + "\n", header + "\n\n,,,,\n"]),
        None,
    )


def something_else(draw: random.Random, rows: Rows) -> Case:
    data = draw.choice(
        [
            draw.randbytes(_some(draw, 1, 5_000)),
            b"<!DOCTYPE html><html><body>Sign in</body></html>",
            b"%PDF-1.7\n" + draw.randbytes(200),
            b"PK\x03\x04" + draw.randbytes(200),
            b'{"error": "no access"}\n',
            b"ORA-01017: invalid username/password; logon denied\n",
        ]
    )
    return Case("something else", draw.choice([".csv", ".csv.gz", ".parquet", ".xlsx"]), data, None)


def wrong_ending(draw: random.Random, rows: Rows) -> Case:
    files = {
        ".csv": text(rows).encode(),
        ".csv.gz": gzip.compress(text(rows).encode()),
        ".parquet": _parquet(rows),
        ".xlsx": _xlsx(rows),
    }
    ending, content = draw.sample(sorted(files), 2)
    return Case("wrong ending", ending, files[content], None)


def cut_packed(draw: random.Random, rows: Rows) -> Case:
    ending = draw.choice([".csv.gz", ".parquet", ".xlsx"])
    data = {
        ".csv.gz": gzip.compress(text(rows).encode()),
        ".parquet": _parquet(rows),
        ".xlsx": _xlsx(rows),
    }
    whole = data[ending]
    if (
        ending == ".xlsx" and draw.random() < 0.3
    ):  # whole in length, with a broken table of contents
        return Case("broken contents", ending, whole.replace(b"PK\x01\x02", b"PK\x07\x07"), None)
    return Case("cut off", ending, whole[: _some(draw, 0, len(whole) - 1)], None)


def flipped(draw: random.Random, rows: Rows) -> Case:
    ending = draw.choice([".csv.gz", ".parquet"])
    whole = (
        gzip.compress(text(rows).encode(), mtime=0)
        if ending == ".csv.gz"
        else _parquet(rows, write_page_checksum=True)
    )
    data = bytearray(whole)
    # past gzip's header, whose bytes say nothing about the content
    data[_some(draw, 10, len(data) - 1)] ^= 1 << _some(draw, 0, 7)
    return Case("flipped bit", ending, bytes(data), rows, may_refuse=True)


def line_ends(draw: random.Random, rows: Rows) -> Case:
    mark = draw.choice(["\r\n", "\r"])
    return _csv("line ends", text(rows).replace("\n", mark), rows, may_refuse=mark == "\r")


def blanks(draw: random.Random, rows: Rows) -> Case:
    padded = [[f" {value}  " for value in row] for row in rows]
    return _csv("blanks around", text(padded), rows)


def open_quote(draw: random.Random, rows: Rows) -> Case:
    lines = text([(r[0], "name", *r[2:]) for r in rows]).split("\n")
    place = _some(draw, 1, len(lines) - 2)
    lines[place] = lines[place].replace("name", '"name')
    return _csv("open quote", "\n".join(lines), None)


def repeated(draw: random.Random, rows: Rows) -> Case:
    return _csv("repeated rows", text([*rows, *rows[: _some(draw, 3, len(rows))]]), None)


def other_ids(draw: random.Random, rows: Rows) -> Case:
    change: Callable[[str], str] = draw.choice(
        [
            lambda i: f"{int(i) + 100_000}",
            lambda i: f"{float(int(i) + 1):.2E}",
            lambda i: f"X{i}",
            lambda _: "",
        ]
    )
    return _csv("other ids", text([(change(row[0]), *row[1:]) for row in rows]), None)


def no_term(draw: random.Random, rows: Rows) -> Case:
    term = draw.choice(["", "2019FA", "Fall 2024"])
    return _csv("no known term", text([(*row[:2], term, *row[3:]) for row in rows]), None)


def odd_letters(draw: random.Random, rows: Rows) -> Case:
    marks = ["\u202e", "\u200b", "\u2028", "\ufeff", "e\u0301", "\x1b[31m", "'; DROP TABLE x; --"]
    changed = [(row[0], f"A{draw.choice(marks)}b", *row[2:]) for row in rows]
    return _csv("odd letters", text(changed), changed)


def half(draw: random.Random, rows: Rows) -> Case:
    return _csv("less than half", text(rows[: _some(draw, 1, 29)]), None)


MAKERS = (
    *(truncated, separators, byte_order_mark, encodings, nul_bytes, nul_in_parquet, bombs, swapped),
    *(swapped_values, headers, more_columns, ragged, large_cells, empty, something_else),
    *(wrong_ending, cut_packed, flipped, line_ends, blanks, open_quote, repeated, other_ids),
    *(no_term, odd_letters, half),
)


def cases(count: int, seed: int) -> list[Case]:
    """So many files, of every kind in turn."""
    draw = random.Random(seed)
    rows = base_rows()
    return [MAKERS[number % len(MAKERS)](draw, rows) for number in range(count)]
