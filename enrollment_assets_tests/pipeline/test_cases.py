"""Small inputs that offices really sent, with their configuration: what the last day's verdict is."""

import datetime as dt
import shutil

import pytest

from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.pipeline.names import CORE
from enrollment_assets_tests.conftest import SHARED, University, require

CASES = SHARED.parent / "cases"
# What the last day is, how many students it has where it is accepted, and words of the reason.
VERDICTS = {
    "01_xlsx_ids_numbers_with_format_0000000": ("accepted", 60),
    "02_xlsx_rows_over_two_sheets": ("rejected", "has 2 sheets"),
    "03_parquet_column_of_type_null": ("accepted", 60),
    "04_csv_line_break_and_commas_in_notes": ("accepted", 60),
    "06_csv_total_row_without_term_and_an_exclude_rule": ("accepted", 60),
    "07_csv_total_row_where_no_term_column_is_mapped": ("accepted", 60),
    "08_csv_rows_affected_footer": ("accepted", 60),
    "09_csv_the_word_NULL": ("accepted", 59),
    "10_csv_leading_zeros_lost_on_30_percent": ("held", "leading zeros differ in 18"),
    "11_csv_cut_off_at_a_line_60_percent_left": ("held", "are gone"),
    "12_xlsx_program_cells_merged": ("accepted", 60),
    "13_csv_sep_line": ("accepted", 60),
    "14_xlsx_title_above_the_header": ("accepted", 60),
    "15_xlsx_hidden_first_sheet_of_lookups": ("accepted", 60),
    "16_csv_double_majors_under_grain_student": ("rejected", "grain: registration"),
    "17_csv_status_in_capitals_for_30_percent": ("held", "neither counted nor ignored"),
    "18_csv_header_repeated_in_the_middle": ("accepted", 60),
    "19_csv_zero_width_space_before_an_id": ("accepted", 60),
    "20_csv_nul_for_an_empty_string": ("accepted", 60),
    "28_csv_one_duplicate_among_20_students": ("accepted", 20),
}
UNCHANGED = ("01", "04", "06", "07", "08", "12", "13", "14", "15", "18", "19")


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_is_right(name, tmp_path, dagster_home):
    require((CASES / name).is_dir(), "the cases are not beside this checkout")
    shutil.copytree(CASES / name, tmp_path / name)
    university = University(tmp_path / name, tmp_path / name / "enrollment.yaml")
    files = sorted(university.snapshots.iterdir())
    first, last = (
        dt.datetime.strptime(file.stem, "s_%Y%m%d").date() for file in (files[0], files[-1])
    )
    outcome = execute_and_restate(university.settings, CORE, first, last)
    status, expected = VERDICTS[name]
    ((verdict, students, reasons),) = university.query(
        "SELECT status, student_count, reasons FROM enrollment.snapshot_log WHERE snapshot_date = ?",
        last,
    )
    assert verdict == status
    if status == "accepted":
        assert students == expected
        assert not outcome.failed_error_checks
    else:
        assert expected in reasons
    if name.startswith(UNCHANGED):
        assert university.query("SELECT count(*) FROM enrollment.student_changes") == [(0,)]
