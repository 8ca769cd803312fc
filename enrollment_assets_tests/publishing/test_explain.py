"""What took one headcount to another: every part on real tables, to the last student."""

import datetime as dt
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_assets.errors import ConfigurationError, EnrollmentError
from enrollment_assets.orchestration.retention import find_old, remove
from enrollment_assets.pipeline.ingest.intake import decide, store_days
from enrollment_assets.pipeline.ingest.verdicts import Decision, DecisionKind
from enrollment_assets.publishing.explanation import Bridge, People, Restatement, explain
from enrollment_assets.publishing.reports.restatements import remember_reported
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets_tests.conftest import day, student
from enrollment_assets_tests.pipeline.test_any_order import DAYS, TERMS, Trial, content
from enrollment_assets_tests.support import reference
from enrollment_assets_tests.support.commands import enrollment, said
from enrollment_assets_tests.support.moments import derive, restate, take_in

# Monday to Wednesday; Thursday is a closure, Friday is missing, Saturday is refused
D1, D2, D3, CLOSED, MISSING, REFUSED, D4 = (
    str(dt.date(2024, 11, 25) + dt.timedelta(offset)) for offset in range(7)
)


def decided(university, date, kind):
    found = university.settings
    decision = Decision(DecisionKind(kind), "ana", "it is so", "2024FA")
    with university.warehouse().connect() as connection:
        decide(connection, found, day(date), decision, run_id="test")
        restate(connection, found)


def report(university, date):
    with university.warehouse().connect() as connection:
        remember_reported(connection, university.settings, day(date))


def explained(university, first, last, dimensions=None, term="2024FA"):
    found = university.settings
    names = found.dimensions if dimensions is None else dimensions
    return explain(found, found.term(term), day(first), day(last), names)


@pytest.fixture
def explaining(command):
    """Calls `enrollment explain`."""

    def call(first, last, *options, term="2024FA"):
        return command(
            "explain", "--term", term, "--from", first, "--to", last, *options, COLUMNS="80"
        )

    return call


def people(first, last, **others):
    return [student(f"{number:05d}", **others) for number in range(first, last)]


def seven_days(university):
    """C returns, H passes through, D and B move, and four days run into one change."""
    law = {"program": "Law"}
    university.write(D1, [student("A"), student("B"), student("C"), student("D", **law)])
    university.write(D2, [*map(student, "ABDEH")])
    university.write(D3, [student("A"), student("B", **law), *map(student, "CEF")])
    university.file(REFUSED).write_bytes(b"<html>")
    university.write(D4, [*map(student, "ACEF"), student("G", **law), student("I", **law)])
    take_in(university, D1, D4)


@pytest.fixture
def week(filled_by):
    return filled_by(seven_days)


def test_the_total_adds_up_over_new_returning_and_dropped_students(week):
    found = explained(week, D1, D4)
    assert found.total == Bridge(before=4, new=5, returning=1, dropped=4, after=6)
    assert found.moved == 2
    assert (found.first, found.last) == (day(D1), day(D4))


def test_every_segment_adds_up_the_largest_change_first(week):
    found = explained(week, D1, D4)
    assert list(found.segments) == ["division", "program", "level"]
    assert list(found.segments["program"].items()) == [
        # D and H left it, C left it and came back
        ("History", Bridge(3, new=3, returning=1, dropped=3, moved_in=1, moved_out=1, after=4)),
        ("Law", Bridge(1, new=2, dropped=1, moved_in=1, moved_out=1, after=2)),
    ]
    assert found.segments["level"] == {"Junior": found.total}


def test_the_same_totals_add_up_by_people(week):
    found = explained(week, D1, D4).people
    # C left and came back; H is in neither list
    assert found == People(4, gone=2, stayed=2, joined=4, after=6, passed_through=1, cancelled=2)


def test_days_without_a_snapshot_are_named_with_their_reason(week):
    found = explained(week, D1, D4)
    (gap,) = found.gaps
    assert (gap.baseline, gap.date) == (day(D3), day(D4))
    assert gap.why == {
        "closed": [day(CLOSED)],
        "missing": [day(MISSING)],
        "rejected": [day(REFUSED)],
    }
    assert [(date, verdict) for date, verdict, _ in found.not_accepted] == [
        (day(MISSING), "missing"),
        (day(REFUSED), "rejected"),
    ]
    assert "enrollment_snapshot_20241129.csv is not in" in found.not_accepted[0][2]
    assert found.restated == []


def test_weekends_and_days_that_nobody_ran_are_told_apart(university):
    university.change(schedule={"skip_weekends": True})
    for date in ("2024-09-05", "2024-09-10"):  # Thursday and Tuesday
        university.write(date, [student("A")])
        take_in(university, date)
    (gap,) = explained(university, "2024-09-05", "2024-09-10").gaps
    assert gap.why == {
        "never run": [day("2024-09-06"), day("2024-09-09")],
        "weekend": [day("2024-09-07"), day("2024-09-08")],
    }


def test_students_with_several_programs_count_in_each_and_once_in_the_total(university, explaining):
    university.change(grain="registration")
    both = [student("A"), student("A", "Law")]
    university.write(D1, [*both, student("B"), student("C")])
    university.write(D2, [student("A"), student("B"), student("B", "Music"), student("E", "Law")])
    university.write(
        D3, [student("A"), *map(student, "BC"), student("C", "Law"), student("E", "Law")]
    )
    take_in(university, D1, D3)
    found = explained(university, D1, D3)
    assert found.total == Bridge(3, new=1, returning=1, dropped=1, after=4)
    assert found.moved == 3
    assert found.people == People(3, 0, 3, 1, 4, passed_through=0, cancelled=1)
    # C, who returns with two programs, is new in both
    assert found.segments["program"] == {
        "Law": Bridge(1, new=2, moved_out=1, after=2),
        "History": Bridge(3, new=1, dropped=1, after=3),
        "Music": Bridge(0, moved_in=1, moved_out=1, after=0),
    }
    assert found.segments["level"] == {"Junior": Bridge(3, new=2, dropped=1, after=4)}
    words = said(explaining(D1, D3, "--dimension", "program"))
    assert "sum 4 +3 -1 +1 -2 5 +1 +33.33" in words
    assert "By level" not in words


def test_a_figure_that_changed_after_its_report_is_shown_with_both_values(university, explaining):
    university.write(D1, people(0, 60))
    university.write(D2, people(0, 61))
    university.write(D3, people(0, 62))
    take_in(university, D1, D3)
    report(university, D2)
    university.write(D2, [*people(1, 61), student("late", program="Law")])
    take_in(university, D2)
    found = explained(university, D1, D3)
    assert found.total == Bridge(60, new=3, returning=1, dropped=2, after=62)
    assert found.restated == [
        Restatement(day(D2), "dropped_students", 0, 1),
        Restatement(day(D2), "new_students", 1, 2),
    ]
    assert found.restated_segments > 0
    words = said(explaining(D1, D3))
    assert "2024-11-26 dropped students 0 1 2024-11-26 added students 1 2" in words
    assert explained(university, D3, D3).restated == []
    assert explained(university, D1, D3, ["level"]).restated_segments < found.restated_segments
    # corrected again: what was reported first, and what holds now
    university.write(D2, [*people(2, 61), student("late", program="Law")])
    take_in(university, D2)
    found = explained(university, D1, D3)
    assert found.total == Bridge(60, new=3, returning=2, dropped=3, after=62)
    assert found.restated == [
        Restatement(day(D2), "dropped_students", 0, 2),
        Restatement(day(D2), "new_students", 1, 2),
        Restatement(day(D2), "total_enrollment", 61, 60),
    ]
    # and set right: the report holds again
    university.write(D2, people(0, 61))
    take_in(university, D2)
    found = explained(university, D1, D3)
    assert (found.restated, found.restated_segments) == ([], 0)


def test_a_day_that_was_reported_and_rejected_is_shown(university, explaining):
    university.write(D1, people(0, 60))
    university.write(D2, people(0, 61))
    take_in(university, D1, D2)
    report(university, D2)
    decided(university, D2, "reject")
    found = explained(university, D1, D2)
    assert (found.last, found.total) == (day(D1), Bridge(60, after=60))
    assert Restatement(day(D2), "total_enrollment", 61, None) in found.restated
    assert "total enrollment 61 none" in said(explaining(D1, D2))


def test_a_day_without_a_snapshot_takes_the_latest_earlier_one_and_says_so(week, explaining):
    found = explained(week, MISSING, REFUSED)
    assert (found.first, found.last, found.total) == (day(D3), day(D3), Bridge(5, after=5))
    done = explaining(CLOSED, D4)
    assert done.returncode == 0
    assert f"{CLOSED} has no accepted snapshot, so the latest earlier one is used: {D3}." in said(
        done
    )
    assert explained(week, CLOSED, D4) == explained(week, D3, D4)


def test_one_day_explains_itself(week, explaining):
    found = explained(week, D2, D2)
    assert found.total == Bridge(5, after=5)
    assert found.people == People(5, 0, 5, 0, 5, 0, 0)
    assert found.segments["program"] == {"History": Bridge(5, after=5)}
    assert (found.gaps, found.not_accepted, found.moved) == ([], [], 0)
    assert explaining(D2, D2).returncode == 0


def test_a_term_that_begins_with_nobody_has_no_percentages(university, explaining):
    university.write(D1, [])
    take_in(university, D1)
    decided(university, D1, "accept")
    university.write(D2, people(0, 3))
    take_in(university, D2)
    found = explained(university, D1, D2)
    assert found.total == Bridge(0, new=3, after=3)
    assert found.people == People(0, 0, 0, 3, 3, 0, 0)
    assert found.segments["program"] == {"History": Bridge(0, new=3, after=3)}
    assert "History 0 +3 0 0 0 0 3 +3 sum" in said(explaining(D1, D2))


def test_a_configuration_without_dimensions_explains_the_total(university, explaining):
    columns = {name: name for name in ("student_id", "term")}
    university.change(columns=columns, dimensions=[])
    university.write(D1, people(0, 3))
    university.write(D2, people(1, 5))
    take_in(university, D1, D2)
    found = explained(university, D1, D2)
    assert (found.total, found.segments) == (Bridge(3, new=2, dropped=1, after=4), {})
    assert explaining(D1, D2).returncode == 0


def eight_days_of_which_six_are_gone(university):
    """Eight days of which the first six are gone; the level came into the configuration later."""
    columns = {name: name for name in ("student_id", "student_name", "term", "program")}
    university.change(
        columns=columns,
        dimensions=["program"],
        retention={"snapshots_days": 1, "runs_days": None},
        quality={"on_doubt": "warn"},
    )
    for number in range(1, 9):
        rows = people(number, number + 60, program="Law" if number < 4 else "History")
        university.write(f"2024-10-0{number}", rows)
    take_in(university, "2024-10-01", "2024-10-08")
    with university.warehouse().connect() as connection:
        old = find_old(connection, university.settings, None, day("2024-10-08"))
        remove(connection, university.settings, None, old, run_id="test")


@pytest.fixture
def pruned(filled_by):
    return filled_by(eight_days_of_which_six_are_gone)


def test_a_pruned_history_still_adds_up_by_its_flows(pruned, explaining):
    found = explained(pruned, "2024-10-01", "2024-10-08")
    assert found.total == Bridge(60, new=7, dropped=7, after=60)
    assert found.segments["program"] == {
        "Law": Bridge(60, new=2, dropped=3, moved_out=59, after=0),
        "History": Bridge(0, new=5, dropped=4, moved_in=59, after=60),
    }
    assert (found.people, found.not_kept) == (None, [day("2024-10-01")])
    words = said(explaining("2024-10-01", "2024-10-08"))
    assert "The snapshot of 2024-10-01 was pruned, so students on both days can no longer" in words
    assert explained(pruned, "2024-10-07", "2024-10-08").people == People(60, 1, 59, 1, 60, 0, 0)


def test_a_dimension_that_came_after_a_day_was_pruned_is_left_out_and_named(pruned, explaining):
    columns = dict(pruned.settings.columns)
    pruned.change(columns={**columns, "level": "level"}, dimensions=["program", "level"])
    pruned.write("2024-10-09", people(9, 69, program="History"))
    take_in(pruned, "2024-10-09")
    found = explained(pruned, "2024-10-02", "2024-10-09")
    assert (list(found.segments), found.unknown_dimensions) == (["program"], ["level"])
    assert "By level: no figures, because not every snapshot from 2024-10-02 to 2024-10-09" in said(
        explaining("2024-10-02", "2024-10-09")
    )
    # The day before was read without it, pruned or not.
    assert explained(pruned, "2024-10-08", "2024-10-09").unknown_dimensions == ["level"]
    pruned.write("2024-10-10", people(9, 69, program="History"))
    take_in(pruned, "2024-10-10")
    assert explained(pruned, "2024-10-09", "2024-10-10").unknown_dimensions == []


def test_stale_figures_are_refused_with_what_to_do(university, explaining):
    university.write(D1, people(0, 3))
    university.write(D2, people(0, 5))
    university.write(D3, people(0, 4))
    for date in (D1, D3, D2):
        take_in(university, date, restates=False)
    done = explaining(D1, D3)
    assert done.returncode == 1
    assert f"are stale for {D3}, because a snapshot they depend on has changed" in said(done)
    assert explained(university, D1, D2).total == Bridge(3, new=2, after=5)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            "UPDATE enrollment.enrollment_metrics SET dropped_students = 2 WHERE date = ?",
            (
                "the total of 2024-11-26 is 5 and does not follow from 4 on 2024-11-25 with 2 new, "
                "0 returning, 2 dropped"
            ),
        ),
        (
            (
                "UPDATE enrollment.segment_metrics SET moved_in = 2 WHERE date = ? "
                "AND dimension = 'program' AND segment = 'History'"
            ),
            "program History on 2024-11-27 is 4",
        ),
        (
            "DELETE FROM enrollment.segment_metrics WHERE date = ? - 1 AND segment = 'Law'",
            "program Law on 2024-11-27 is 1",
        ),
        (
            (
                'UPDATE enrollment.student_changes SET "returning" = true '
                "WHERE snapshot_date = ? AND student_id = 'E'"
            ),
            "the sum by division on 2024-11-27 is 5",
        ),
        (
            (
                "UPDATE enrollment.enrollment_spells SET valid_to = ? + 1 WHERE student_id = 'F' "
                "AND valid_to IS NULL"
            ),
            "the number of students stored for 2024-11-27 is 4",
        ),
        (
            (
                "INSERT INTO enrollment.student_changes (snapshot_date, term, change, student_id) "
                "SELECT ?, '2024FA', 'added', 'ghost ' || n FROM range(3) AS ghosts (n)"
            ),
            "the number of students stored for 2024-11-27 is 5",
        ),
    ],
)
def test_figures_that_do_not_add_up_are_an_error_and_never_a_residual(week, damage, words):
    with week.warehouse().connect() as connection:
        connection.execute(damage, [day(D2)])
    with pytest.raises(EnrollmentError, match="do not add up") as caught:
        explained(week, D1, D3)
    assert words in str(caught.value)
    assert "`enrollment rebuild --term 2024FA`" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "words", "code"),
    [
        ((D2, D1), {}, "--from 2024-11-26 is after --to 2024-11-25", 2),
        ((D1, D2), {"term": "2024XX"}, "2024XX is none of the terms in", 2),
        ((D1, D2, "--dimension", "faculty"), {}, "faculty is not a dimension in", 2),
        ((D1, D2, "--top", "0"), {}, "0 is not in the range", 2),
        ((D1, "2199-01-01"), {}, "is in the future", 2),
        (
            ("2024-11-24", D2),
            {},
            "no accepted snapshot on or before 2024-11-24; the first one is of 2024-11-25",
            1,
        ),
        ((D1, D2), {"term": "2025SP"}, "Spring 2025 has no accepted snapshot on or before", 1),
    ],
)
def test_what_cannot_be_explained_is_said_in_words(
    week, arguments, options, words, code, explaining
):
    done = explaining(*arguments, **options)
    assert words in said(done)
    assert done.returncode == code


def test_without_a_warehouse_nothing_is_explained_and_none_is_made(university):
    with pytest.raises(EnrollmentError, match="no warehouse yet"):
        explained(university, D1, D2)
    assert not university.settings.warehouse_path.exists()
    with pytest.raises(ConfigurationError):
        explained(university, D1, D2, term="2024XX")


def test_the_command_shows_figures_and_no_student(week):
    arguments = ("--term", "2024FA", "--from", D1, "--to", D4)
    done = enrollment(week, "explain", *arguments, COLUMNS="80")
    assert done.returncode == 0
    words = said(done)
    assert "on 2024-11-25 4 new to the term +5 returning +1 dropped -4 on 2024-12-01 6" in words
    assert "left: not enrolled on 2024-12-01 -2 still enrolled 2 joined: not enrolled on" in words
    assert "hold 2 more additions and as many drops: students who joined and left" in words
    assert "History 3 +3 +1 -3 +1 -1 4 +1 +25.00" in words
    assert (
        "2024-11-27 to 2024-12-01: closed 2024-11-28; missing 2024-11-29; rejected 2024-11-30"
        in words
    )
    assert "2024-11-30 rejected: " in words
    assert "Name " not in words


LONG = "[bold]Art[/bold] and more of a name than any line can hold, or any reader"


def test_what_is_not_shown_stands_there_as_a_sum_and_names_break_before_figures_do(
    university, explaining
):
    names = [LONG, *"WXYZ"]
    sizes = {D1: (40, 50, 60, 70, 80), D2: (41, 50, 57, 75, 100)}
    for date, counts in sizes.items():
        counted = zip(names, counts, strict=True)
        university.write(date, [student(f"{n} {m}", n) for n, size in counted for m in range(size)])
    take_in(university, D1, D2)
    options = ("--dimension", "program")
    shown = said(explaining(D1, D2, *options, "--top", "2")).split("By program")[1]
    assert "Z 80 +20 0 0 0 0 100 +20 +6.67 Y 70 +5 0 0 0 0 75 +5 +1.67 and 3 more" in shown
    assert "and 3 more 150 +1 0 -3 0 0 148 -2 -0.67 sum 300 +26 0 -3 0 0 323 +23 +7.67" in shown
    assert "X 60" not in shown
    everything = explaining(D1, D2, *options)
    shown = said(everything).split("By program")[1]
    order = [
        shown.index(f" {start} ") for start in ("Z 80", "Y 70", "X 60", "[bold]Art[/bold] and")
    ]
    assert order == sorted(order)
    assert " 40 +1 0 0 0 0 41 +1 +0.33" in shown
    assert "any reader" in " ".join(shown.split())
    assert "more 1" not in shown
    assert (
        max(map(len, everything.stdout.split("By program")[1].splitlines()[:14])) <= 80
    )  # columns


def test_explaining_needs_no_dagster():
    code = (
        "import sys, enrollment_assets.publishing.explanation; sys.exit('dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def in_segment(rows, dimension, segment):
    return {row["student_id"] for row in rows if (row[dimension] or "(not given)") == segment}


@pytest.mark.usefixtures("dagster_home")
@pytest.mark.parametrize("grain", ["student", "registration"])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    files=st.lists(content, min_size=len(DAYS), max_size=len(DAYS)),
    ends=st.tuples(st.integers(0, len(DAYS) - 1), st.integers(0, len(DAYS) - 1)).map(sorted),
    code=st.sampled_from(list(TERMS)),
)
def test_drawn_histories_add_up_as_plain_sets_do(grain, files, ends, code):
    first, last = (DAYS[index] for index in ends)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), grain)
        trial.files = {}
        for index, lines in enumerate(files):
            trial.put(index, lines)
            trial.accept_as_reference(index)
        found = trial.settings
        with Warehouse(found).connect() as connection:
            store_days(connection, found, trial.source, DAYS, run_id="test")
            derive(connection, found, DAYS)
        days = {
            date: reference.stored(rows, by_program=trial.by_program)
            for (term, date), rows in sorted(trial.accepted.items())
            if term == code and date <= last
        }
        starts = [date for date in days if date <= first]
        if not starts:
            with pytest.raises(EnrollmentError, match="no accepted snapshot"):
                explain(found, found.term(code), first, last, found.dimensions)
            return
        result = explain(found, found.term(code), first, last, found.dimensions)
    ids = {date: {row["student_id"] for row in rows} for date, rows in days.items()}
    start, end = starts[-1], max(days)
    new = returning = dropped = 0
    for was, now in pairwise(date for date in days if date >= start):
        ever = set().union(*(ids[date] for date in days if date < now))
        new += len(ids[now] - ever)
        returning += len((ids[now] & ever) - ids[was])
        dropped += len(ids[was] - ids[now])
    assert result.total == Bridge(len(ids[start]), new, returning, dropped, after=len(ids[end]))
    assert result.people is not None
    assert (result.people.stayed, result.people.joined) == (
        len(ids[start] & ids[end]),
        len(ids[end] - ids[start]),
    )
    for dimension, segments in result.segments.items():
        for segment, bridge in segments.items():
            assert bridge.adds_up
            assert (bridge.before, bridge.after) == (
                len(in_segment(days[start], dimension, segment)),
                len(in_segment(days[end], dimension, segment)),
            )
        there = {row[dimension] or "(not given)" for row in (*days[start], *days[end])}
        assert there <= set(segments)
