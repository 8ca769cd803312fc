"""The official count of a term: when it is frozen, who may move it, and where it is shown."""

import re

import duckdb
import pytest

from enrollment_assets.cli.running import census, execute_and_restate, rebuild
from enrollment_assets.pipeline.days import stale_ranges
from enrollment_assets.pipeline.names import BACKFILL, DAILY
from enrollment_assets.publishing.reports.figures import read_figures
from enrollment_assets.publishing.reports.sections.tiles import tiles
from enrollment_assets_tests.conftest import day, student

BEFORE, CENSUS, AFTER = "2024-09-08", "2024-09-09", "2024-09-10"
LATER = "2025-01-27"


def people(count, **others):
    return [student(f"{number:04d}", **others) for number in range(count)]


def run(university, first, last=None, job=BACKFILL):
    return execute_and_restate(university.settings, job, day(first), day(last or first))


def frozen(university):
    return university.query(
        "SELECT term, snapshot_date::VARCHAR, student_count FROM operations.census_snapshots "
        "ORDER BY term"
    )


def compared(university):
    return university.query(
        "SELECT comparison_census, comparison_census_live FROM enrollment.point_in_time "
        "WHERE term = '2025SP' ORDER BY date"
    )


def tile(university, date):
    with university.warehouse().connect() as connection:
        figures = read_figures(connection, university.settings, day(date))
    return next(tile for tile in tiles(figures, university.settings) if "ensus" in tile.label)


def around_the_census(university):
    """Three days, and one of the next term, with which the count is compared."""
    for date, count in ((BEFORE, 200), (CENSUS, 205), (AFTER, 207)):
        university.write(date, people(count))
    university.write(LATER, people(100, term="2025SP"))
    assert run(university, BEFORE, AFTER).success
    assert run(university, LATER).success


def test_the_census_is_frozen_and_shown_everywhere(filled_by):
    university = filled_by(around_the_census)
    assert frozen(university)[0] == ("2024FA", CENSUS, 205)
    assert tile(university, AFTER).value == "205"
    assert f"frozen on {CENSUS}" in tile(university, AFTER).note
    assert compared(university) == [(205, 205)]
    # A correction changes the daily figure, not the official one.
    university.write(CENSUS, people(208))
    assert run(university, CENSUS).success
    assert frozen(university)[0] == ("2024FA", CENSUS, 205)
    assert tile(university, AFTER).value == "205"
    assert "208 by later corrections" in tile(university, AFTER).note
    assert compared(university) == [(205, 208)]
    terms = university.settings.data_path / "exports" / "parquet" / "dim_term.parquet"
    assert duckdb.sql(
        "SELECT census_snapshot::VARCHAR, census_enrollment, census_enrollment_live "
        f"FROM '{terms}' WHERE code = '2024FA'"
    ).fetchall() == [(CENSUS, 205, 208)]
    assert stale_ranges(university.settings, insight=True) == []


@pytest.mark.parametrize(
    ("rows", "status"),
    [(None, "missing"), (people(120), "held"), (people(50), "rejected")],
    ids=["missing", "held", "rejected"],
)
def test_a_census_is_not_frozen_over_a_day_that_is_not_accepted(university, command, rows, status):
    university.write(BEFORE, people(200))
    university.write(AFTER, people(201))
    if rows:
        university.write(CENSUS, rows)
    run(university, BEFORE, AFTER)
    assert frozen(university) == []
    assert "provisional, as of 2024-09-08" in tile(university, AFTER).note
    words = " ".join(command("status").stdout.split())
    assert (
        f"the census of {CENSUS} is not frozen, because the snapshot of {CENSUS} is {status}"
        in words
    )
    assert "enrollment census --term 2024FA --confirm" in words
    # The corrected file is what was waited for.
    university.write(CENSUS, people(203))
    assert run(university, CENSUS).success
    assert frozen(university) == [("2024FA", CENSUS, 203)]
    assert "not frozen" not in command("status").stdout


def test_a_census_is_not_frozen_over_a_day_in_doubt(university):
    university.change(quality={"on_doubt": "warn"})
    for date, count in ((BEFORE, 200), (CENSUS, 150), (AFTER, 201)):
        university.write(date, people(count))
    run(university, BEFORE, AFTER)
    assert frozen(university) == []
    assert "provisional" in tile(university, AFTER).note


def test_a_census_on_a_day_without_an_extract_is_frozen_from_the_day_before(university):
    university.change(calendar={"closures": [CENSUS]})
    university.write(BEFORE, people(200))
    university.write(AFTER, people(201))
    assert run(university, BEFORE, AFTER).success
    assert frozen(university) == [("2024FA", BEFORE, 200)]


def test_a_person_confirms_and_moves_a_census_and_a_rerun_does_not_undo_it(filled_by, command):
    university = filled_by(around_the_census)
    assert "205 students, frozen from the snapshot of 2024-09-09" in " ".join(
        command("census", "--term", "2024FA").stdout.split()
    )
    moved = command(
        "census",
        "--term",
        "2024FA",
        "--date",
        AFTER,
        "--reason",
        "add deadline moved",
        "--by",
        "ana",
    )
    assert moved.returncode == 0, moved.stdout
    assert frozen(university)[0] == ("2024FA", AFTER, 207)
    assert compared(university) == [(207, 207)]
    assert "207 of 2024-09-10. add deadline moved" in " ".join(moved.stdout.split())
    cohort = "SELECT DISTINCT cohort_size FROM enrollment.term_persistence WHERE cohort_term = '2024FA' AND dimension IS NULL"
    assert university.query(cohort) == [(207,)]
    for again in (
        lambda: run(university, BEFORE, AFTER),
        lambda: rebuild(university.settings, "2024FA", "bo"),
    ):
        assert again().success
        assert frozen(university)[0] == ("2024FA", AFTER, 207)
    confirmed = command(
        "census", "--term", "2024FA", "--confirm", "--reason", "it was right", "--by", "bo"
    )
    assert confirmed.returncode == 0, confirmed.stdout
    assert frozen(university)[0] == ("2024FA", CENSUS, 205)
    assert university.query(
        "SELECT snapshot_date::VARCHAR, student_count_before, student_count, reason, decided_by "
        "FROM operations.census_decisions ORDER BY decided_at"
    ) == [
        (AFTER, 205, 207, "add deadline moved", "ana"),
        (CENSUS, 207, 205, "it was right", "bo"),
    ]


def test_a_missing_census_day_is_confirmed_from_the_day_before(university):
    university.write(BEFORE, people(200))
    university.write(AFTER, people(201))
    run(university, BEFORE, AFTER)
    assert census(university.settings, "2024FA", None, "no extract that day", "ana").success
    assert frozen(university) == [("2024FA", BEFORE, 200)]


def test_what_cannot_be_decided_is_said(filled_by, command):
    university = filled_by(around_the_census)
    nothing = command("census", "--term", "2024FA", "--date", "2024-09-12", "--reason", "x")
    assert nothing.returncode == 1
    assert "2024FA has no accepted snapshot on 2024-09-12 to freeze" in " ".join(
        nothing.stdout.split()
    )
    assert frozen(university)[0] == ("2024FA", CENSUS, 205)
    assert command("census", "--term", "2024FA", "--confirm").returncode == 2
    both = command("census", "--term", "2024FA", "--confirm", "--date", AFTER, "--reason", "x")
    assert both.returncode == 2


def test_the_report_of_the_census_day_shows_the_frozen_count(university):
    university.write(BEFORE, people(200))
    university.write(CENSUS, people(203))
    assert run(university, BEFORE).success
    assert run(university, CENSUS, job=DAILY).success
    page = (university.settings.data_path / "reports" / CENSUS / "report.html").read_text()
    words = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert f"Census headcount 203 frozen on {CENSUS}" in words
