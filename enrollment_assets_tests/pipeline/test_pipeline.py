"""Small histories through the real job: what the tables say of them."""

import dagster as dg
import pytest

from enrollment_assets_tests.conftest import NEVER_HELD, day, student

D1, D2, D3, D4 = "2024-09-03", "2024-09-04", "2024-09-05", "2024-09-06"


def changes(university, columns="snapshot_date::VARCHAR, change, student_id"):
    return university.query(f"SELECT {columns} FROM enrollment.student_changes ORDER BY ALL")


def metrics(university, columns):
    return university.query(
        f"SELECT {columns} FROM enrollment.enrollment_metrics ORDER BY date, term"
    )


def four_days(university):
    """B drops and returns, C moves, D comes; day three has no file."""
    a, b, c, d = (student(name) for name in "ABCD")
    moved = student("C", program="Music")
    university.write(D1, [a, b, c])
    university.write(D2, [a, c, d])
    university.write(D4, [a, b, moved, d])


def run_four_days(university):
    four_days(university)
    assert university.run(D1, D4).success


@pytest.fixture
def filled(filled_by):
    return filled_by(run_four_days)


def test_adds_drops_moves_and_returns_are_told_apart_over_a_gap(university):
    four_days(university)
    outcome = university.run(D1, D4)
    assert outcome.success
    assert changes(university) == [
        (D2, "added", "D"),
        (D2, "dropped", "B"),
        (D4, "added", "B"),
        (D4, "moved", "C"),
    ]
    returning = changes(university, 'student_id, "returning", baseline_date::VARCHAR')
    assert ("B", True, D2) in returning
    assert ("D", False, D1) in returning
    assert changes(university, "student_id, from_program, program")[-1] == ("D", None, "History")
    assert ("C", "History", "Music") in changes(university, "student_id, from_program, program")
    # the last known place of who dropped
    assert ("B", "History", "History") in changes(university, "student_id, from_program, program")


def test_the_metrics_follow_their_definitions(filled):
    rows = metrics(
        filled,
        "date::VARCHAR, baseline_date::VARCHAR, days_since_baseline, total_enrollment, new_students, "
        "returning_students, dropped_students, moved_students, retained_students, net_change, "
        "gross_enrollment, days_to_start, days_to_census",
    )
    assert rows == [
        (D1, None, None, 3, 0, 0, 0, 0, 3, 0, 3, -8, 6),
        (D2, D1, 1, 3, 1, 0, 1, 0, 2, 0, 4, -9, 5),
        (D4, D2, 2, 4, 1, 1, 0, 1, 3, 1, 4, -11, 3),
    ]
    rates = metrics(filled, "round(retention_rate, 3), round(growth_rate, 3)")
    assert rates == [(None, None), (66.667, 0.0), (100.0, 33.333)]


def test_segments_add_up_to_their_identity(filled):
    rows = filled.query(
        "SELECT segment, total_enrollment, new_students, dropped_students, moved_in, moved_out, "
        "net_change FROM enrollment.segment_metrics WHERE dimension = 'program' AND date = ? "
        "ORDER BY segment",
        day(D4),
    )
    assert rows == [("History", 3, 1, 0, 0, 1, 0), ("Music", 1, 0, 0, 1, 0, 1)]


def test_weeks_begin_on_monday(filled):
    assert filled.query("SELECT * FROM enrollment.weekly_enrollment_summary") == [
        ("2024FA", day("2024-09-02"), pytest.approx(10 / 3), 2, 1, pytest.approx(100 - 100 / 6))
    ]


def test_a_missing_day_is_logged_and_gets_no_figures(university):
    four_days(university)
    outcome = university.run(D1, D4)
    assert university.query(
        "SELECT status, row_count, reasons FROM enrollment.snapshot_log WHERE snapshot_date = ?",
        day(D3),
    )[0][:2] == ("missing", 0)
    assert [(check.name, check.day, check.is_error) for check in outcome.checks] == [
        ("snapshot_present", D3, False)
    ]


def test_a_single_missing_day_fails_with_words_and_keeps_what_stands(filled):
    before = filled.query("FROM enrollment.snapshot_log ORDER BY ALL")
    filled.file(D2).unlink()
    outcome = filled.run(D2)
    assert not outcome.success
    assert "enrollment_snapshot_20240904.csv is not in" in outcome.failures[0]
    assert filled.query("FROM enrollment.snapshot_log ORDER BY ALL") == before
    assert len(changes(filled)) == 4


def test_an_unreadable_day_keeps_the_rows_that_stand_and_a_range_goes_on(filled):
    tables = ["enrollment_snapshots", "snapshot_log", "student_changes", "enrollment_metrics"]
    before = [filled.query(f"FROM enrollment.{table} ORDER BY ALL") for table in tables]
    filled.file(D2).write_bytes(b"\xff\xfe\x00")
    assert not filled.run(D2).success
    assert [filled.query(f"FROM enrollment.{table} ORDER BY ALL") for table in tables] == before
    filled.file(D3).write_bytes(b"<html>")
    assert filled.run(D3, D4).success
    assert filled.query(
        "SELECT status FROM enrollment.snapshot_log WHERE snapshot_date = ?", day(D3)
    ) == [("rejected",)]


def test_a_rerun_changes_nothing(university):
    four_days(university)
    tables = ("enrollment_snapshots", "student_changes", "enrollment_metrics", "segment_metrics")
    university.run(D1, D4)
    once = [university.query(f"FROM enrollment.{table} ORDER BY ALL") for table in tables]
    hashes = university.query("SELECT content_hash FROM enrollment.snapshot_log ORDER BY ALL")
    university.run(D1, D4)
    assert [university.query(f"FROM enrollment.{table} ORDER BY ALL") for table in tables] == once
    assert (
        university.query("SELECT content_hash FROM enrollment.snapshot_log ORDER BY ALL") == hashes
    )


def test_one_day_after_the_other_gives_what_a_range_gives(university, tmp_path):
    four_days(university)
    tables = ("student_changes", "enrollment_metrics", "segment_metrics")
    for date in (D1, D2, D4):
        assert university.run(date).success
    one_by_one = [university.query(f"FROM enrollment.{table} ORDER BY ALL") for table in tables]
    university.change(data_dir="other")
    university.run(D1, D4)
    assert [
        university.query(f"FROM enrollment.{table} ORDER BY ALL") for table in tables
    ] == one_by_one


def test_of_rows_with_one_key_the_smallest_stays_whatever_their_order(university):
    rows = [student("A", "Music"), student("A", "Art"), student("A", "History")]
    university.write(D1, [*rows, *(student(str(n)) for n in range(200))])
    university.write(D2, [*reversed(rows), *(student(str(n)) for n in range(200))])
    outcome = university.run(D1, D2)
    assert changes(university) == []
    assert university.query(
        "SELECT DISTINCT program FROM enrollment.enrollment_snapshots WHERE student_id = 'A'"
    ) == [("Art",)]
    assert university.query(
        "SELECT DISTINCT row_count, student_count, duplicate_count FROM enrollment.snapshot_log"
    ) == [(203, 201, 2)]
    assert outcome.checks == []


def test_too_many_duplicates_are_refused(university):
    university.change(quality={"reject_floor": 0})
    university.write(D1, [student("A"), student("A"), student("B")])
    outcome = university.run(D1)
    assert (
        "1 of 3 rows (33.3%) are duplicates; quality.max_duplicate_rate is 0.01"
        in (outcome.failures[0])
    )
    university.change(quality={"reject_floor": 0, "max_duplicate_rate": 0.5})
    outcome = university.run(D1)
    assert outcome.success
    assert outcome.checks == []


def test_rows_without_an_id_or_of_an_unknown_term_are_quarantined_and_counted(university):
    import duckdb

    rows = [student(str(n)) for n in range(30)]
    university.write(D1, [*rows, student("  "), student("X", term="9999")])
    outcome = university.run(D1)
    assert university.query(
        "SELECT term, row_count, missing_count FROM enrollment.snapshot_log"
    ) == [("2024FA", 31, 1)]
    path = university.settings.data_path / "quarantine" / D1 / "rows.parquet"
    assert path.stat().st_mode & 0o777 == 0o600
    found = duckdb.sql(f"SELECT standing, count(*) FROM '{path}' GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("no_id", 1), ("unknown_term", 1)]
    assert [(check.name, check.is_error) for check in outcome.checks] == [
        ("invalid_data_formats", True)
    ]


def test_terms_overlap_and_a_term_that_ends_is_no_mass_drop(university):
    def both(date):
        university.write(
            date, [student("A"), student("A", term="2025SP"), student("B", term="2025SP")]
        )

    both("2024-12-19")
    both("2024-12-20")
    university.write("2024-12-21", [student("A"), student("A", term="2025SP")])
    outcome = university.run("2024-12-19", "2024-12-21")
    assert outcome.success
    assert metrics(university, "date::VARCHAR, term, total_enrollment, dropped_students") == [
        ("2024-12-19", "2024FA", 1, 0),
        ("2024-12-19", "2025SP", 2, 0),
        ("2024-12-20", "2024FA", 1, 0),
        ("2024-12-20", "2025SP", 2, 0),
        ("2024-12-21", "2025SP", 1, 1),
    ]


def test_a_student_of_several_programs_counts_once_and_moves_as_a_set(university):
    university.change(grain="registration")
    university.write(D1, [student("A", "Music"), student("A", "Art"), student("B", "Art")])
    university.write(D2, [student("A", "Art"), student("A", "Law"), student("B", "Art")])
    university.run(D1, D2)
    assert metrics(university, "total_enrollment, moved_students, net_change") == [
        (2, 0, 0),
        (2, 1, 0),
    ]
    assert changes(university, "student_id, from_program, program") == [
        ("A", "Art; Music", "Art; Law")
    ]
    assert university.query(
        "SELECT segment, total_enrollment, moved_in, moved_out FROM enrollment.segment_metrics "
        "WHERE dimension = 'program' AND date = ? ORDER BY segment",
        day(D2),
    ) == [("Art", 2, 0, 0), ("Law", 1, 1, 0), ("Music", 0, 0, 1)]


def test_only_counted_statuses_count_and_unknown_ones_are_reported(university):
    university.change(
        statuses={"counted": ["E", "R"], "ignored": ["W"]},
        exclude=[{"column": "student_id", "pattern": "^TEST"}],
    )
    university.write(
        D1,
        [
            student("A", status="E"),
            student("B", status="R"),
            student("C", status="W"),
            student("D", status="??"),
            student("TEST1", status="E"),
        ],
    )
    outcome = university.run(D1)
    assert metrics(university, "total_enrollment") == [(2,)]
    assert [(check.name, check.is_error) for check in outcome.checks] == [
        ("invalid_data_formats", False)
    ]
    assert outcome.checks[0].figures["rows_of_unknown_status"] == 1


def test_without_a_term_column_the_open_term_is_taken(university):
    university.change(
        columns={"student_id": "student_id", "program": "program"}, dimensions=["program"]
    )
    university.write(D1, [student("A")])
    university.write("2024-11-04", [student("A")])
    assert university.run(D1).success
    assert metrics(university, "term, total_enrollment") == [("2024FA", 1)]
    outcome = university.run("2024-11-04")
    assert "set a term column under columns" in outcome.failures[0]


def test_no_dimensions_at_all_still_give_adds_and_drops(university):
    university.change(columns={"student_id": "student_id", "term": "term"}, dimensions=[])
    university.write(D1, [student("A")])
    university.write(D2, [student("B")])
    assert university.run(D1, D2).success
    assert changes(university) == [(D2, "added", "B"), (D2, "dropped", "A")]
    assert university.query("SELECT count(*) FROM enrollment.segment_metrics") == [(0,)]


def test_the_first_snapshot_must_hold_somebody(university):
    university.write(D1, [])
    outcome = university.run(D1)
    assert "the term is open, but the snapshot has no rows for it" in outcome.failures[0]
    university.change(statuses={"counted": ["E"]})
    university.write(D1, [student("A")])
    outcome = university.run(D1)
    assert "none of the 1 rows counts as enrolled" in outcome.failures[0]
    assert university.query("SELECT status, row_count FROM enrollment.snapshot_log") == [
        ("rejected", 1)
    ]


def test_before_its_first_student_an_open_term_may_be_absent_beside_others(university):
    university.write("2024-11-04", [student("A")])
    assert university.run("2024-11-04").success
    assert university.query("SELECT term, status FROM enrollment.snapshot_log") == [
        ("2024FA", "accepted")
    ]


def test_on_a_day_with_one_term_refused_the_others_get_their_figures_and_no_report(university):
    from enrollment_assets.pipeline.names import DAILY

    both = [student("A"), student("A", term="2025SP")]
    university.write("2024-11-04", both)
    university.write("2024-11-05", [student("A"), student("B")])
    assert university.run("2024-11-04").success
    outcome = university.run("2024-11-05", job=DAILY)
    assert not outcome.success
    assert (
        "2025SP rejected: the term is open, but the snapshot has no rows for it"
        in outcome.failures[0]
    )
    assert not (university.settings.data_path / "reports" / "2024-11-05").exists()
    assert metrics(university, "date::VARCHAR, total_enrollment, gross_enrollment")[2] == (
        "2024-11-05",
        2,
        2,
    )


def test_rows_of_a_known_term_outside_its_dates_are_counted_and_left_out(university):
    university.write("2024-12-21", [student("A", term="2025SP"), student("B"), student("C")])
    outcome = university.run("2024-12-21")
    assert outcome.success
    assert not outcome.checks
    assert metrics(university, "term, total_enrollment") == [("2025SP", 1)]
    assert university.query(
        "SELECT term, outside_count FROM operations.snapshot_attempts WHERE status = 'outside'"
    ) == [("2024FA", 2)]


def test_between_terms_a_file_without_a_term_column_is_left_alone(university):
    university.change(columns={"student_id": "student_id"}, dimensions=[])
    university.write("2025-06-01", [student("A")])
    outcome = university.run("2025-06-01")
    assert outcome.success
    assert not outcome.checks
    assert university.query("SELECT count(*) FROM operations.snapshot_attempts") == [(0,)]


def test_blank_lines_are_no_rows(university):
    path = university.write(D1, [student("A")])
    path.write_text(path.read_text() + ",,,,,,\n , ,,,,,\n")
    outcome = university.run(D1)
    assert not outcome.checks
    assert university.query("SELECT row_count FROM enrollment.snapshot_log") == [(1,)]


def test_a_program_that_is_empty_counts_as_one_of_a_students_programs(university):
    university.change(grain="registration")
    university.write(D1, [student("A", "Music"), student("A", "")])
    university.write(D2, [student("A", "Music")])
    university.run(D1, D2)
    assert changes(university, "change, from_program, program") == [("moved", "Music", "Music")]
    assert university.query(
        "SELECT segment, total_enrollment, moved_out FROM enrollment.segment_metrics "
        "WHERE dimension = 'program' AND date = ? ORDER BY segment",
        day(D2),
    ) == [("(not given)", 0, 1), ("Music", 1, 0)]


def test_an_expression_that_duckdb_does_not_know_is_named(university):
    university.change(exclude=[{"column": "student_id", "pattern": "^(?!S)"}])
    university.write(D1, [student("A")])
    words = "exclude[0].pattern: ^(?!S) is not an expression that DuckDB supports"
    assert words in university.run(D1).failures[0]


def test_a_damaged_file_does_not_stop_a_range(university):
    university.write(D1, [student("A")])
    university.file(D2).mkdir()
    university.write(D3, [student("A"), student("B")])
    assert university.run(D1, D3).success
    assert metrics(university, "date::VARCHAR, net_change") == [(D1, 0), (D3, 1)]


def test_a_closure_without_a_file_is_neither_missing_nor_late(university):
    university.write("2024-07-03", [student("A")])
    university.write("2024-07-05", [student("A")])
    outcome = university.run("2024-07-03", "2024-07-05")
    assert outcome.checks == []
    assert metrics(university, "date::VARCHAR, days_since_baseline") == [
        ("2024-07-03", None),
        ("2024-07-05", 2),
    ]
    assert university.query("SELECT count(*) FROM enrollment.snapshot_log") == [(2,)]


def test_a_jump_of_the_headcount_is_reported_but_filling_up_is_not(university):
    def people(count):
        return [student(f"{n:04d}") for n in range(count)]

    university.change(quality=NEVER_HELD)
    for date, count in (("2024-06-03", 200), ("2024-06-04", 400), ("2024-06-05", 250)):
        university.write(date, people(count))
    outcome = university.run("2024-06-03", "2024-06-05")
    assert [(check.name, check.day) for check in outcome.checks] == [
        ("enrollment_count_validation", "2024-06-05")
    ]
    assert outcome.checks[0].figures["change_2024FA"] == -150


def test_changes_that_do_not_add_up_fail_their_check(filled, dagster_instance):
    from enrollment_assets.orchestration.assembly import build_defs

    with filled.warehouse().connect() as connection:
        connection.execute("DELETE FROM enrollment.student_changes WHERE change = 'dropped'")
    job = dg.define_asset_job(
        "check",
        dg.AssetSelection.checks(
            dg.AssetCheckKey(dg.AssetKey("student_changes"), "changes_reconcile")
        ),
        partitions_def=None,
    )
    definitions = dg.Definitions.merge(
        build_defs(settings=filled.settings), dg.Definitions(jobs=[job])
    )
    result = definitions.resolve_job_def("check").execute_in_process(
        instance=dagster_instance,
        tags={"dagster/asset_partition_range_start": D1, "dagster/asset_partition_range_end": D4},
    )
    found = {e.partition: (e.passed, e.severity) for e in result.get_asset_check_evaluations()}
    assert found[D2] == (False, dg.AssetCheckSeverity.ERROR)
    assert found[D4][0]


def test_no_value_of_a_student_reaches_an_event(university, dagster_instance):
    marked = student("MARK-ID-77", program="MARK-PROGRAM", student_name="Mark Name")
    university.write(D1, [marked, student("MARK-ID-77", student_name="Mark Name")])
    university.write(D2, [student("B"), student(" ", student_name="Mark Name")])
    university.file(D3).write_text("student_id,student_name\nMARK-ID-77,Mark Name,more\n")
    from enrollment_assets.pipeline.names import DAILY

    university.run(D1, D4, job=DAILY)
    university.run(D3)
    seen = 0
    for run in dagster_instance.get_runs():
        for record in dagster_instance.get_records_for_run(run.run_id).records:
            text = str(record.event_log_entry)
            seen += 1
            for mark in ("MARK-ID", "MARK-PROGRAM", "Mark Name"):
                assert mark not in text
    assert seen > 50


def test_exclude_also_reaches_rows_without_a_term(university, dagster_home):
    university.change(exclude=[{"column": "student_id", "pattern": "^(Summe|TEST)"}])
    rows = [student("1"), student("Summe: 1", term=""), student("TEST2", term="SANDBOX")]
    university.write("2024-09-03", rows)
    outcome = university.run("2024-09-03")
    assert not outcome.failed_error_checks
    assert university.query("SELECT term, status, row_count FROM enrollment.snapshot_log") == [
        ("2024FA", "accepted", 1)
    ]
    university.write("2024-09-03", [*rows, student("3", term="")])
    assert university.run("2024-09-03").failed_error_checks
