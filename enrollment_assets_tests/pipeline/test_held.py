"""A snapshot that looks like a fault waits for a person, and what a person decides about it."""

import json

import pytest

from enrollment_assets.cli.running import decide, execute_and_restate
from enrollment_assets.pipeline.days import days_status, waiting_since
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.pipeline.names import CORE, DAILY
from enrollment_assets_tests.conftest import day, student

D1, D2, D3, D4, D5 = (f"2024-09-0{number}" for number in range(3, 8))
PROGRAMS = ("History", "Law", "Music", "Physics")
CLASS = 400


def people(count=CLASS, start=0, **others):
    """Students of several programs; each has a name of their own."""
    return [
        student(f"{number:05d}", PROGRAMS[number % len(PROGRAMS)], **others)
        for number in range(start, start + count)
    ]


def without(rows, share):
    """Rows without this share of them, evenly from all programs."""
    every = round(1 / share)
    return [row for number, row in enumerate(rows) if number // len(PROGRAMS) % every]


def changed(rows, share, **values):
    """Rows of which this share has other values; a function gives the new value from the old one."""
    count = round(len(rows) * share)
    return [
        {
            **row,
            **{
                name: value(row[name]) if callable(value) else value
                for name, value in values.items()
            },
        }
        if number < count
        else row
        for number, row in enumerate(rows)
    ]


def run(university, first, last=None, job=CORE):
    return execute_and_restate(university.settings, job, day(first), day(last or first))


def headcounts(university):
    return university.query(
        "SELECT date::VARCHAR, total_enrollment FROM enrollment.enrollment_metrics ORDER BY date, term"
    )


def log(university):
    return university.query(
        "SELECT snapshot_date::VARCHAR, term, status FROM enrollment.snapshot_log ORDER BY ALL"
    )


def first_day(university):
    university.write(D1, people())
    assert run(university, D1).success


NO_ZEROS = {"student_id": lambda text: text.lstrip("0") or "0"}

FAULTS = {
    "cut off at 60%": (
        people()[: CLASS * 6 // 10],
        "160 of the 400 students of 2024-09-03 (40.0%)",
    ),
    "a tenth is missing": (without(people(), 0.1), "(10.0%) are gone; quality.hold_below_share"),
    "a program is gone": (
        [row for row in people() if row["program"] != "Law"],
        "program Law is gone with its 100 students, who are in no other segment either.",
    ),
    "zeros lost on 30%": (
        changed(people(), 0.3, **NO_ZEROS),
        "look like added ones with the ID in another form (leading zeros differ in 120)",
    ),
    "other ids on 5%": (
        changed(people(), 0.05, student_id=lambda text: f"A-{text}"),
        "ID in another form",
    ),
    "an invisible sign": (
        # in the middle; around a value it is no part of it
        changed(people(), 0.05, student_id=lambda text: f"{text[:3]}\u200b{text[3:]}"),
        "marks or other signs differ in 20",
    ),
    "new ids, same names": (
        changed(people(), 0.1, student_id=lambda text: f"{int(text) * 7919 + 1_000_000}"),
        "40 have the same name and segments under another ID",
    ),
    "program empty": (changed(people(), 0.9, program=""), "program is now empty for 360"),
    "program spelled otherwise": (
        changed(people(), 0.3, program=str.upper),
        "program is now spelled otherwise for 120",
    ),
    "codes instead of names": (
        changed(people(), 0.5, program=lambda name: f"P{len(name)}"),
        "a value that nobody had before for 200",
    ),
    "everybody moved": (
        changed(people(), 0.8, program=lambda name: PROGRAMS[PROGRAMS.index(name) - 1]),
        "program changed for 320 of 400 students in a day",
    ),
    "other people, too": (
        [*people(), *people(150, start=5_000)],
        "after the term has started; quality.hold_above_share is 1.25",
    ),
}


@pytest.mark.parametrize(("rows", "words"), FAULTS.values(), ids=FAULTS)
def test_what_looks_like_a_fault_is_held_with_its_reason_and_changes_nothing(
    filled_by, rows, words
):
    university = filled_by(first_day)
    before = headcounts(university)
    university.write(D2, rows)
    outcome = run(university, D2, job=DAILY)
    assert not outcome.success
    (failure,) = outcome.failures
    assert words in failure
    assert f"enrollment accept --date {D2} --reason" in failure
    assert f"enrollment reject --date {D2} --reason" in failure
    assert "Name 0" not in failure
    assert headcounts(university) == before
    assert log(university) == [(D1, "2024FA", "accepted"), (D2, "2024FA", "held")]
    assert not (university.settings.data_path / "reports" / D2).exists()


FINE = {
    "6% leave": without(people(), 0.06),
    "growth within bounds": people(CLASS * 12 // 10),
    "a small program closes": [*people()[:-15]],
    "a twentieth moves": changed(people(), 0.05, program="Law"),
    "a few ids differ": changed(people(), 0.02, **NO_ZEROS),
}


@pytest.mark.parametrize("rows", FINE.values(), ids=FINE)
def test_ordinary_days_are_not_held(filled_by, rows):
    university = filled_by(first_day)
    university.write(D2, rows)
    assert run(university, D2).success
    assert [count for _, count in headcounts(university)] == [CLASS, len(rows)]


def test_before_the_start_a_term_may_grow_by_any_number(university):
    university.write("2024-05-01", people(100))
    university.write("2024-05-02", people(190))
    assert run(university, "2024-05-01", "2024-05-02").success
    assert [count for _, count in headcounts(university)] == [100, 190]


def test_a_status_that_is_spelled_otherwise_is_held(filled_by):
    university = filled_by(first_day)
    university.change(statuses={"counted": ["enrolled"]})
    university.write(D2, changed(people(), 0.3, status="ENROLLED"))
    (failure,) = run(university, D2).failures
    assert "120 of the 400 students of 2024-09-03 (30.0%) are gone" in failure
    assert "120 rows have a status that is neither counted nor ignored." in failure


def test_the_days_after_a_held_one_are_judged_against_it_too_and_accepted_in_one_go(
    filled_by, command
):
    university = filled_by(first_day)
    half = without(people(), 0.25)
    for number, date in enumerate((D2, D3, D4)):
        university.write(date, [*half, *people(number, start=2_000)])
    for date, words in ((D2, "are gone"), (D3, "the second day in a row"), (D4, "the third day")):
        (failure,) = run(university, date).failures
        assert words in failure
    assert f"enrollment accept --from {D2} --reason" in failure
    assert [str(date) for date in waiting_since(university.settings, day(D2), None)] == [D2, D3, D4]
    done = command("accept", "--from", D2, "--reason", "two programs were closed", "--by", "ana")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [count for _, count in headcounts(university)] == [400, 300, 301, 302]
    assert university.query(
        "SELECT DISTINCT status, reasons, decided_by FROM operations.snapshot_attempts "
        "WHERE decided_by IS NOT NULL"
    ) == [("accepted", "accepted by ana: two programs were closed", "ana")]
    for date in (D2, D3, D4):
        assert (university.settings.data_path / "reports" / date / "report.html").exists()
    # A rerun of the same files undoes nothing.
    assert run(university, D2, D4).success
    assert [count for _, count in headcounts(university)] == [400, 300, 301, 302]


def test_a_day_that_agrees_with_the_last_accepted_one_goes_on_over_a_held_one(filled_by):
    university = filled_by(first_day)
    university.write(D2, people()[:250])
    university.write(D3, people(401))
    outcome = run(university, D2, D3)
    assert outcome.success
    assert [(check.name, check.day) for check in outcome.checks] == [("snapshot_present", D2)]
    assert headcounts(university) == [(D1, 400), (D3, 401)]
    assert [str(date) for date in days_status(university.settings)[0].held] == [D2]


def test_range_runs_and_single_runs_hold_the_same_days(filled_by):
    university = filled_by(first_day)
    for date, rows in ((D2, people()[:250]), (D3, people()[:251]), (D4, people(402))):
        university.write(date, rows)
    run(university, D2, D4)
    reasons = "SELECT snapshot_date, status, reasons, held_since FROM operations.snapshot_attempts "
    in_range = university.query(reasons + "ORDER BY ALL")
    university.change(data_dir="single")
    for date in (D1, D2, D3, D4):
        run(university, date)
    assert university.query(reasons + "ORDER BY ALL") == in_range
    assert [status for _, status, *_ in in_range] == ["accepted", "held", "held", "accepted"]


def test_a_held_day_may_be_discarded_and_does_not_come_back(filled_by):
    university = filled_by(first_day)
    university.write(D2, people()[:250])
    run(university, D2)
    decide(university.settings, day(D2), DecisionKind.reject, None, "cut off", "ana")
    assert log(university)[1] == (D2, "2024FA", "rejected")
    outcome = run(university, D2)
    assert not outcome.success
    assert "the same rows were rejected by ana: cut off" in outcome.failures[0]
    # The corrected file is loaded as on any day.
    university.write(D2, people(402))
    assert run(university, D2).success
    assert headcounts(university) == [(D1, 400), (D2, 402)]


def test_a_held_try_of_an_accepted_day_leaves_its_rows(filled_by):
    university = filled_by(first_day)
    university.write(D2, people(402))
    assert run(university, D2).success
    university.write(D2, people()[:250])
    outcome = run(university, D2, job=DAILY)
    assert not outcome.success
    assert headcounts(university) == [(D1, 400), (D2, 402)]
    assert decide(
        university.settings, day(D2), DecisionKind.accept, None, "a new rule", "ana"
    ).success
    assert headcounts(university) == [(D1, 400), (D2, 250)]
    assert run(university, D2).success
    assert headcounts(university) == [(D1, 400), (D2, 250)]


def test_only_the_term_in_doubt_is_held(university):
    first, second = "2024-11-04", "2024-11-05"
    spring = people(300, term="2025SP")
    university.write(first, [*people(), *spring])
    university.write(second, [*people(401), *spring[:200]])
    run(university, first)
    (failure,) = run(university, second, job=DAILY).failures
    assert "2025SP held" in failure
    assert f"enrollment accept --date {second} --term 2025SP --reason" in failure
    assert log(university)[2:] == [(second, "2024FA", "accepted"), (second, "2025SP", "held")]


def test_a_corrected_file_overtakes_the_verdict_on_each_term(university, command):
    """A file with a wrong header is refused for each open term; the corrected one has one of them."""
    first, second = "2024-11-04", "2024-11-05"
    university.write(first, people())
    assert run(university, first).success
    university.file(second).write_text("id,who\n1,Ana\n", encoding="utf-8")
    (failure,) = run(university, second, job=DAILY).failures
    assert "Correct the extract and run the day again" in failure
    assert "accept" not in failure
    university.write(second, people(401))
    outcome = run(university, second, job=DAILY)
    assert outcome.success, outcome.failures
    assert (university.settings.data_path / "reports" / second / "report.html").exists()
    assert {term: status for _, term, status in log(university)[1:]} == {"2024FA": "accepted"}


PURGE = {"date": D2, "name": "payment purge", "expected_share": 0.2}


def test_a_loss_that_the_calendar_names_does_not_hold_the_day(filled_by):
    university = filled_by(first_day)
    university.change(calendar={"events": [PURGE]})
    university.write(D2, without(people(), 0.2))
    assert run(university, D2).success
    # Half of all is more than the event takes.
    university.write(D3, people()[:130])
    university.change(calendar={"events": [{**PURGE, "date": D3}]})
    assert not run(university, D3).success
    assert [count for _, count in headcounts(university)] == [400, 320]


def test_a_loss_that_an_earlier_term_had_at_this_point_does_not_hold_the_day(university):
    terms = university.settings.model_dump(mode="json")["terms"]
    earlier = {
        "code": "2023FA",
        "registration_opens": "2023-04-03",
        "starts": "2023-08-28",
        "census": "2023-09-11",
        "ends": "2023-12-20",
    }
    university.change(
        start_date="2023-04-03", terms=[earlier, {**terms[0], "comparison": "2023FA"}, terms[1]]
    )
    before, after = "2023-09-04", "2023-09-05"
    university.write(before, people(term="2023FA"))
    university.write(after, without(people(term="2023FA"), 0.2))
    university.write("2024-09-02", people(start=9_000))
    university.write("2024-09-03", without(people(start=9_000), 0.2))
    run(university, before)
    assert not run(university, after).success
    decide(university.settings, day(after), DecisionKind.accept, None, "payment purge", "ana")
    assert run(university, "2024-09-02", "2024-09-03").success
    assert [count for _, count in headcounts(university)] == [400, 320, 400, 320]


@pytest.mark.parametrize(("opens", "count"), [(250, 250), (100, 160)])
def test_a_term_may_double_in_its_first_days_as_an_earlier_one_did(university, opens, count):
    terms = university.settings.model_dump(mode="json")["terms"]
    later = {
        "code": "2025FA",
        "registration_opens": "2025-04-07",
        "starts": "2025-08-25",
        "census": "2025-09-08",
        "ends": "2025-12-19",
        "comparison": "2024FA",
    }
    university.change(terms=[*terms, later])
    first = terms[0]["registration_opens"]
    university.write(first, people(opens))
    university.write("2025-04-07", people(60, term="2025FA", start=9_000))
    university.write("2025-04-08", people(count, term="2025FA", start=9_000))
    assert run(university, first).success
    assert run(university, "2025-04-07", "2025-04-08").success
    # More than half as much again as the earlier term had by then is still refused.
    expected = [opens, 60, count] if count <= 1.5 * opens else [opens, 60]
    assert [students for _, students in headcounts(university)] == expected


def test_with_warn_a_day_in_doubt_is_accepted_and_says_so(filled_by):
    university = filled_by(first_day)
    university.change(quality={"on_doubt": "warn"})
    university.write(D2, people()[:250])
    outcome = run(university, D2, job=DAILY)
    assert outcome.success
    assert ("snapshot_not_in_doubt", False) in [(c.name, c.is_error) for c in outcome.checks]
    assert headcounts(university)[1] == (D2, 250)
    page = (university.settings.data_path / "reports" / D2 / "report.html").read_text()
    assert "Provisional" in page
    assert "was accepted although it looks like a fault" in page


def test_the_reasons_are_beside_the_rows_that_wait(filled_by):
    university = filled_by(first_day)
    university.write(D2, [row for row in people() if row["program"] != "Law"])
    run(university, D2)
    folder = university.settings.data_path / "quarantine" / D2
    (about,) = json.loads((folder / "reasons.json").read_text()).values()
    assert "program Law is gone" in about["reasons"]
    assert about["rows"] == 300


def test_nothing_waits_is_said_in_words(filled_by, command):
    filled_by(first_day)
    done = command("accept", "--from", D1, "--reason", "why not")
    assert done.returncode != 0
    assert "No held or rejected snapshot waits since 2024-09-03" in done.stdout + done.stderr
    done = command("accept", "--reason", "which?")
    assert done.returncode == 2
    assert "Give either --date or --from." in done.stderr


def test_small_terms_are_never_held(university):
    university.write(D1, people(40))
    university.write(D2, people(20))
    assert run(university, D1, D2).success
    assert [count for _, count in headcounts(university)] == [40, 20]


def test_a_column_that_is_read_from_now_on_holds_no_day(university):
    columns = dict(university.settings.columns)
    university.change(
        columns={name: text for name, text in columns.items() if name != "level"},
        dimensions=["division", "program"],
    )
    university.write(D1, people())
    university.write(D2, people()[:250])
    assert run(university, D1, D2).success
    university.change(columns=columns, dimensions=["division", "program", "level"])
    # The held day was kept without the column, and is still compared with what follows.
    university.write(D3, people()[:250])
    assert "the second day in a row" in run(university, D3).failures[0]
    university.write(D4, people(401))
    assert run(university, D4).success
    assert headcounts(university) == [(D1, 400), (D4, 401)]


def test_names_that_differ_by_a_number_alone_are_not_the_same_person(filled_by):
    """Made-up or pseudonymous names, of which some students leave and others come."""
    university = filled_by(first_day)
    university.write(D2, [*people()[20:], *people(30, start=7_000)])
    assert run(university, D2).success
