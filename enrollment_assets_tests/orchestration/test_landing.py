"""Which files the landing sensor runs, and that it runs each of their contents once."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from enrollment_assets.cli.running import execute
from enrollment_assets.errors import SourceError
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.landing import DAYS_BACK, Seen, find_landed
from enrollment_assets.pipeline.names import CORE, DAILY, NOTIFY_TAG
from enrollment_assets.sources.arrivals import Arrival
from enrollment_assets_tests.conftest import csv_text, day, student

TODAY = "2024-09-10"
CUT = "…"  # ends a content of which a part has not come
NOTHING = {}
A, B, C = ("A", 1000), ("B", 2000), ("C", 3000)  # contents with the time of their writing


class Looks:
    """Looks one after the other, each with what the last one remembered, as a cursor keeps it."""

    def __init__(self, settings, today):
        self.settings, self.today = settings, day(today)
        self.cursor = "null"
        self.keys = []

    def look(self, files, read=None):
        """`files` by their age in days; the ages of the days to run."""
        before = json.loads(self.cursor)
        landed = find_landed(
            self.settings,
            self.today,
            {
                (date := self.today - dt.timedelta(age)): Arrival(
                    f"{date} {content}", len(content), f"{content} {modified}", modified
                )
                for age, (content, modified) in files.items()
            },
            None if before is None else {day(d): Seen(**seen) for d, seen in before.items()},
            is_whole=lambda arrival: not arrival.path.endswith(CUT),
            content_of=lambda arrival: arrival.path,
            last_read=lambda _: read,
        )
        self.cursor = json.dumps({str(date): asdict(seen) for date, seen in landed.seen.items()})
        self.keys += [f"{d} {landed.seen[d].mark} {key}" for d, key in landed.contents.items()]
        return [(self.today - date).days for date in landed.contents]


# Each step: the files by age, when a run last read the day, and the ages of the days to run.
STORIES = {
    "only today's file is news at the first look": [
        ({0: A, 1: A, 5: B}, None, []),
        ({0: A, 1: A, 5: B}, None, [0]),
        ({0: A, 1: A, 5: B}, None, []),
    ],
    "a file that still changes is not run, and one that rests is run once": [
        (NOTHING, None, []),
        ({0: A}, None, []),
        ({0: B}, None, []),
        ({0: C}, None, []),
        ({0: C}, None, [0]),
        ({0: C}, None, []),
    ],
    "a file of an earlier day that comes late is run": [
        ({0: A}, None, []),
        ({0: A, 3: B}, None, [0]),
        ({0: A, 3: B}, None, [3]),
    ],
    "a file that was there at the first look is run when it is replaced": [
        ({2: A}, 1500, []),
        ({2: B}, 1500, []),
        ({2: B}, 1500, [2]),
    ],
    "a file that was touched is not run again": [
        ({0: A}, None, []),
        ({0: A}, None, [0]),
        ({0: ("A", 2000)}, 1500, []),
        ({0: ("A", 2000)}, 1500, []),
    ],
    "another content is run, and so is an older one that comes back": [
        ({0: A}, None, []),
        ({0: A}, None, [0]),
        ({0: B}, 1500, []),
        ({0: B}, 1500, [0]),
        ({0: A}, 2500, []),
        ({0: A}, 2500, [0]),
        ({0: A}, 3500, []),
    ],
    "a file that is older than the last read and was moved there after it is run": [
        ({0: B}, None, []),
        ({0: B}, None, [0]),
        ({0: A}, 9000, []),
        ({0: A}, 9000, [0]),
    ],
    "a replacement that a run has read already is not run": [
        ({0: A}, None, []),
        ({0: A}, None, [0]),
        ({0: B}, 1500, []),
        ({0: B}, 2500, []),
        ({0: B}, 2500, []),
    ],
    "a file that the schedule has read is not run": [
        ({0: A}, None, []),
        ({0: A}, 1500, []),
        ({0: A}, 1500, []),
    ],
    "a read within the difference of two clocks proves nothing": [
        ({0: A}, None, []),
        ({0: A}, 1030, [0]),
    ],
    "a read before the file was written proves nothing": [
        ({0: A}, 500, []),
        ({0: A}, 500, [0]),
    ],
    "a file that is not whole waits": [
        (NOTHING, None, []),
        ({0: ("A…", 1000)}, None, []),
        ({0: ("A…", 1000)}, None, []),
        ({0: ("A…", 1000)}, None, []),
        ({0: B}, None, []),
        ({0: B}, None, [0]),
    ],
    "a file that is taken away for a while and comes back the same is not run again": [
        ({0: A}, None, []),
        ({0: A}, None, [0]),
        (NOTHING, 1500, []),
        ({0: A}, 1500, []),
        ({0: A}, 1500, []),
    ],
    "a file that takes the place of one that was taken away is run, however old it is": [
        ({0: B}, None, []),
        ({0: B}, None, [0]),
        (NOTHING, 2500, []),
        ({0: A}, 2500, []),
        ({0: A}, 2500, [0]),
    ],
    "a file whose time is not known is run": [
        ({0: ("A", None)}, None, []),
        ({0: ("A", None)}, 1500, [0]),
    ],
    "tomorrow's file, and one from before the window, are left alone": [
        (NOTHING, None, []),
        ({-1: A, DAYS_BACK: A, DAYS_BACK + 1: A}, None, []),
        ({-1: A, DAYS_BACK: A, DAYS_BACK + 1: A}, None, [DAYS_BACK]),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_landing(university, story):
    looks = Looks(university.settings, TODAY)
    found = [looks.look(files, read) for files, read, _ in STORIES[story]]
    assert found == [expected for *_, expected in STORIES[story]]
    # Dagster starts no second run with a key that it knows
    assert len(set(looks.keys)) == len(looks.keys)


@pytest.mark.parametrize(
    ("today", "ages", "expected"),
    [
        ("2024-07-05", [0, 1, 2], [0, 2]),  # the 4th is a closure
        ("2024-04-02", [0, 1, 2], [0, 1]),  # no term is open before the 1st
    ],
)
def test_days_without_a_snapshot_are_left_alone(university, today, ages, expected):
    looks = Looks(university.settings, today)
    looks.look(NOTHING)
    files = dict.fromkeys(ages, A)
    assert looks.look(files) == []
    assert sorted(looks.look(files)) == expected


def test_a_tick_that_is_evaluated_twice_asks_for_the_same_run(university):
    looks = Looks(university.settings, TODAY)
    looks.look({0: A})
    cursor = looks.cursor
    looks.look({0: A})
    looks.cursor = cursor  # the daemon died before it kept the new one
    looks.look({0: A})
    assert len(looks.keys) == 2
    assert len(set(looks.keys)) == 1


@pytest.fixture
def live(university):
    """A university in the middle of a term, at noon of its own timezone: no day ends in a test."""
    offset = 12 - dt.datetime.now(dt.UTC).hour
    zone = f"Etc/GMT{-offset:+d}"
    today = dt.datetime.now(ZoneInfo(zone)).date()
    university.change(
        institution={"name": "Live", "timezone": zone},
        start_date=today - dt.timedelta(40),
        terms=[
            {
                "code": "NOW",
                "registration_opens": today - dt.timedelta(40),
                "starts": today - dt.timedelta(20),
                "census": today - dt.timedelta(6),
                "ends": today + dt.timedelta(90),
            }
        ],
        calendar={},
    )
    return university


def rows(count):
    return [student(f"{n:03d}", term="NOW") for n in range(count)]


class Sensor:
    """The landing sensor, tick by tick, with the cursor that the daemon would keep."""

    def __init__(self, university, instance):
        self.university, self.instance = university, instance
        self.cursor = None

    def tick(self):
        repository = build_defs(settings=self.university.settings).get_repository_def()
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=repository
        )
        found = repository.get_sensor_def("landing_sensor").evaluate_tick(context)
        self.cursor = found.cursor
        return found

    def requests(self, ticks):
        return [request for _ in range(ticks) for request in self.tick().run_requests]


def stored(university, date):
    return university.query(
        "SELECT count(*) FROM enrollment.enrollment_snapshots WHERE snapshot_date = ?", date
    )[0][0]


def test_a_file_that_lands_is_run_once_and_a_corrected_one_once_more(live, dagster_instance):
    today = live.settings.today()
    sensor = Sensor(live, dagster_instance)
    assert sensor.requests(2) == []
    live.write(str(today), rows(70))
    (request,) = sensor.requests(3)
    assert request.partition_key == str(today)
    assert request.job_name in (None, DAILY)
    assert request.tags[NOTIFY_TAG] == "email"
    assert execute(live.settings, DAILY, today, today, tags=request.tags).success
    assert stored(live, today) == 70
    assert sensor.requests(3) == []
    # the corrected file was written before the run read the first one, and is moved there now
    correction = live.folder / "correction.csv"
    correction.write_text(csv_text(rows(71)))
    an_hour_ago = time.time() - 3600
    os.utime(correction, (an_hour_ago, an_hour_ago))
    correction.rename(live.file(str(today)))
    (again,) = sensor.requests(3)
    assert again.partition_key == str(today)
    assert again.run_key != request.run_key
    assert execute(live.settings, CORE, today, today).success
    assert stored(live, today) == 71
    assert sensor.requests(3) == []


def test_a_file_that_the_schedule_has_read_is_not_run_by_the_sensor(live, dagster_instance):
    today = live.settings.today()
    sensor = Sensor(live, dagster_instance)
    sensor.tick()
    path = live.write(str(today), rows(70))
    ten_minutes_ago = time.time() - 600
    os.utime(path, (ten_minutes_ago, ten_minutes_ago))
    assert execute(live.settings, CORE, today, today).success
    assert sensor.requests(3) == []


@pytest.mark.parametrize(
    ("cron", "age", "expected"),
    [
        ("0 8 * * *", 0, {NOTIFY_TAG: "email"}),  # it is noon: the day's tick found no file
        ("0 16 * * *", 0, {}),  # the day's tick is yet to come
        ("0 8 * * *", 1, {}),  # an earlier day's report is no news
    ],
)
def test_a_file_that_comes_after_the_days_tick_takes_its_place(
    live, dagster_instance, cron, age, expected
):
    live.change(schedule={"cron": cron})
    date = str(live.settings.today() - dt.timedelta(age))
    sensor = Sensor(live, dagster_instance)
    sensor.tick()
    live.write(date, rows(70))
    (request,) = sensor.requests(2)
    assert request.partition_key == date
    assert {name: value for name, value in request.tags.items() if "notify" in name} == expected


def test_a_workbook_that_is_not_whole_waits_for_its_end(live, dagster_instance):
    live.change(source={"url": "snapshots", "pattern": "s_{date:%Y%m%d}.xlsx"})
    path = live.file(str(live.settings.today()))
    sensor = Sensor(live, dagster_instance)
    path.write_bytes(b"PK\x03\x04" + b"0" * 5000)
    assert sensor.requests(3) == []
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet().write_row(0, 0, list(rows(1)[0]))
    assert len(sensor.requests(3)) == 1


def test_a_folder_that_is_gone_fails_the_tick_in_words(live, dagster_instance):
    live.snapshots.rmdir()
    with pytest.raises(SourceError, match=r"source.url: the folder .* does not exist"):
        Sensor(live, dagster_instance).tick()


def test_a_tick_while_a_run_writes_is_skipped_and_forgets_nothing(live, dagster_instance):
    today = live.settings.today()
    assert not execute(live.settings, CORE, today, today).success  # no file; makes the warehouse
    sensor = Sensor(live, dagster_instance)
    live.write(str(today), rows(70))
    sensor.tick()
    cursor = sensor.cursor
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(live.settings.warehouse_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline() == b"1\n"
        busy = sensor.tick()
        holder.communicate(b"\n")
    assert busy.skip_message
    assert not busy.run_requests
    assert busy.cursor in (None, cursor)
    sensor.cursor = cursor  # the daemon keeps it where a tick gives none
    assert len(sensor.requests(2)) == 1
