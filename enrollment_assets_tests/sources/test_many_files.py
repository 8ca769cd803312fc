"""Names of files, and days of several files: what is read, what is listed, what is waited for."""

import datetime as dt
import os
import socket
import time

import pytest

from enrollment_assets.config.source import FilesKeys
from enrollment_assets.errors import SnapshotMissingError, SnapshotUnreadableError
from enrollment_assets.sources.configured import source_for
from enrollment_assets.sources.naming import Naming
from enrollment_assets_tests.conftest import HEADER, day

DATES = [dt.date(2024, 9, 4), dt.date(2024, 9, 5)]
YESTERDAY = time.time() - 86_400


@pytest.mark.parametrize(
    ("pattern", "name", "date"),
    [
        ("{date:%Y}/s_{date:%m%d}.csv", "2024/s_0904.csv", DATES[0]),
        ("{date:%Y}/{date:%m}/{date:%Y%m%d}.csv", "2024/09/20240904.csv", DATES[0]),
        ("{date:%Y}/{date:%m}/{date:%Y%m%d}.csv", "2023/09/20240904.csv", None),
        ("s_{date:%d%b%Y}.csv", "s_04Sep2024.csv", DATES[0]),
        ("s_{date:%Y-%j}.csv", "s_2024-248.csv", DATES[0]),
        ("s_{date:%Y%m%d}_*.csv", "s_20240904_final.csv", DATES[0]),
        ("s_{date:%Y%m%d_%H%M%S}.csv", "s_20240904_235959.csv", DATES[0]),
        ("s_{date:%Y%m%d}T??.csv", "s_20240904T07.csv", DATES[0]),
        ("s_{date:%Y%m%d}T??.csv", "s_20240904T7.csv", None),
        ("{date}.csv", "2024-09-04.csv", DATES[0]),
        ("s.{date:%Y%m%d}.csv", "sx20240904.csv", None),
        ("s_{date:%Y%m%d}.csv", "s_20241304.csv", None),
        ("s_{date:%Y%m%d}.csv", "s_20240904.csv.bak", None),
    ],
)
def test_a_name_says_its_day(pattern, name, date):
    named = Naming(FilesKeys(url="x", pattern=pattern)).read(name)
    assert (named and named.date) == date


def write(university, name, ids=("1", "2"), *, term="2024FA", age=86_400, more=""):
    path = university.snapshots / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{n},N,{term},D,P,L,enrolled{more}" for n in ids]
    header = HEADER + (",AS_OF" if more else "")
    path.write_text("\n".join((header, *lines)) + "\n")
    os.utime(path, (time.time() - age,) * 2)
    return path


def source(university, pattern, **keys):
    university.change(
        source={
            "kind": "files",
            "url": "snapshots",
            "pattern": pattern,
            "settle_seconds": 0,
            **keys,
        }
    )
    return source_for(university.settings)


def ids(source, date):
    with source.read(day(date) if isinstance(date, str) else date) as extract:
        return [value for batch in extract.rows for value in batch["student_id"].to_pylist()]


def test_of_several_files_of_a_day_the_newest_is_read(university):
    for stamp, age in (
        ("0700", 5),
        ("1530", 600),
    ):  # a copy may be younger than what it was copied from
        write(university, f"s_20240904{stamp}.csv", [stamp], age=age)
    files = source(university, "s_{date:%Y%m%d%H%M}.csv")
    assert files.dates() == DATES[:1]
    assert ids(files, DATES[0]) == ["1530"]
    for letter, age in (("a", 600), ("b", 5)):
        write(university, f"x_20240904_{letter}.csv", [letter], age=age)
    assert ids(source(university, "x_{date:%Y%m%d}_*.csv"), DATES[0]) == ["b"]


def test_subfolders_with_a_wildcard_are_listed_and_read(university):
    for folder, date in (("fall", DATES[0]), ("autumn", DATES[1])):
        write(university, f"{folder}/s_{date:%Y%m%d}.csv", [folder])
    files = source(university, "*/s_{date:%Y%m%d}.csv")
    assert files.dates() == DATES
    assert [ids(files, date) for date in DATES] == [["fall"], ["autumn"]]


def test_a_file_for_each_term_gives_its_rows_that_term(university, dagster_home):
    columns = {"student_id": "student_id", "program": "program"}
    university.change(columns=columns, dimensions=["program"])
    write(university, "2024FA_20241104.csv", ["1", "2"])
    write(university, "2025SP_20241104.csv", ["1", "3", "4"])
    source(university, "{term}_{date:%Y%m%d}.csv")
    assert university.run("2024-11-04").success
    assert university.query(
        "SELECT term, count(*) FROM enrollment.enrollment_snapshots GROUP BY 1 ORDER BY 1"
    ) == [("2024FA", 2), ("2025SP", 3)]


def test_a_day_is_complete_when_all_its_parts_are_there(university):
    for part in ("north", "south"):
        write(university, f"{part}_20240904.csv", [part])
    write(university, "north_20240905.csv", ["n"], age=60)
    write(university, "west_20240905.csv", ["w"], age=60)
    files = source(university, "{part}_{date:%Y%m%d}.csv", parts=["south", "north"])
    assert files.dates() == DATES
    assert ids(files, DATES[0]) == ["north", "south"]
    assert files.is_whole(files.arrivals()[DATES[0]])
    with pytest.raises(SnapshotMissingError, match=r"south of 2024-09-05 is not in .* yet"):
        ids(files, DATES[1])
    waiting = files.arrivals()[DATES[1]]
    assert waiting.absent == ("south",)
    assert not files.is_whole(waiting)
    write(university, "south_20240905.csv", ["s"], age=0)
    assert files.is_whole(files.arrivals()[DATES[1]])
    assert files.content_of(files.arrivals()[DATES[1]]) != files.content_of(waiting)


@pytest.mark.parametrize(("parts", "named"), [(["north", "south"], "south"), ("*", "south")])
def test_a_part_that_does_not_come_holds_the_day_by_name(university, dagster_home, parts, named):
    for part in ("north", "south"):
        write(university, f"{part}_20240904.csv", [f"{part}{n}" for n in range(40)])
    write(university, "north_20240905.csv", [f"north{n}" for n in range(40)])
    source(university, "{part}_{date:%Y%m%d}.csv", parts=parts)
    university.run("2024-09-04", "2024-09-05")
    log = university.query(
        "SELECT status, reasons FROM enrollment.snapshot_log ORDER BY snapshot_date"
    )
    assert log[0] == ("accepted", None)
    assert log[1][0] == "held"
    assert log[1][1].startswith(f"{named} is a part of the day that did not come.")
    assert university.query("SELECT count(*) FROM enrollment.student_changes") == [(0,)]


def test_a_file_that_is_named_for_tomorrow_is_of_today(university):
    write(university, "s_20240905.csv", ["1"])
    files = source(university, "s_{date:%Y%m%d}.csv", days_ahead=1)
    assert files.dates() == DATES[:1]
    assert ids(files, DATES[0]) == ["1"]


@pytest.mark.parametrize("spelled", ["2024-09-04", "2024-09-04T02:00:00", "9/4/2024", "04-SEP-24"])
def test_rows_must_be_of_the_day(university, spelled):
    write(university, "s_20240904.csv", ["1"], more=f",{spelled}")
    write(university, "s_20240905.csv", ["1"], more=f",{spelled}")
    files = source(university, "s_{date:%Y%m%d}.csv", as_of="AS_OF")
    assert ids(files, DATES[0]) == ["1"]
    with pytest.raises(SnapshotUnreadableError, match="the file should be of 2024-09-05"):
        ids(files, DATES[1])


def test_one_file_that_is_written_anew_is_of_the_day_that_its_rows_say(university):
    write(university, "students.csv", ["1"], more=",2024-09-04")
    files = source(university, "students.csv", as_of="AS_OF")
    assert files.dates() == DATES[:1]
    assert ids(files, DATES[0]) == ["1"]
    with pytest.raises(SnapshotMissingError, match="is of 2024-09-04; there is none of 2024-09-05"):
        ids(files, DATES[1])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"pattern": "s.csv"}, "each day has its own name"),
        ({"pattern": "s_{date:%m%d}.csv"}, "each day has its own name"),
        ({"pattern": "{part}_{date:%Y%m%d}.csv"}, "goes together with {part}"),
        ({"pattern": "s_{date:%Y%m%d}.csv", "parts": ["a"]}, "goes together with {part}"),
        ({"pattern": "s_{day:%Y%m%d}.csv"}, "the fields are"),
    ],
)
def test_an_impossible_pattern_is_refused(keys, words):
    with pytest.raises(ValueError, match=words):
        FilesKeys(url="x", **keys)


@pytest.fixture(params=["pipe", "socket", "device", "link out", "link in"])
def odd(request, university, tmp_path):
    """Something in the folder that is no regular file, with its name."""
    path = university.snapshots / "s_20240904.csv"
    if request.param == "pipe":
        os.mkfifo(path)
        yield "a pipe", path
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
            yield "a socket", path
    elif request.param == "device":
        path.symlink_to("/dev/zero")
        yield "a link that leads out of the folder", path
    else:
        there = write(university, "x.csv" if request.param == "link in" else "../x.csv")
        path.symlink_to(there)
        yield None if request.param == "link in" else "a link that leads out of the folder", path


def test_what_is_no_file_of_the_folder_is_refused_at_once(university, odd):
    what, _ = odd
    files = source(university, "s_{date:%Y%m%d}.csv")
    began = time.monotonic()
    arrival = files.arrivals()[DATES[0]]
    assert files.is_whole(arrival)
    if what is None:
        assert ids(files, DATES[0]) == ["1", "2"]
    else:
        with pytest.raises(SnapshotUnreadableError, match=what):
            ids(files, DATES[0])
    assert time.monotonic() - began < 2
