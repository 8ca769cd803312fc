"""What BI tools open: read back by DuckDB, pandas and pantab, and what must not be in it."""

import datetime as dt
import hashlib
import hmac
import json
import stat
import sys
from csv import reader

import dagster as dg
import duckdb
import pandas as pd
import pantab
import pytest
from click.testing import CliRunner

from enrollment_assets.cli.main import cli
from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.config.sections import Vocabulary
from enrollment_assets.errors import ConfigurationError, WarehouseError
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.in_process import run_in_process
from enrollment_assets.pipeline.names import DAILY, EXPORT_GROUP
from enrollment_assets.publishing.exports import files as exports
from enrollment_assets.publishing.student_lists import file_name
from enrollment_assets.schema.vocabulary import originals, translated
from enrollment_assets_tests.conftest import day, student
from enrollment_assets_tests.support.malicious import malicious_names
from enrollment_assets_tests.support.moments import restate, take_in

FORMULA = "=HYPERLINK(1)"
KEY = "a key of some length"
ALL_FORMATS = {"formats": ["csv", "parquet", "hyper"]}


def people(count, start=0, **others):
    return [student(f"{number:05d}", **others) for number in range(start, start + count)]


def two_days(university):
    """History and Law are large, Rare is small; some come, go and move."""
    first = people(40) + people(30, 100, program="Law", division="Law")
    first += people(4, 200, program="Rare") + people(20, 300, program=FORMULA)
    university.write("2024-09-10", first)
    later = first[2:30] + people(10, 30, program="Law", division="Law") + first[40:]
    later += people(1, 400, student_name="@SUM(A1)")
    university.write("2024-09-11", later)


def two_days_with_insight(university):
    university.change(exports=ALL_FORMATS)
    two_days(university)
    take_in(university, "2024-09-10", "2024-09-11", insight=True)


@pytest.fixture
def filled(filled_by):
    return filled_by(two_days_with_insight)


def publish(university):
    with university.warehouse().connect() as connection:
        return {
            table.name: table
            for table in exports.publish(connection, university.settings, taken_by="a test")
        }


def folder(university):
    return university.settings.data_path / "exports"


def hyper(university, name):
    path = folder(university) / "hyper" / "enrollment.hyper"
    return pantab.frame_from_hyper(path, table=name)


def parquet(university, name):
    return duckdb.read_parquet(str(folder(university) / "parquet" / f"{name}.parquet"))


def csv(university, name):
    return pd.read_csv(folder(university) / "csv" / f"{name}.csv", dtype={"segment": str})


def plain(frame):
    """Rows that can be compared, whoever read them."""
    return [
        tuple(
            None
            if pd.isna(value)
            else str(value)[:10]
            if isinstance(value, dt.date)
            else float(value)
            if isinstance(value, int | float)
            else value
            for value in row
        )
        for row in frame.astype(object).itertuples(index=False)
    ]


def test_every_table_reads_back_the_same_from_all_three_formats(filled):
    written = publish(filled)
    tables = exports.export_tables(filled.settings)
    assert set(written) == set(tables)
    for name, table in tables.items():
        stored = parquet(filled, name)
        assert stored.columns == list(table.column_names)
        assert list(map(str, stored.types)) == [column.type for column in table.columns]
        expected = sorted(plain(stored.df()), key=repr)
        assert len(expected) == written[name].rows
        tableau = hyper(filled, name)
        assert sorted(plain(tableau[list(table.column_names)]), key=repr) == expected
        text = csv(filled, name)
        assert list(text.columns) == list(table.column_names)
        assert len(text) == len(expected)


def test_files_are_for_their_owner_alone_and_no_others_are_left(filled, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    publish(filled)
    # Tableau's process would leave a log of what it was told
    assert list((tmp_path / "here").iterdir()) == []
    for path in folder(filled).rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_withheld_segment_is_in_no_file(filled):
    publish(filled)
    frames = [
        parquet(filled, "fact_segment_daily").df(),
        csv(filled, "fact_segment_daily"),
        hyper(filled, "fact_segment_daily"),
    ]
    for frame in frames:
        rare = frame[frame["segment"] == "Rare"]
        assert set(rare["suppression"]) == {"small"}
        withheld = frame[frame["suppression"].notna()]
        assert len(withheld) > len(rare)
        for column in ("total_enrollment", "net_change", "change", "contribution_pct"):
            assert withheld[column].isna().all(), column
        assert frame["total_enrollment"].dropna().ge(10).all()


def test_an_anomaly_of_a_withheld_segment_loses_name_and_figures(filled):
    told = "more students added than usual, beyond what is expected at census: program {} accounts for 80% of it"
    rows = [
        ("new_students", None, None, told.format("Rare")),
        ("net_change", None, None, told.format("Law")),
        ("new_students program=Rare", "program", "Rare", "more students added than usual"),
        ("net_change program=Rare", "program", "Rare", "the net change is higher than usual"),
        ("new_students division=Law", "division", "Law", "more students added than usual"),
        ("net_change division=Law", "division", "Law", "the net change is higher than usual"),
    ]
    with filled.warehouse().connect() as connection:
        connection.execute("DELETE FROM enrollment.enrollment_anomalies")
        for series, dimension, segment, words in rows:
            connection.execute(
                "INSERT INTO enrollment.enrollment_anomalies BY NAME SELECT DATE '2024-09-11' AS date, "
                "'2024FA' AS term, ? AS series, ? AS dimension, ? AS segment, 77 AS observed, "
                "true AS is_anomaly, 'spike' AS kind, ? AS explanation",
                [series, dimension, segment, words],
            )
    publish(filled)
    found = parquet(filled, "fact_anomaly").project(
        "series, segment_key, observed, kind, explanation"
    )
    cut = "more students added than usual: most of it lies in one segment"
    hidden = parquet(filled, "fact_segment_daily").filter(
        "segment = 'Law' AND dimension = 'program' AND date = '2024-09-11' AND net_change IS NULL"
    )
    about_law = cut if len(hidden) else told.format("Law")
    division = parquet(filled, "fact_segment_daily").filter(
        "segment = 'Law' AND dimension = 'division' AND date = '2024-09-11'"
    )
    assert division.fetchall()
    rows = sorted(found.fetchall(), key=repr)
    assert ("withheld", None, None, None, "an unusual change in a small segment") in rows
    assert ("new_students", None, 77.0, "spike", cut) in rows
    assert ("net_change", None, 77.0, "spike", about_law) in rows
    assert len([row for row in rows if row[0] == "withheld"]) == 1
    assert not [row for row in rows if "Rare" in repr(row)]
    about = {row[0]: row[1:3] for row in rows}
    # adds and drops of a segment are not published, and may be small
    assert about["new_students division=Law"] == ("division=Law", None)
    assert about["net_change division=Law"] == ("division=Law", 77.0)


def test_names_are_in_the_words_of_the_population(filled):
    filled.change(
        vocabulary={"student": "customer", "students": "customers", "enrollment": "Paid plan"}
    )
    publish(filled)
    facts = parquet(filled, "fact_paid_plan_daily")
    assert {"new_customers", "total_paid_plan", "gross_paid_plan"} <= set(facts.columns)
    assert not [name for name in facts.columns if "student" in name or "enrollment" in name]
    table = exports.export_tables(filled.settings)["fact_enrollment_daily"]
    assert exports.export_columns(filled.settings, table)["total_paid_plan"] == "total_enrollment"
    assert exports.export_path(filled.settings, "csv", "fact_enrollment_daily").exists()
    manifest = exports.read_manifest(folder(filled))
    assert manifest["tables"]["fact_paid_plan_daily"]["rows"] == 2


def test_with_the_default_words_every_name_stays_as_it_is():
    names = ("fact_enrollment_daily", "new_students", "student_id", "YearMonth")
    assert [translated(name, Vocabulary()) for name in names] == list(names)


def test_two_names_that_would_become_one_are_refused():
    with pytest.raises(ConfigurationError, match="would both be called date_id"):
        originals(["date_id", "student_id"], Vocabulary(student="date"))


def test_two_tables_that_would_share_a_file_are_refused_and_the_files_stay(filled):
    publish(filled)
    before = parquet(filled, "fact_enrollment_daily").fetchall()
    filled.change(vocabulary={"enrollment": "segment"})
    with pytest.raises(ConfigurationError, match="would both be called fact_segment_daily"):
        publish(filled)
    assert parquet(filled, "fact_enrollment_daily").fetchall() == before


def test_single_students_are_exported_only_on_request_and_without_names(filled):
    publish(filled)
    assert not list(folder(filled).rglob("fact_student_change*"))
    assert filled.query("FROM operations.student_list_access") == []
    filled.change(exports={"student_changes": True})
    written = publish(filled)
    changes = parquet(filled, "fact_student_change")
    assert "student_name" not in changes.columns
    assert "00000" in {row[0] for row in changes.project("student_id").fetchall()}
    (line,) = filled.query(
        "SELECT date::VARCHAR, what, row_count, taken_by, taken_at IS NOT NULL "
        "FROM operations.student_list_access"
    )
    rows = written["fact_student_change"].rows
    assert line == ("2024-09-11", "fact_student_change", rows, "a test", True)
    filled.change(exports={"student_changes": False})
    (folder(filled) / "manifest.json").unlink()  # as if it had been killed before it noted them
    publish(filled)
    assert not list(folder(filled).rglob("fact_student_change*"))
    assert len(list(folder(filled).rglob("dim_date*"))) == 2


@pytest.mark.parametrize("key", [KEY, "long " * 30])
def test_pseudonyms_are_hmacs_of_the_id(filled, monkeypatch, key):
    monkeypatch.setenv("ENROLLMENT_PSEUDONYM_KEY", key)
    filled.change(exports={"student_changes": True}, privacy={"pseudonymize": True})
    publish(filled)
    found = {
        row[0] for row in parquet(filled, "fact_student_change").project("student_id").fetchall()
    }
    ids = filled.query("SELECT DISTINCT student_id FROM enrollment.student_changes")
    assert found == {hmac.new(key.encode(), i.encode(), hashlib.sha256).hexdigest() for (i,) in ids}
    for path in folder(filled).rglob("*.*"):
        assert key.encode() not in path.read_bytes()


def test_pseudonyms_without_a_key_are_refused_and_nothing_is_written(filled, monkeypatch):
    monkeypatch.delenv("ENROLLMENT_PSEUDONYM_KEY", raising=False)
    filled.change(exports={"student_changes": True}, privacy={"pseudonymize": True})
    with pytest.raises(ConfigurationError, match="ENROLLMENT_PSEUDONYM_KEY"):
        publish(filled)
    assert not [path for path in folder(filled).rglob("*") if path.is_file()]


def test_text_that_begins_like_a_formula_is_harmless_and_numbers_stay_numbers(filled):
    publish(filled)
    segments = csv(filled, "fact_segment_daily")
    assert f"'{FORMULA}" in set(segments["segment"])
    assert FORMULA not in set(segments["segment"])
    # where nothing calculates, the text is as it was
    assert FORMULA in {
        row[0] for row in parquet(filled, "dim_segment").project("segment").fetchall()
    }
    daily = csv(filled, "fact_enrollment_daily")
    assert daily["net_change"].tolist() == [0, -1]
    for path in (folder(filled) / "csv").iterdir():
        for line in path.read_text().splitlines():
            for field in line.split(","):
                if field.strip('"')[:1] in ("=", "+", "@", "\t", "\r"):
                    pytest.fail(f"{path.name}: {field}")


def contents(university):
    return {path: path.read_bytes() for path in folder(university).rglob("*") if path.is_file()}


def test_a_writer_that_fails_leaves_the_old_files_and_nothing_else(filled, monkeypatch):
    publish(filled)
    before = contents(filled)
    filled.change(quality={"on_doubt": "warn"})
    filled.write("2024-09-12", people(40) + people(30, 100, program="Law", division="Law"))
    take_in(filled, "2024-09-12", insight=True)

    def fail(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(exports, "_write_hyper", fail)
    with pytest.raises(RuntimeError):
        publish(filled)
    assert contents(filled) == before
    noted = "SELECT count(*) FROM operations.reported_figures WHERE date = '2024-09-12'"
    assert filled.query(noted) == [(0,)]
    monkeypatch.undo()
    # what a killed run left aside is cleared away
    (folder(filled) / ".aside" / "csv").mkdir(parents=True)
    (folder(filled) / ".aside" / "csv" / "half.csv").write_text("half")
    publish(filled)
    assert contents(filled).keys() == before.keys()
    assert filled.query(noted) != [(0,)]
    assert parquet(filled, "fact_enrollment_daily").shape[0] == 3


def test_only_the_formats_that_are_asked_for_are_there(filled):
    publish(filled)
    filled.change(exports={"formats": ["csv"]})
    publish(filled)
    assert {path.suffix for path in contents(filled)} == {".csv", ".json"}


def test_hyper_is_written_only_where_it_is_asked_for(university):
    publish(university)
    assert {path.suffix for path in contents(university)} == {".csv", ".parquet", ".json"}


@pytest.fixture
def without_pantab(monkeypatch):
    """Python finds no pantab, as where the extra `tableau` is not installed."""
    monkeypatch.setitem(sys.modules, "pantab", None)


def test_hyper_without_its_extra_is_refused_before_anything_is_run(
    university, without_pantab, monkeypatch
):
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    university.change(exports=ALL_FORMATS)
    two_days(university)
    before = sorted(university.folder.rglob("*"))
    for command in ("run --date 2024-09-10", "backfill --from 2024-09-10 --to 2024-09-11"):
        done = CliRunner().invoke(cli, command.split())
        assert isinstance(done.exception, ConfigurationError)
        assert str(done.exception) == (
            f"exports.formats in {university.config} names hyper, which needs a package that is not "
            "installed: pip install 'enrollment-assets[tableau]', or leave hyper out."
        )
    assert sorted(university.folder.rglob("*")) == before
    doctor = CliRunner().invoke(cli, ["doctor"])
    assert doctor.exit_code == 1
    assert "!!  exports:" in doctor.output
    assert doctor.output.count("pip install 'enrollment-assets[tableau]'") == 1


def test_a_run_of_dagsters_own_without_the_extra_leaves_the_exports_as_they_were(
    filled, without_pantab
):
    filled.change(exports={"formats": ["csv"]})
    publish(filled)
    before = contents(filled)
    filled.change(exports=ALL_FORMATS)
    with pytest.raises(ConfigurationError, match="names hyper"):
        publish(filled)
    assert contents(filled) == before


def test_before_anything_stands_there_are_empty_files_with_headers(university):
    university.change(exports=ALL_FORMATS)
    written = publish(university)
    assert written["fact_segment_daily"].rows == 0
    assert written["dim_term"].rows == 2
    head = (folder(university) / "csv" / "fact_enrollment_daily.csv").read_text().splitlines()
    assert len(head) == 1
    assert head[0].startswith("date,term,baseline_date")
    assert len(hyper(university, "fact_segment_daily")) == 0


def test_the_dates_know_weeks_years_closures_and_terms(filled):
    filled.change(
        calendar={
            "closures": ["2024-11-28"],
            "events": [{"date": "2024-08-16", "name": "payment due"}],
        }
    )
    publish(filled)
    dates = parquet(filled, "dim_date")
    names = dates.columns
    rows = {str(row[0]): dict(zip(names, row, strict=True)) for row in dates.fetchall()}
    assert (min(rows), max(rows)) == ("2024-01-01", "2025-12-31")
    assert len(rows) == 366 + 365
    sunday = rows["2024-12-29"]
    assert (sunday["DayOfWeek"], sunday["day_name"], sunday["iso_week"]) == (7, "Sunday", 52)
    assert (rows["2024-12-30"]["iso_year"], rows["2024-12-30"]["iso_week"]) == (2025, 1)
    assert rows["2024-06-30"]["academic_year"] == "2023/24"
    assert rows["2024-07-01"]["academic_year"] == "2024/25"
    closed = rows["2024-11-28"]
    assert (closed["closure"], closed["is_business_day"], closed["YearMonth"]) == (
        *(True, False),
        "2024-11",
    )
    assert rows["2024-08-16"]["event"] == "payment due"
    assert (rows["2024-08-26"]["term"], rows["2024-08-26"]["term_day"]) == ("2024FA", 1)
    assert rows["2024-08-25"]["term"] is None
    terms = parquet(filled, "dim_term").project("code, academic_year, comparison").fetchall()
    assert terms == [("2024FA", "2024/25", None), ("2025SP", "2024/25", "2024FA")]


def test_facts_find_their_dimensions(filled):
    publish(filled)
    for fact, key, dimension, other in (
        ("fact_segment_daily", "segment_key", "dim_segment", "segment_key"),
        ("fact_anomaly", "segment_key", "dim_segment", "segment_key"),
        ("fact_enrollment_daily", "term", "dim_term", "code"),
        ("fact_enrollment_daily", "date", "dim_date", "date"),
        ("fact_forecast", "target_date", "dim_date", "date"),
    ):
        left, right = parquet(filled, fact), parquet(filled, dimension)
        keys = {row[0] for row in right.project(other).fetchall()}
        assert len(keys) == right.shape[0]
        assert {row[0] for row in left.project(key).fetchall()} - {None} <= keys, fact


def test_what_was_exported_counts_as_reported_and_a_later_change_is_told(filled):
    publish(filled)
    assert filled.query("SELECT count(DISTINCT date) FROM operations.reported_figures") == [(2,)]
    filled.write("2024-09-10", people(60))
    take_in(filled, "2024-09-10")
    with filled.warehouse().connect() as connection:
        restate(connection, filled.settings)
    assert filled.query(
        "SELECT old_value, new_value FROM enrollment.metric_restatements WHERE date = '2024-09-10' "
        "AND dimension IS NULL AND metric = 'total_enrollment'"
    ) == [(94.0, 60.0)]


def test_exports_are_written_again_when_a_corrected_day_restates_later_ones(filled):
    filled.write("2024-09-10", people(90))
    corrected = day("2024-09-10")
    outcome = execute_and_restate(filled.settings, DAILY, corrected, corrected)
    assert outcome.success, outcome.failures
    facts = parquet(filled, "fact_enrollment_daily").project("total_enrollment, net_change")
    ((first, _), (second, net)) = facts.fetchall()
    assert (first, net) == (90, second - 90)


def test_the_exports_alone_need_no_day(filled):
    """As where somebody materializes their group in the UI."""
    definitions = build_defs(settings=filled.settings)
    with dg.DagsterInstance.get() as instance:
        result = run_in_process(
            definitions, "__ASSET_JOB", instance, tags={}, run_config={}, groups=[EXPORT_GROUP]
        )
    assert result.success
    assert json.loads((folder(filled) / "manifest.json").read_text())["files"]


def test_a_manifest_that_is_damaged_is_told_and_no_file_is_replaced(filled):
    publish(filled)
    (folder(filled) / "manifest.json").write_text("{")
    before = contents(filled)
    with pytest.raises(WarehouseError, match=r"manifest\.json cannot be read; remove the folder"):
        publish(filled)
    assert contents(filled) == before


# --- lists of students ---


def lists(university, *arguments):
    return CliRunner(env={"ENROLLMENT_CONFIG": str(university.config)}).invoke(
        cli, ["students", "--date", "2024-09-11", *arguments]
    )


def test_lists_of_students_are_written_on_request_with_a_line_in_the_ledger(filled):
    done = lists(filled, "--reason", "calls to those who left", "--by", "ana")
    assert done.exit_code == 0, done.output
    place = filled.settings.data_path / "student_lists" / "2024-09-11"
    assert sorted(path.name for path in place.iterdir()) == [
        f"2024FA_{change}.csv" for change in ("added", "dropped", "moved")
    ]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    dropped = pd.read_csv(place / "2024FA_dropped.csv", dtype=str)
    assert set(dropped["student_id"]) == {"00000", "00001"}
    assert dropped["student_name"].tolist() == ["Name 00000", "Name 00001"]
    added = pd.read_csv(place / "2024FA_added.csv", dtype=str)
    assert set(added["student_name"]) == {"'@SUM(A1)"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
    assert filled.query(
        "SELECT date::VARCHAR, term, what, row_count, taken_by, reason "
        "FROM operations.student_list_access ORDER BY what"
    ) == [
        ("2024-09-11", "2024FA", what, count, "ana", "calls to those who left")
        for what, count in (("added", 1), ("dropped", 2), ("moved", 10))
    ]
    # what is said holds nobody
    assert "Name" not in done.output
    assert "0000" not in done.output


def test_a_list_needs_a_reason_and_a_day_that_stands(filled):
    assert lists(filled).exit_code == 2
    empty = lists(filled, "--reason", " ")
    assert isinstance(empty.exception, ConfigurationError)
    other = lists(filled, "--reason", "why", "--term", "2025SP")
    assert "2024-09-11 has no accepted snapshot of 2025SP" in str(other.exception)
    assert filled.query("FROM operations.student_list_access") == []


@pytest.mark.parametrize(
    "code", ["../../etc/passwd", "a/b", "C:\\x", ".", "-", "ä" * 300, "a\0b", "=1"]
)
def test_a_terms_code_plays_no_trick_with_paths(code):
    name = file_name(code)
    assert name.replace("-", "").isalnum()
    assert len(name) < 60
    assert name.isascii()


def test_codes_that_look_alike_have_files_of_their_own():
    assert len({file_name(code) for code in ("a/b", "a-b", "a b", "-a-b")}) == 4


def written_by_csv(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(reader(lines))


def as_spreadsheets_may_see_it(text):
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def test_500_malicious_names_change_nothing_in_csv_files_and_in_names_of_files(university):
    # a file with NUL bytes is refused as a whole: test_malformed.py
    names = [name.replace("\0", "") for name in malicious_names(500)]
    pattern = "enrollment_snapshot_{date:%Y%m%d}.parquet"
    university.change(source={**university.settings.source.model_dump(), "pattern": pattern})
    rows = [
        student(f"{10 * number + place:05d}", program=name)
        for number, name in enumerate(names)
        for place in range(10)
    ]
    later = [student(f"n{number:04d}", student_name=name) for number, name in enumerate(names)]
    for date, of_day in (("2024-09-10", rows), ("2024-09-11", rows + later)):
        pd.DataFrame(of_day).to_parquet(university.file(date))
    take_in(university, "2024-09-10", "2024-09-11", insight=True)
    publish(university)
    done = lists(university, "--reason", "why")
    assert done.exit_code == 0, done.output

    stored = {
        name
        for (name,) in university.query(
            "SELECT DISTINCT segment FROM enrollment.segment_metrics WHERE dimension = 'program'"
        )
    }
    assert len(stored) == 501
    path = folder(university) / "csv" / "dim_segment.csv"
    header, *segments = written_by_csv(path)
    assert {len(row) for row in segments} == {len(header)}
    shown = {row[header.index("segment")] for row in segments if row[1] == "program"}
    assert shown == {as_spreadsheets_may_see_it(name) for name in stored}

    place = university.settings.data_path / "student_lists" / "2024-09-11"
    header, *added = written_by_csv(place / "2024FA_added.csv")
    assert len(added) == 500
    students = {
        name
        for (name,) in university.query(
            "SELECT student_name FROM enrollment.student_changes WHERE change = 'added'"
        )
    }
    assert {row[header.index("student_name")] for row in added} == {
        as_spreadsheets_may_see_it(name) for name in students
    }
    # a name is nowhere the name of a file
    assert not list(university.folder.rglob("*mark0*"))
