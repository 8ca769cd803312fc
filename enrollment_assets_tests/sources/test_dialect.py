"""Text files and workbooks as offices send them: what is read, and what is left out."""

import io

import pytest
import xlsxwriter

from enrollment_assets.config.source import CsvKeys
from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources import formats, header

COLUMNS = {"student_id": ("ID", "id"), "program": ("Program",)}
PLAIN = [("001", "Law"), ("002", "Music; Art"), ("003", None)]


def lines(delimiter=",", header="ID,Name,Program"):
    rows = ["001,Ana,Law", '002,"Bo, Jr.",Music; Art', "003,Cy,"]
    if delimiter != ",":
        rows = ["001,Ana,Law", '002,Bo,"Music; Art"', "003,Cy,"]
        return "\n".join(row.replace(",", delimiter) for row in (header, *rows)) + "\n"
    return "\n".join((header, *rows)) + "\n"


def read(content, name="s.csv", sheet=None, **keys):
    wanted = header.Wanted(COLUMNS, CsvKeys(**keys), sheet)
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
        lines() + "Report generated on 2024-09-05\n",
        lines() + "Page 1 of 1,,\n",
        lines() + '"Source: Banner"\n',
        lines() + "3 records,,\n",
        lines() + "End of report,,\n",
        lines() + "\x1a",
        lines() + "\r\n\x1a\r\n",
        lines().replace("\n", "\r"),
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
    ("content", "keys"),
    [
        (lines("#"), {"delimiter": "#"}),
        (lines("\t"), {"delimiter": "tab"}),
        (lines().replace('"', "~"), {"quote": "~"}),
        ("ID,Name,Program,Last\n" + lines(), {"header_row": 2}),
        ("ID,Name,Program\nid,text,text\n" + lines(), {"skip_rows": 2}),
        (lines() + "printed,by,Ana\n", {"footer": 1}),
        (lines() + "printed\n2024-09-05,Ana\n", {"footer": 2}),
        (lines() + "004,Di,Law\n005,Ed,Law\nprinted\n", {"footer": 3}),
        (lines().replace("003,Cy,", "003,Cy,n/a"), {"null_words": ["n/a"]}),
        (lines().replace("Ana", "Zoë"), {"encoding": "cp850"}),
        (lines().replace("Ana", "Jiří"), {"encoding": "iso8859-2"}),
    ],
)
def test_what_is_configured_is_not_guessed(content, keys):
    rows, _ = read(content.encode(keys.get("encoding", "utf-8")), **keys)
    assert rows == PLAIN


def test_a_word_that_is_no_null_word_is_a_value():
    rows, _ = read(lines().replace("003,Cy,", "003,Cy,NULL").encode(), null_words=[])
    assert rows[2] == ("003", "NULL")


def test_a_damaged_line_is_no_footer():
    content = lines().replace("002,", "002,Bo\n002,") + "printed,by\n"
    with pytest.raises(SnapshotUnreadableError, match=r"line 3 has another number of columns"):
        read(content.encode(), footer=2)
    with pytest.raises(SnapshotUnreadableError, match=r"line 3 has 2 columns"):
        read(content.encode())


@pytest.mark.parametrize("sign", ["\N{RIGHT SINGLE QUOTATION MARK}", "é", "Ł".lower()])
def test_text_of_windows_is_read_and_said(sign):
    content = (lines() * 1).replace("Law", f"L{sign}w")
    if sign == "ł":  # not of Windows-1252
        with pytest.raises(SnapshotUnreadableError, match=r"source.csv.encoding"):
            read(content.encode("cp852"))
        return
    rows, notes = read(content.encode("cp1252"))
    assert rows[0] == ("001", f"L{sign}w")
    assert notes == ["encoding Windows-1252, since it is not UTF-8"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_text_is_read_with_and_without_a_mark(encoding):
    rows, notes = read(lines("\t").replace("Law", "Łódź").encode(encoding))
    assert rows == [("001", "Łódź"), *PLAIN[1:]]
    assert notes[0] == f"encoding {encoding}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('="00123"', "00123"),
        ('"=""00123"""', "00123"),
        ("'00123", "00123"),
        ("'A-7", "A-7"),
        ("\u200b00123", "\u200b00123"),  # staging trims it
    ],
)
def test_what_keeps_excel_from_reading_an_id_as_a_number_is_not_part_of_it(written, meant):
    rows, _ = read(f"ID,Program\n{written},'01\n007,'t Hart\n".encode())
    assert rows == [(meant, "01"), ("007", "'t Hart")]


@pytest.mark.parametrize("ending", [".txt", ".tsv", ".dat", ".TXT"])
def test_text_has_many_endings(ending):
    rows, _ = read(lines("\t").encode(), f"s{ending}")
    assert rows == PLAIN


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"delimiter": "::"}, "one ASCII sign"),
        ({"quote": ""}, "one ASCII sign"),
        ({"encoding": "latin-99"}, "not the name of an encoding"),
        ({"header_row": 0}, "greater than or equal to 1"),
    ],
)
def test_an_impossible_key_is_refused(keys, words):
    with pytest.raises(ValueError, match=words):
        CsvKeys(**keys)


@pytest.mark.parametrize(
    "row",
    [
        "Total Care,Ana,Law",
        "---,Ana,Law",
        "Totally,Bo,Art",
        "Page,Ana,",
        "Run 7,Bo,Art",
        "Source,,",
    ],
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


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("0000000", 42, "0000042"),
        ("0000000", 12345678, "12345678"),
        ("0000000;-0000000", 42, "0000042"),
        ("00.0000", 1.0, "01.0000"),
        ("00.0000", 11.0701, "11.0701"),
        (r"000\-00\-0000", 1234567, "001-23-4567"),
        ('"A"000', 7, "A007"),
        ("000-0000", 1234, "000-1234"),
        ("00 00", 1234567, "12345 67"),
        ("0", 42, "42"),
        ("0.00", 42, "42"),
        ("#,##0", 1234, "1234"),
        ("General", 42, "42"),
        ("@", 42, "42"),
        ("0000000", "007", "007"),
    ],
)
@pytest.mark.parametrize("first_column", [0, 2])
def test_an_id_is_as_its_cell_shows_it(code, value, shown, first_column):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Students & more")
        sheet.write_row(1, first_column, ["Name", "ID", "Program"])
        sheet.write_row(2, first_column, ["Ana", None, "Law"])
        sheet.write(2, first_column + 1, value, book.add_format({"num_format": code}))
        sheet.write_row(3, first_column, ["Bo", 7, "Art"])
    assert read(buffer.getvalue(), "s.xlsx")[0] == [(shown, "Law"), ("7", "Art")]


def test_a_code_with_fixed_decimals_keeps_them():
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["ID", "Program"])
        sheet.write_row(1, 0, ["1", 11.07], book.add_format({"num_format": "0.0000"}))
    assert read(buffer.getvalue(), "s.xlsx")[0] == [("1", "11.0700")]


def test_the_configured_sheet_is_read():
    book = workbook(("Old", ROWS[:2], False), ("Data", ROWS, False))
    with pytest.raises(SnapshotUnreadableError, match="has 2 sheets with these columns"):
        read(book, "s.xlsx")
    assert read(book, "s.xlsx", sheet="Data")[0] == PLAIN
    assert read(book, "s.xlsx", sheet="Old")[0] == PLAIN[:1]
    with pytest.raises(SnapshotUnreadableError, match=r"has no sheet New .*; it has Old, Data"):
        read(book, "s.xlsx", sheet="New")


@pytest.mark.parametrize(
    ("column", "values", "is_refused"),
    [
        ("Action", ("I", "U", "D"), True),
        ("change_type", ("insert", "delete", "insert"), True),
        ("OPERATION", ("update", "update", ""), True),
        ("Action", ("A", "A", "A"), False),
        ("Action", ("RE", "D", "A"), False),
        ("Standing", ("D", "D", "D"), False),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_list_of_changes_is_no_snapshot(column, values, is_refused, ending):
    rows = [("ID", "Program", column), *zip("123", ("Law",) * 3, values, strict=True)]
    content = "\n".join(map(",".join, rows)).encode()
    if ending == "xlsx":
        content = workbook(("Data", rows, False))
    if is_refused:
        with pytest.raises(SnapshotUnreadableError, match=f"is a list of changes .{column}: "):
            read(content, f"s.{ending}")
    else:
        assert len(read(content, f"s.{ending}")[0]) == 3
