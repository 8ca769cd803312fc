"""What is said of a day uses nothing from after it: a range run equals single runs, day after day."""

import datetime as dt
import shutil

import numpy as np

from enrollment_assets.cli.running import execute
from enrollment_assets.pipeline.names import INSIGHT
from enrollment_assets_tests.conftest import HEADER, University, student
from enrollment_assets_tests.support.moments import days_of, take_in
from enrollment_assets_tests.support.soak import IS_SOAK

DAYS = 200 if IS_SOAK else 90
FIRST = dt.date(2024, 11, 1)
TABLES = (
    *("point_in_time", "segment_point_in_time", "enrollment_anomalies", "enrollment_forecast"),
    *("segment_disclosure", "forecast_scorecard"),
)


def write_life(university):
    """A made-up life of both terms: students come more and more quickly, some leave, some return."""
    random = np.random.default_rng(5)
    settings = university.settings
    programs = ("History", "Law", "Music")
    rows = {}
    for term, size in zip(settings.terms, (260, 300), strict=True):
        span = (term.starts - term.registration_opens).days
        begins = np.sort((span * np.sqrt(random.random(size))).astype(int))
        for number, begin in enumerate(begins):
            leaves = begin + random.integers(5, 400)
            person = student(f"{number:04d}", programs[number % 3], term=term.code)
            for day in days_of(term.registration_opens, min(term.ends, FIRST + dt.timedelta(DAYS))):
                offset = (day - term.registration_opens).days
                if begin <= offset < leaves or (number % 7 == 0 and offset > leaves + 9):
                    rows.setdefault(day, []).append(person)
    for day, present in rows.items():
        # some mornings nobody extracts
        if day.toordinal() % 31 and not settings.why_no_snapshot(day):
            university.write(str(day), present)


def contents(university, table):
    found = university.query(f"SELECT * FROM enrollment.{table} WHERE #1 >= ? ORDER BY ALL", FIRST)
    # the sums of a frame over many days and over one differ in the last bits
    return [
        tuple(round(value, 6) if isinstance(value, float) else value for value in row)
        for row in found
    ]


def test_a_range_of_days_says_what_single_runs_say(university):
    university.change(dimensions=["program", "level"], forecast={"horizon_days": 60})
    university.change(columns={name: name for name in HEADER.split(",") if name != "division"})
    first, second = university.settings.model_dump(mode="json")["terms"]
    # So near to each other that one is a guide to the other.
    first |= {"starts": "2024-12-02", "census": "2024-12-09"}
    university.change(terms=[first, second])
    write_life(university)
    before = FIRST - dt.timedelta(1)
    take_in(university, "2024-04-01", str(before), insight=True)
    last = FIRST + dt.timedelta(DAYS - 1)
    folder = university.folder.with_name("day_by_day")
    shutil.copytree(university.folder, folder)
    other = University(folder, folder / university.config.name)

    # one range run, which has all later days at hand
    take_in(university, str(FIRST), str(last))
    outcome = execute(university.settings, INSIGHT, FIRST, last)
    assert outcome.success, outcome.failures

    # one day after the other: later files are not even there
    with other.warehouse().connect():  # opening the file anew would take longer than most days
        for day in days_of(FIRST, last):
            if not other.settings.why_no_snapshot(day) and other.file(str(day)).exists():
                take_in(other, str(day), insight=True, restates=False)

    for table in TABLES:
        of_range, of_singles = contents(university, table), contents(other, table)
        assert of_range, table
        assert of_range == of_singles, table
    methods = {
        row[0] for row in other.query("SELECT DISTINCT method FROM enrollment.enrollment_forecast")
    }
    assert len(methods - {"none"}) >= 3  # not just the simplest one, the whole time
    assert other.query("SELECT count(*) > 0 FROM enrollment.enrollment_anomalies WHERE is_anomaly")
