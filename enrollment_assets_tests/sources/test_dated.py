"""Memberships with entry and exit dates: each day is read from the newest extract."""

import datetime as dt

import pytest

from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.pipeline.names import CORE
from enrollment_assets.sources.configured import source_for

HEADER = "ID,TERM,MAJOR,IN,OUT"
COLUMNS = {"student_id": "ID", "term": "TERM", "program": "MAJOR"}
ROWS = [
    "1,2024FA,Law,2024-09-02,",
    "2,2024FA,Law,2024-09-03,2024-09-04",
    "3,2024FA,Art,2024-09-02T00:00:00,2024-09-03 00:00:00",
    "3,2024FA,Law,2024-09-04,",
    "4,2024FA,Art,2024-09-05,2024-09-02",  # never came
]


def dated(university, rows=ROWS, name="members.csv", pattern="members.csv", **keys):
    (university.snapshots / name).write_text("\n".join((HEADER, *rows)) + "\n")
    university.change(
        columns=COLUMNS,
        dimensions=["program"],
        source={
            "kind": "files",
            "url": "snapshots",
            "pattern": pattern,
            "settle_seconds": 0,
            "dated": {"from": "IN", "to": "OUT", **keys},
        },
    )


def days(university):
    return university.query(
        "SELECT day(snapshot_date) AS day, list(student_id ORDER BY student_id) "
        "FROM enrollment.enrollment_snapshots GROUP BY 1 ORDER BY 1"
    )


LAST, FIRST_OUT = (
    [(2, ["1", "3"]), (3, ["1", "2", "3"]), (4, ["1", "2", "3"]), (5, ["1", "3"])],
    [(2, ["1", "3"]), (3, ["1", "2"]), (4, ["1", "3"]), (5, ["1", "3"])],
)


@pytest.mark.parametrize(("to_is", "expected"), [("last_day", LAST), ("first_day_out", FIRST_OUT)])
def test_all_days_come_from_one_extract(university, dagster_home, to_is, expected):
    dated(university, to_is=to_is)
    first, last = dt.date(2024, 9, 2), dt.date(2024, 9, 5)
    outcome = execute_and_restate(university.settings, CORE, first, last)
    assert outcome.success
    assert days(university) == expected


def test_the_newest_extract_counts(university):
    dated(university, ROWS[:1], "m_20240901.csv", pattern="m_{date:%Y%m%d}.csv")
    dated(university, ROWS, "m_20240930.csv", pattern="m_{date:%Y%m%d}.csv")
    source = source_for(university.settings)
    with source.read(dt.date(2024, 9, 3)) as extract:
        assert extract.origin.endswith("m_20240930.csv")
        assert sum(batch.num_rows for batch in extract.rows) == 3


def test_dates_may_be_written_otherwise(university):
    dated(university, ["1,2024FA,Law,9/2/2024,09/04/2024"], date_format="%m/%d/%Y")
    source = source_for(university.settings)
    counts = []
    for day in (1, 2, 4, 5):
        with source.read(dt.date(2024, 9, day)) as extract:
            counts.append(sum(batch.num_rows for batch in extract.rows))
    assert counts == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2,2024FA,Law,,2024-09-04", "1 of 2 rows have no date in IN"),
        ("2,2024FA,Law,2024-09-02,soon", "1 of 2 rows have no date in OUT"),
        ("2,2024FA,Law,9/2/2024,", "source.dated.date_format"),
    ],
)
def test_a_date_that_cannot_be_read_is_refused(university, row, words):
    dated(university, [ROWS[0], row])
    with (
        pytest.raises(SnapshotUnreadableError, match=words),
        source_for(university.settings).read(dt.date(2024, 9, 3)),
    ):
        pass
