"""Text files and workbooks as offices send them: what is read, and what is left out."""

import io

import pytest
import xlsxwriter

from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources import formats

COLUMNS = {"student_id": ("ID", "id"), "program": ("Program",)}
PLAIN = [("001", "Law"), ("002", "Music; Art"), ("003", None)]


def lines(delimiter=",", header="ID,Name,Program"):
    rows = ["001,Ana,Law", '002,"Bo, Jr.",Music; Art', "003,Cy,"]
    if delimiter != ",":
        rows = ["001,Ana,Law", '002,Bo,"Music; Art"', "003,Cy,"]
        return "\n".join(row.replace(",", delimiter) for row in (header, *rows)) + "\n"
    return "\n".join((header, *rows)) + "\n"


def read(content, name="s.csv"):
    wanted = formats.Wanted(COLUMNS)
    batches = formats.read(io.BytesIO(content), name, wanted, max_megabytes=100)
    rows = [
        tuple(value or None for value in row.values())  # staging empties what is blank
        for batch in batches
        for row in batch.to_pylist()
    ]
    return rows, wanted.notes


@pytest.mark.parametrize(
    "content",
    [
        lines(),
        lines(";"),
        lines("\t"),
        lines("|"),
        "sep=,\n" + lines(),
        "sep=;\r\n" + lines(";").replace("\n", "\r\n"),
        "Enrolled students\n\n" + lines(),
        "\n" + lines(),
        lines() + "\n(3 rows affected)\n",
        lines() + "3 rows\n",
        lines() + "Total: 3\n",
        lines() + "Total: 3,,\n",
        lines() + "Grand Total,,3\n",
        lines() + "------\nTotal\n",
        lines().replace("\n001", "\n---,---,---\n001"),
        lines().replace("\n003", "\nID,Name,Program\n003"),
        lines().replace("003,Cy,", "003,Cy,NULL"),
        lines().replace("003,Cy,", r"003,Cy,\N"),
        lines().replace("003,Cy,", "003,Cy,\x00"),
        lines().replace("Ana", '"called, left\na, message, b"'),
    ],
)
def test_what_surrounds_the_rows_is_left_out(content):
    for encoded in (content.encode(), content.encode("utf-8-sig"), content.encode("utf-16")):
        rows, _ = read(encoded)
        assert rows == PLAIN


def test_a_quoted_word_null_is_a_value():
    rows, _ = read(lines().replace("003,Cy,", '003,Cy,"NULL"').encode())
    assert rows[2] == ("003", "NULL")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "Title\n" + lines(";"),
            ["columns separated by ;", "header in line 2, the lines above it left out"],
        ),
        (lines() + "(3 rows affected)\n", ["1 lines that are no rows left out"]),
        (lines(), []),
    ],
)
def test_what_was_assumed_is_said(content, words):
    assert read(content.encode())[1] == words


@pytest.mark.parametrize(
    "row",
    ["Total Care,Ana,Law", "---,Ana,Law", "Totally,Bo,Art"],
)
def test_a_student_with_an_odd_id_stays(row):
    rows, _ = read((lines() + row + "\n").encode())
    assert len(rows) == 4


def test_a_short_row_in_the_middle_is_still_an_error():
    with pytest.raises(SnapshotUnreadableError, match="has 2 columns, but the header has 3"):
        read((lines() + "004,Di\n" + "005,Ed,Law\n").encode())


def test_an_open_quote_is_still_an_error():
    body = "".join(f"{n:03d},Ana,Law\n" for n in range(4, 9))
    with pytest.raises(SnapshotUnreadableError, match="never closed"):
        read((lines() + '009,"Ana,Law\n' + body + '010,Bo",Law\n').encode())


def workbook(*sheets, merged=()):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for name, rows, is_hidden in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
            for first, last, column, value in merged:
                sheet.merge_range(first, column, last, column, value)
            if is_hidden:
                sheet.hide()
    return buffer.getvalue()


ROWS = [
    ("ID", "Name", "Program"),
    ("001", "Ana", "Law"),
    ("002", "Bo", "Music; Art"),
    ("003", "Cy"),
]


@pytest.mark.parametrize(
    "sheets",
    [
        [("Data", ROWS, False)],
        [("About", [("made by", "Ana")], False), ("Data", ROWS, False)],
        [("Data", [("Enrolled",), (), *ROWS], False)],
        [("Old", ROWS[:2], True), ("Data", ROWS, False)],
    ],
)
def test_the_sheet_with_the_columns_is_read_from_its_header(sheets):
    if sheets[0][2]:  # Excel opens a workbook on a visible sheet
        sheets = sheets[::-1]
    rows, _ = read(workbook(*sheets), "s.xlsx")
    assert rows == PLAIN


def test_two_sheets_with_the_columns_are_refused():
    with pytest.raises(SnapshotUnreadableError, match=r"2 sheets with these columns \(A, B\)"):
        read(workbook(("A", ROWS, False), ("B", ROWS, False)), "s.xlsx")


def test_a_merged_cell_holds_for_all_its_rows():
    content = workbook(("Data", ROWS, False), merged=[(1, 3, 2, "Nursing")])
    rows, _ = read(content, "s.xlsx")
    assert [program for _, program in rows] == ["Nursing"] * 3


def with_stray_cell(row, column):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Data")
        for number, cells in enumerate(ROWS):
            sheet.write_row(number, 0, cells)
        sheet.write(row, column, "x")
    return buffer.getvalue()


@pytest.mark.parametrize("place", [(1_048_575, 16_383), (400_000, 20), (1_000, 16_383)])
def test_a_stray_cell_that_would_fill_the_memory_is_refused(place):
    with pytest.raises(SnapshotUnreadableError, match="far from the others"):
        read(with_stray_cell(*place), "s.xlsx")


@pytest.mark.parametrize("place", [(1_048_575, 0), (5, 16_383)])
def test_a_stray_cell_that_costs_little_is_read_over(place):
    rows, _ = read(with_stray_cell(*place), "s.xlsx")
    assert rows[: len(PLAIN)] == PLAIN
