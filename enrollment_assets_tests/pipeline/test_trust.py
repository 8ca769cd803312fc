"""What may become history, what a person decides, and that what depends on a day follows it."""

import json
import os
import stat

import duckdb
import pytest

from enrollment_assets.cli.running import decide, execute_and_restate, rebuild
from enrollment_assets.pipeline.days import days_status, stale_ranges
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.pipeline.names import CORE, DAILY, REPORTS
from enrollment_assets_tests.conftest import day, student

D1, D2, D3, D4, D5 = (f"2024-09-0{number}" for number in range(3, 8))
TABLES = ("enrollment_snapshots", "student_changes", "enrollment_metrics", "segment_metrics")


def people(count, start=0, **others):
    return [student(f"{number:05d}", **others) for number in range(start, start + count)]


def run(university, first, last=None, job=CORE):
    return execute_and_restate(university.settings, job, day(first), day(last or first))


def tables(university, *names):
    return [university.query(f"FROM enrollment.{name} ORDER BY ALL") for name in names or TABLES]


def in_order(university, *days):
    """The tables of a fresh warehouse that took these days in order."""
    university.change(data_dir="reference")
    for date in days:
        assert run(university, date).success
    found = tables(university)
    university.change(data_dir="data")
    return found


def totals(university):
    return university.query(
        "SELECT date::VARCHAR, total_enrollment, baseline_date::VARCHAR "
        "FROM enrollment.enrollment_metrics ORDER BY date, term"
    )


def refused(university, date):
    """The refused rows of a day, and the reasons beside them."""
    folder = university.settings.data_path / "quarantine" / date
    reasons = json.loads((folder / "reasons.json").read_text())
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    return {
        about["term"]: (about["reasons"], duckdb.sql(f"FROM '{folder / name}'").fetchall())
        for name, about in reasons.items()
    }


BAD = {
    "cut off": (
        people(40),
        "40 students, 40.0% of the 100 on 2024-09-03; quality.reject_below_share",
    ),
    "twice over": (people(201), "201 students, 201.0% of the 100 on 2024-09-03"),
    "other ids": (
        people(100, start=60),
        "only 40 of the 100 students of 2024-09-03 (40.0%) are in it",
    ),
    "repeated": ([*people(100), *people(2)], "2 of 102 rows (2.0%) are duplicates"),
    "no ids": (
        [*people(100), *[student("") for _ in range(6)]],
        "6 of 106 rows (5.7%) have no student ID",
    ),
    "no such status": (people(100, status="?"), "none of the 100 rows counts as enrolled"),
}


def two_good_days(university):
    university.change(statuses={"counted": ["enrolled"]})
    university.write(D1, people(100))
    university.write(D2, people(101))
    assert run(university, D1, D2).success


@pytest.mark.parametrize(("rows", "words"), BAD.values(), ids=BAD)
def test_a_bad_extract_is_refused_with_its_reason_and_changes_nothing(filled_by, rows, words):
    university = filled_by(two_good_days)
    before = tables(university)
    university.write(D2, rows)
    outcome = run(university, D2, job=DAILY)
    assert not outcome.success
    assert words in outcome.failures[0]
    assert not (university.settings.data_path / "reports").exists()
    assert tables(university) == before
    assert university.query(
        "SELECT status, student_count FROM enrollment.snapshot_log WHERE snapshot_date = ?", day(D2)
    ) == [("accepted", 101)]
    reasons, kept = refused(university, D2)["2024FA"]
    assert words in reasons
    assert len(kept) == len(rows)


def test_a_range_goes_on_over_a_refused_day_marks_it_and_lists_it(university):
    for date, count in ((D1, 100), (D2, 40), (D3, 102)):
        university.write(date, people(count))
    outcome = run(university, D1, D3)
    assert outcome.success
    assert not outcome.failed_error_checks
    assert [(check.name, check.day) for check in outcome.checks] == [("snapshot_present", D2)]
    assert totals(university) == [(D1, 100, None), (D3, 102, D1)]
    assert [str(d) for d in days_status(university.settings)[0].rejected] == [D2]


def test_bounds_are_settings_and_small_terms_are_not_judged_by_shares(university):
    university.write(D1, people(49))
    university.write(D2, people(10))
    university.write(D3, people(60))
    university.write(D4, people(130))
    university.change(quality={"reject_above_share": 3, "hold_above_share": 3})
    assert run(university, D1, D4).success
    assert [row[1] for row in totals(university)] == [49, 10, 60, 130]


def test_terms_are_judged_one_by_one(university):
    spring = people(100, term="2025SP")
    university.write("2024-11-04", [*people(100), *spring])
    university.write("2024-11-05", [*people(30), *spring, student("X", term="2025SP")])
    assert run(university, "2024-11-04").success
    outcome = run(university, "2024-11-05", job=DAILY)
    assert "2024FA rejected: 30 students, 30.0% of the 100 on 2024-11-04" in outcome.failures[0]
    assert not (university.settings.data_path / "reports" / "2024-11-05").exists()
    assert [row[1] for row in totals(university)] == [100, 100, 101]


def test_a_new_try_that_is_refused_sends_no_report_although_older_rows_stand(university):
    spring = people(100, term="2025SP")
    university.write("2024-11-04", [*people(100), *spring])
    assert run(university, "2024-11-04", job=DAILY).success
    page = university.settings.data_path / "reports" / "2024-11-04" / "report.html"
    written = page.stat().st_mtime_ns
    university.write("2024-11-04", [*people(100), *spring[:1], *spring[:10]])
    outcome = run(university, "2024-11-04", job=DAILY)
    assert not outcome.success
    assert "No report of 2024-11-04: 2025SP rejected: 1 of 11 rows" in outcome.failures[0]
    assert page.stat().st_mtime_ns == written


def test_the_same_rows_again_only_warn_and_only_where_days_usually_differ(university):
    dates = ["2024-09-03", "2024-09-04", "2024-09-05", "2024-09-06", "2024-09-09"]
    for number, date in enumerate(dates[:4]):
        university.write(date, people(100 + number))
    university.write(dates[4], people(103))
    outcome = run(university, dates[0], dates[4])
    assert [(check.name, check.day, check.is_error) for check in outcome.checks] == [
        ("snapshot_present", "2024-09-07", False),
        ("snapshot_present", "2024-09-08", False),
        ("snapshot_differs", "2024-09-09", False),
    ]
    for date in dates:
        university.write(date, people(103))
    outcome = run(university, dates[0], dates[4])
    assert "snapshot_differs" not in {check.name for check in outcome.checks}


def test_a_late_day_restates_what_depends_on_it(university):
    a, b, c = people(3)
    university.write(D1, [a, b])
    university.write(D2, [b, c])
    university.write(D3, [a, b])
    university.write(D4, [a])
    for date in (D1, D3, D4):
        assert run(university, date).success
    outcome = run(university, D2)
    assert outcome.success
    assert outcome.checks == []
    assert tables(university) == in_order(university, D1, D2, D3, D4)
    assert university.query(
        'SELECT student_id, "returning" FROM enrollment.student_changes WHERE change = $$added$$ '
        "AND snapshot_date = ?",
        day(D3),
    ) == [("00000", True)]


def test_the_check_fails_on_later_days_until_they_are_restated(university, dagster_instance):
    for number, date in enumerate((D1, D2, D3)):
        university.write(date, people(3 + number))
    university.run(D1)
    university.run(D3)
    late = university.run(D2)  # without the restatement that commands and the daemon make
    assert [(check.name, check.day, check.is_error) for check in late.checks] == [
        ("baseline_is_current", D3, False)
    ]
    assert stale_ranges(university.settings) == [(day(D3), day(D3))]
    assert [str(d) for d in days_status(university.settings)[0].stale] == [D3]
    from enrollment_assets.cli.running import restate

    (restated,) = restate(university.settings)
    assert restated.success
    assert restated.checks == []
    assert stale_ranges(university.settings) == []


@pytest.mark.parametrize("order", [(D3, D2, D1), (D2, D1, D3), (D3, D1, D2)])
def test_any_order_of_single_runs_gives_the_same_tables(university, order):
    university.write(D1, people(5))
    university.write(D2, people(4, start=2))
    university.write(D3, people(6))
    for date in order:
        assert run(university, date).success
    assert tables(university) == in_order(university, D1, D2, D3)


def test_a_day_says_what_the_source_said_at_its_last_run(university):
    university.write(D1, people(60))
    university.write(D2, people(61))
    assert run(university, D1, D2).success
    assert run(university, D2, job=DAILY).success
    page = university.settings.data_path / "reports" / D2 / "report.html"
    assert "Restated since" not in page.read_text()
    first_hash = university.query(
        "SELECT content_hash FROM enrollment.snapshot_log ORDER BY snapshot_date"
    )
    university.write(D2, [*people(61), student("late", program="Law")])
    assert run(university, D2).success
    second_hash = university.query(
        "SELECT content_hash FROM enrollment.snapshot_log ORDER BY snapshot_date"
    )
    assert first_hash[0] == second_hash[0]
    assert first_hash[1] != second_hash[1]
    assert university.query(
        "SELECT metric, old_value, new_value FROM enrollment.metric_restatements "
        "WHERE dimension IS NULL AND metric IN ('total_enrollment', 'new_students') ORDER BY metric"
    ) == [("new_students", 1.0, 2.0), ("total_enrollment", 61.0, 62.0)]
    assert university.query(
        "SELECT old_value, new_value FROM enrollment.metric_restatements "
        "WHERE segment = 'Law' AND metric = 'total_enrollment'"
    ) == [(None, 1.0)]
    text = page.read_text()
    assert "Restated since" in text
    assert "<td>61</td><td>62</td>" in text
    # a rerun that changes nothing restates nothing
    count = university.query("SELECT count(*) FROM enrollment.metric_restatements")
    assert run(university, D2, job=DAILY).success
    assert university.query("SELECT count(*) FROM enrollment.metric_restatements") == count
    assert page.read_text().count("Restated since") == 1


def test_figures_that_nobody_reported_are_restated_in_silence(university):
    university.write(D1, people(3))
    run(university, D1)
    university.write(D1, people(4))
    run(university, D1)
    assert university.query("SELECT count(*) FROM enrollment.metric_restatements") == [(0,)]


def test_a_late_day_is_told_on_the_page_of_the_report_that_it_overtook(university):
    university.write(D1, people(5))
    university.write(D2, people(4))
    university.write(D3, people(5))
    run(university, D1)
    assert run(university, D3, job=DAILY).success
    assert run(university, D2).success
    page = university.settings.data_path / "reports" / D3 / "report.html"
    assert "New, Fall 2024</th><td>0</td><td>1</td>" in page.read_text()
    assert university.query("SELECT DISTINCT date FROM enrollment.metric_restatements") == [
        (day(D3),)
    ]


def throw_out(university, date, term=None):
    return decide(university.settings, day(date), DecisionKind.reject, term, "wrong file", "ana")


def take_in(university, date, term=None):
    return decide(university.settings, day(date), DecisionKind.accept, term, "it is so", "ana")


def test_a_refused_snapshot_is_taken_in_on_purpose(university):
    university.write(D1, people(100))
    university.write(D2, people(40))
    university.write(D3, people(41))
    run(university, D1, D3)
    university.file(D2).unlink()  # the source may have moved on: the kept rows count
    assert take_in(university, D2).success
    assert totals(university) == [(D1, 100, None), (D2, 40, D1)]
    assert run(university, D3).success
    assert totals(university)[2] == (D3, 41, D2)
    assert university.query(
        "SELECT status, decided_by, reasons FROM operations.snapshot_attempts "
        "WHERE decided_by IS NOT NULL"
    ) == [("accepted", "ana", "accepted by ana: it is so")]
    # the same rows are not refused again
    university.write(D2, people(40))
    assert run(university, D2).success
    assert totals(university)[1] == (D2, 40, D1)


def test_a_snapshot_that_is_thrown_out_restates_what_depended_on_it(university):
    for number, date in enumerate((D1, D2, D3, D4)):
        university.write(date, people(60 + number))
    run(university, D1, D4)
    assert run(university, D2, job=DAILY).success
    assert throw_out(university, D2).success
    assert totals(university) == [(D1, 60, None), (D3, 62, D1), (D4, 63, D3)]
    assert university.query(
        "SELECT count(*) FROM enrollment.enrollment_snapshots WHERE snapshot_date = ?", day(D2)
    ) == [(0,)]
    assert university.query(
        "SELECT old_value, new_value FROM enrollment.metric_restatements "
        "WHERE metric = 'total_enrollment' AND dimension IS NULL"
    ) == [(61.0, None)]
    page = university.settings.data_path / "reports" / D2 / "report.html"
    assert "<td>61</td><td>none</td>" in page.read_text()
    # the same rows do not come back by a rerun, other ones do
    outcome = run(university, D2)
    assert "the same rows were rejected by ana: wrong file" in outcome.failures[0]
    assert take_in(university, D2).success
    assert totals(university)[1] == (D2, 61, D1)
    assert throw_out(university, D2).success
    university.write(D2, people(62))
    assert run(university, D2).success
    assert tables(university) == in_order(university, D1, D2, D3, D4)


def test_one_term_of_a_day_is_thrown_out(university):
    university.write("2024-11-04", [*people(5), *people(4, term="2025SP")])
    run(university, "2024-11-04")
    assert throw_out(university, "2024-11-04", "2025SP").success
    assert university.query("SELECT term FROM enrollment.enrollment_metrics") == [("2024FA",)]


def test_nothing_to_decide_about_is_said_in_words(university):
    university.write(D1, people(5))
    run(university, D1)
    assert "has no held or rejected rows for 2024-09-03" in take_in(university, D1).failures[0]
    assert (
        "2024-09-04 has no accepted or held snapshot to reject"
        in throw_out(university, D2).failures[0]
    )
    assert (
        "has no accepted or held snapshot of 2025SP to reject"
        in throw_out(university, D1, "2025SP").failures[0]
    )
    assert totals(university) == [(D1, 5, None)]


def test_an_empty_term_may_be_accepted_and_stays_so(university):
    university.write(D1, people(60))
    university.write(D2, [])
    university.write(D3, [])
    run(university, D1, D2)
    assert take_in(university, D2).success
    assert run(university, D3).success
    assert totals(university) == [(D1, 60, None), (D2, 0, D1), (D3, 0, D2)]


def test_a_term_whose_dates_were_edited_is_rebuilt(university):
    for number, date in enumerate((D1, D2, D3, D4)):
        university.write(date, people(60 + number))
    first = university.settings.model_dump(mode="json")["terms"]

    def dates(**changes):
        university.change(terms=[{**first[0], **changes}, first[1]])

    dates(registration_opens=D2, ends=D3, starts=D2, census=D2)
    run(university, D1, D4)
    assert [row[0] for row in totals(university)] == [D2, D3]
    dates(registration_opens=D3, starts=D4, census=D4)
    assert stale_ranges(university.settings) == [(day(D2), day(D3))]
    outcome = rebuild(university.settings, "2024FA", "ana")
    assert outcome.success, outcome.failures
    assert tables(university) == in_order(university, D3, D4)
    assert university.query(
        "SELECT date::VARCHAR, days_to_start FROM enrollment.enrollment_metrics ORDER BY date"
    ) == [(D3, 1), (D4, 0)]


def test_a_run_that_died_after_it_took_in_a_day_is_made_good_by_the_next(university):
    a, b, c = people(3)
    university.write(D1, [a, b])
    university.write(D2, [b])
    university.write(D3, [a, b, c])
    run(university, D1)
    from enrollment_assets.pipeline.ingest.intake import store_days
    from enrollment_assets.sources.configured import source_for

    settings = university.settings
    with university.warehouse().connect() as connection:
        store_days(connection, settings, source_for(settings), [day(D2)], run_id="died")
    assert run(university, D3, job=DAILY).success
    assert tables(university) == in_order(university, D1, D2, D3)
    # the report was made after what the dead run had left was made good
    assert university.query("SELECT count(*) FROM enrollment.metric_restatements") == [(0,)]


def test_a_day_larger_than_a_batch_is_taken_in_whole(university, monkeypatch):
    from enrollment_assets.pipeline.ingest import staging

    monkeypatch.setattr(staging, "_BATCH_ROWS", 30)
    university.write(D1, people(100))
    university.write(D2, people(40))
    run(university, D1, D2)
    assert take_in(university, D2).success
    assert totals(university) == [(D1, 100, None), (D2, 40, D1)]


def test_rows_that_cannot_stand_are_not_accepted_as_nobody(university):
    university.write(D1, people(100))
    university.write(D2, people(40))
    run(university, D1, D2)
    before = tables(university, *TABLES[:2])
    university.change(statuses={"counted": ["other"]})
    assert "None of the 40 quarantined rows of 2024FA on" in take_in(university, D2).failures[0]
    terms = university.settings.model_dump(mode="json")["terms"]
    university.change(statuses={"counted": None}, terms=[{**terms[0], "ends": D1, "census": D1}])
    assert "2024FA is not open on 2024-09-04" in take_in(university, D2).failures[0]
    assert tables(university, *TABLES[:2]) == before


def test_a_refusal_that_was_overtaken_is_not_accepted_by_mistake(university):
    university.write(D1, people(100))
    university.write(D2, people(40))
    run(university, D1, D2)
    university.write(D2, people(101))
    run(university, D2)
    outcome = take_in(university, D2)
    assert "2024-09-04 was accepted after that rejection" in outcome.failures[0]
    assert totals(university)[1] == (D2, 101, D1)


def test_older_refused_rows_are_kept_beside_newer_ones(university):
    university.write(D1, people(100))
    university.write(D2, people(101))
    run(university, D1, D2)
    assert throw_out(university, D2).success
    university.write(D2, people(10))
    assert not run(university, D2).success
    folder = university.settings.data_path / "quarantine" / D2
    counts = [
        duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchone()[0]
        for path in sorted(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    ]
    assert counts == [101, 10]
    reasons = json.loads((folder / "reasons.json").read_text())
    assert sorted(about["rows"] for about in reasons.values()) == [10, 101]


def test_a_rerun_of_a_day_that_a_person_accepted_keeps_the_decision(university):
    university.write(D1, [*people(60), *people(5)])
    run(university, D1)
    assert take_in(university, D1).success
    outcome = run(university, D1, job=DAILY)
    assert outcome.success
    assert outcome.checks == []
    assert university.query("SELECT reasons FROM enrollment.snapshot_log") == [
        ("accepted by ana: it is so",)
    ]


def test_a_restatement_that_died_before_it_was_told_is_told_by_the_next_run(university):
    from enrollment_assets.publishing.reports.restatements import append_restatements

    university.write(D1, people(60))
    run(university, D1, job=DAILY)
    page = university.settings.data_path / "reports" / D1 / "report.html"
    university.write(D1, people(61))
    settings = university.settings
    from enrollment_assets.pipeline.ingest.intake import store_days
    from enrollment_assets.schema.catalog import lineage
    from enrollment_assets.sources.configured import source_for
    from enrollment_assets.warehouse.derive import Statement, write_statement

    with university.warehouse().connect() as connection:
        store_days(connection, settings, source_for(settings), [day(D1)], run_id="died")
        for name in lineage(settings).core:
            write_statement(connection, settings, Statement(name), [day(D1)], run_id="died")
    # the report is made anew before anybody told of the change
    assert execute_and_restate(settings, REPORTS, day(D1), day(D1)).success
    assert university.query(
        "SELECT old_value, new_value FROM enrollment.metric_restatements "
        "WHERE metric = 'total_enrollment' AND dimension IS NULL"
    ) == [(60.0, 61.0)]
    assert "Restated since" in page.read_text()
    university.write(D1, people(62))
    run(university, D1)
    page.write_text(page.read_text().replace("Restated since", "nothing told"))
    os.utime(page, (0, 0))  # as if the run had died before it told so on the page
    university.write(D2, people(62))
    run(university, D2)
    assert "Restated since" in page.read_text()
    with university.warehouse().connect() as connection:
        assert append_restatements(connection, settings, run_id="again") == {}
