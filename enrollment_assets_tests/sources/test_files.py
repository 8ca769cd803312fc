import datetime as dt
import gzip
import io
import os
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from enrollment_assets.errors import (
    ConfigurationError,
    SnapshotMissingError,
    SnapshotUnreadableError,
    SourceError,
)
from enrollment_assets.sources.configured import source_for
from enrollment_assets_tests.conftest import HEADER

DATE = dt.date(2024, 9, 3)
# Values that readers like to change: leading zeros, words for nothing, quotes, other scripts.
ROWS = [
    ("00042", "Null", "2024FA", "NA", "History, Modern", "1", "enrolled"),
    ("7", 'O"Brien', "2024FA", "nan", "Línea\nnueva", "2", "E"),
    ("3.0", "名前", "2024FA", "True", "1e5", "3", "E"),
]
SECRET = "Jane Q. Marker"


def write(university, ending, content):
    university.change(
        source={
            "kind": "files",
            "url": "snapshots",
            "pattern": "s_{date:%Y%m%d}" + ending,
            "settle_seconds": 0,
            "max_megabytes": 100,
        }
    )
    (university.snapshots / f"s_20240903{ending}").write_bytes(content)
    return source_for(university.settings)


def as_csv(rows=ROWS, header=HEADER):
    def quoted(value):
        return '"' + value.replace('"', '""') + '"'

    lines = [header, *(",".join(quoted(value) for value in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def as_parquet(rows=ROWS):
    names = HEADER.split(",")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def as_xlsx(rows=ROWS):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_numbers": False}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADER.split(","), *rows]):
            for place, value in enumerate(row):
                sheet.write_string(number, place, value)
    return buffer.getvalue()


def as_zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(source, date=DATE):
    with source.read(date) as extract:
        return [tuple(row.values()) for batch in extract.rows for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".csv", as_csv()),
        (".csv", b"\xef\xbb\xbf" + as_csv()),
        (".csv", as_csv().replace(b"\n0", b"\r\n0").replace(b"\n7", b"\r\n7")),
        (".csv.gz", gzip.compress(as_csv())),
        (".txt.gz", gzip.compress(as_csv())),
        (".csv.zip", as_zip({"a.csv": as_csv(), "__MACOSX/._a.csv": b"x", "read me.md": b"x"})),
        (".zip", as_zip({"export/": b"", "export/a.parquet": as_parquet()})),
        (".zip", as_zip({"a.xlsx": as_xlsx()})),
        (".parquet", as_parquet()),
        (".xlsx", as_xlsx()),
    ],
)
def test_every_kind_of_file_gives_the_same_text(university, ending, content):
    columns = university.settings.columns
    expected = [
        tuple(dict(zip(HEADER.split(","), row, strict=True))[c] for c in columns) for row in ROWS
    ]
    assert read(write(university, ending, content)) == expected


def test_numbers_in_a_workbook_or_parquet_file_become_the_text_that_people_see(university):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["student_id"])
        sheet.write_number(1, 0, 42)
        sheet.write_string(2, 0, "0042")
    university.change(columns={"student_id": "student_id"}, dimensions=[])
    assert read(write(university, ".xlsx", buffer.getvalue())) == [("42",), ("0042",)]
    parquet = io.BytesIO()
    pq.write_table(pa.table({"student_id": pa.array([42.0, None, 7.0])}), parquet)
    assert read(write(university, ".parquet", parquet.getvalue())) == [("42",), (None,), ("7",)]


def test_only_mapped_columns_are_read(university):
    university.change(columns={"student_id": "ID"}, dimensions=[])
    source = write(university, ".csv", b"SSN,ID\n123-45-6789,00042\n")
    assert read(source) == [("00042",)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [("ID,MAJOR", "new"), ("ID,MAJR_CODE", "new"), ("ID,MAJR_CODE,MAJOR", "old")],
)
def test_of_a_columns_names_the_first_that_is_there_is_read(university, header, expected):
    university.change(
        columns={"student_id": "ID", "program": ["MAJOR", "MAJR_CODE"]}, dimensions=["program"]
    )
    content = f"{header}\n1,new\n" if expected == "new" else f"{header}\n1,new,old\n"
    assert read(write(university, ".csv", content.encode())) == [("1", expected)]


def test_a_column_under_none_of_its_names_is_told_with_all_of_them(university):
    university.change(
        columns={"student_id": "ID", "program": ["MAJOR", "MAJR_CODE"]}, dimensions=["program"]
    )
    with pytest.raises(SnapshotUnreadableError, match="no column MAJOR or MAJR_CODE"):
        read(write(university, ".csv", b"ID,PROG\n1,x\n"))


def test_a_missing_file_is_missing_and_a_header_alone_is_an_empty_snapshot(university):
    source = write(university, ".csv", (HEADER + "\n").encode())
    assert read(source) == []
    with pytest.raises(SnapshotMissingError, match=r"s_20240904\.csv is not in"):
        read(source, DATE + dt.timedelta(1))


def test_a_missing_folder_is_the_sources_fault_and_not_the_days(university):
    source = write(university, ".csv", as_csv())
    university.snapshots.rename(university.folder / "moved")
    with pytest.raises(SourceError, match=r"source.url: the folder .* does not exist"):
        read(source)


def one_secret_row(**changes):
    values = dict(zip(HEADER.split(","), ROWS[0], strict=True)) | {"student_name": SECRET} | changes
    return [tuple(values.values())]


@pytest.mark.parametrize(
    ("ending", "content", "expected"),
    [
        (".csv", b"", "is empty"),
        (".csv", as_xlsx(), "an Excel or ZIP file"),
        (".csv", gzip.compress(as_csv()), "a gzip file"),
        (".csv", as_parquet(), "a Parquet file"),
        (".csv", b"<!DOCTYPE html><p>Please log in</p>", "a web page"),
        (".csv", as_csv(one_secret_row(division="Línea")).decode().encode("cp850"), "not UTF-8"),
        (
            ".csv",
            as_csv(one_secret_row()) + f"1,{SECRET}\n".encode(),
            "line 3 has 2 columns, but the header has 7",
        ),
        (
            ".csv",
            as_csv(one_secret_row()).replace(b"student_id", b"Student_ID"),
            "it has Student_ID",
        ),
        (".csv", as_csv(one_secret_row()).replace(b"program", b"major"), "no column program"),
        (
            ".csv",
            as_csv(one_secret_row()).split(b"\n", 1)[1],
            "no column student_id (it has 7 others)",
        ),
        (".csv", b"program," + as_csv(one_secret_row()), "the column program 2 times"),
        (
            ".csv",
            f'{HEADER}\n1,A,T,D,P,L,"E\n2,{SECRET},T,D,P,L,E\n'.encode(),
            "a quote that is never closed",
        ),
        (".csv", b"\n\n", "begins with an empty line"),
        (".parquet", as_parquet(ROWS * 999).replace(b"2024FA", b"\xff" * 6), "not UTF-8"),
        (".csv.gz", gzip.compress(as_csv(ROWS * 500))[:-200], "not a complete gzip file"),
        (".csv.gz", as_csv(one_secret_row()), "does not fit its extension"),
        (".zip", as_csv(one_secret_row()), "does not fit its extension"),
        (".zip", as_zip({"a.csv": as_csv(ROWS * 500)})[:-60], "cannot be read in the format"),
        (".zip", as_zip({"a.md": as_csv()}), "holds no file with rows"),
        (
            ".zip",
            as_zip({"a.csv": as_csv(), "b.csv": as_csv()}),
            "2 files with rows (a.csv, b.csv)",
        ),
        (".zip", as_zip({"a.csv": b"\x00" * (101 << 20)}), "unpacks to more than 100 MB"),
        (".parquet", as_csv(one_secret_row()), "does not fit its extension"),
        (
            ".parquet",
            as_parquet(one_secret_row())[:-20],
            "cannot be read in the format of its extension",
        ),
        (".xlsx", as_csv(one_secret_row()), "does not fit its extension"),
        (".xlsx", b"PK\x03\x04" + b"0" * 500, "cannot be read as an Excel workbook"),
    ],
)
def test_bad_content_gives_one_sentence_with_the_file_and_no_value(
    university, ending, content, expected
):
    source = write(university, ending, content)
    with pytest.raises(SnapshotUnreadableError) as error:
        read(source)
    text = str(error.value)
    assert expected in text
    assert f"s_20240903{ending}" in text
    assert "\n" not in text
    assert SECRET not in text
    assert error.value.__cause__ is None


def test_a_file_that_may_not_be_read_is_told_apart_from_one_that_is_not_there(university):
    source = write(university, ".csv", as_csv())
    path = university.snapshots / "s_20240903.csv"
    if os.geteuid() == 0:
        path.unlink()
        path.mkdir()  # root may read everything, but not a folder as a file
    else:
        path.chmod(0)
    with pytest.raises(SnapshotUnreadableError, match=r"s_20240903\.csv(; grant| is a folder)"):
        read(source)


def test_an_address_of_an_unknown_kind_is_refused_and_variables_are_filled_in(
    university, monkeypatch
):
    university.change(source={"kind": "files", "url": "foo://x"})
    with pytest.raises(SourceError, match="foo:// addresses are not supported"):
        source_for(university.settings).check()
    university.change(source={"kind": "files", "url": "${EXTRACTS}"})
    with pytest.raises(ConfigurationError, match=r"source.url needs .* EXTRACTS"):
        source_for(university.settings).check()
    monkeypatch.setenv("EXTRACTS", str(university.snapshots))
    source_for(university.settings).check()


def test_a_column_that_is_not_mapped_may_hold_anything(university):
    university.change(columns={"student_id": "ID"}, dimensions=[])
    source = write(university, ".csv", 'ID,NOTE,X\n00042,"Línea\nzwei",\n7,x,\n'.encode("latin-1"))
    assert read(source) == [("00042",), ("7",)]


@pytest.mark.parametrize("content", [HEADER, HEADER + "\n", HEADER + "\r\n"])
def test_a_header_alone_is_read_as_no_rows_however_it_ends(university, content):
    assert read(write(university, ".csv", content.encode())) == []


def test_the_days_that_have_a_file_are_listed(university):
    source = write(university, ".csv", as_csv())
    (university.snapshots / "s_20240901.csv").write_bytes(as_csv())
    (university.snapshots / "s_20241399.csv").write_bytes(as_csv())
    (university.snapshots / "notes.txt").write_bytes(b"")
    assert source.dates() == [dt.date(2024, 9, 1), DATE]


def test_days_in_subfolders_are_read_and_listed(university):
    university.change(
        source={
            "kind": "files",
            "url": "snapshots",
            "pattern": "{date:%Y}/{date:%m}/s_{date:%Y%m%d}.csv",
            "settle_seconds": 0,
        }
    )
    for date in (DATE, DATE + dt.timedelta(40)):
        path = university.snapshots / university.settings.files.name_for(date)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_csv())
    (university.snapshots / "2023").mkdir()
    (university.snapshots / "2023" / "s_20240903.csv").write_bytes(as_csv())
    source = source_for(university.settings)
    assert source.dates() == [DATE, DATE + dt.timedelta(40)]
    assert read(source) == read(source, DATE + dt.timedelta(40)) != []
    assert source.probe(DATE).rows


@pytest.mark.parametrize("there", ["Inscric\u0327a\u0303o_20240903.csv", "INSCRIÇÃO_20240903.csv"])
def test_a_file_whose_name_only_looks_the_same_is_named(university, there):
    university.change(
        source={
            "kind": "files",
            "url": "snapshots",
            "pattern": "Inscrição_{date:%Y%m%d}.csv",
            "settle_seconds": 0,
        }
    )
    (university.snapshots / there).write_bytes(as_csv())
    with pytest.raises(SnapshotMissingError, match="differs in capitals or in how an accented"):
        read(source_for(university.settings))
