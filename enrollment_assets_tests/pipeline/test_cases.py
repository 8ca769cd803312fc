"""Small inputs that offices really sent, with their configuration: what the last day's verdict is."""

import datetime as dt
import shutil

import pytest

from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.pipeline.names import CORE
from enrollment_assets_tests.conftest import SHARED, University, require

CASES = SHARED.parent / "cases"
VERDICTS = {
    "10_csv_leading_zeros_lost_on_30_percent": ("held", "leading zeros differ in 18"),
    "11_csv_cut_off_at_a_line_60_percent_left": ("held", "are gone"),
    "17_csv_status_in_capitals_for_30_percent": ("held", "neither counted nor ignored"),
    "28_csv_one_duplicate_among_20_students": ("accepted", None),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_is_right(name, tmp_path, dagster_home):
    require((CASES / name).is_dir(), "the cases are not beside this checkout")
    shutil.copytree(CASES / name, tmp_path / name)
    university = University(tmp_path / name, tmp_path / name / "enrollment.yaml")
    files = sorted(university.snapshots.iterdir())
    first, last = (
        dt.datetime.strptime(file.stem, "s_%Y%m%d").date() for file in (files[0], files[-1])
    )
    execute_and_restate(university.settings, CORE, first, last)
    status, words = VERDICTS[name]
    ((verdict, reasons),) = university.query(
        "SELECT status, reasons FROM enrollment.snapshot_log WHERE snapshot_date = ?", last
    )
    assert verdict == status
    assert words is None or words in reasons
