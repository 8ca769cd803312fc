"""Metrics that people add: a file becomes an asset, a table and its checks, or is refused in words."""

import datetime as dt
import re
import textwrap

import dagster as dg
import duckdb
import pytest

from enrollment_assets.config import load_settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.orchestration.in_process import assets_of
from enrollment_assets.pipeline.custom.compute import preview
from enrollment_assets.pipeline.names import BACKFILL, CORE, DAILY, INSIGHT, PARTS, RESTATE
from enrollment_assets.schema import metric_files
from enrollment_assets_tests.conftest import CHECKOUT, day, student
from enrollment_assets_tests.support.mail_servers import FlakyServer, serving

D1, D2, D3, D4 = "2024-09-03", "2024-09-04", "2024-09-05", "2024-09-06"

HEADER = """\
-- name: small_programs
-- grain: one row per day, term and program
-- description: Programs with fewer students than a bound, for the example's sake.
-- key: date, term, program
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR
--   program: VARCHAR - Name of the program
--   headcount: INTEGER - Students in it
-- parameters: {most: 2}
-- binds: $first, $last, $most
-- checks:
--   not_empty: headcount > 0
"""
QUERY = """
-- a comment that is not the header's
SELECT segment AS program, term, date, total_enrollment AS headcount
FROM enrollment.segment_metrics
WHERE dimension = 'program' AND date BETWEEN $first AND $last AND total_enrollment <= $most; -- end
"""
PYTHON = """\
from enrollment_assets.custom_metrics import CustomMetric


def compute(frames, day, settings):
    metrics = frames["enrollment_metrics"]
    metrics["seen_until"] = metrics["date"].max()
    return metrics.groupby("term", as_index=False).agg(
        days=("date", "count"), first=("date", "min"), seen_until=("seen_until", "max")
    )


METRIC = CustomMetric(
    name="days_seen",
    grain="one row per day and term",
    description="How many of the last three days have figures.",
    columns={"date": "DATE", "term": "VARCHAR", "days": "BIGINT - Days", "first": "DATE", "seen_until": "DATE"},
    key=("date", "term"),
    depends_on=("enrollment_metrics",),
    lookback_days=2,
    compute=compute,
)
"""


@pytest.fixture(autouse=True)
def read_anew():
    """Files are read once in a process; here they change."""
    metric_files._load.cache_clear()
    yield
    metric_files._load.cache_clear()


def add(university, name, text):
    folder = university.folder / "metrics"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    university.change(metrics_dir="metrics")
    metric_files._load.cache_clear()


def two_days_and_a_last_one(university):
    """Two days with files, one without, and a last one; Music is small throughout."""
    everybody = [student(str(n)) for n in range(5)]
    university.write(D1, [*everybody, student("M", "Music")])
    university.write(D2, [*everybody, student("M", "Music"), student("N", "Music")])
    university.write(D4, [*everybody, student("A", "Art"), student("N", "Music")])
    assert university.run(D1, D4).success


@pytest.fixture
def few_days(filled_by):
    return filled_by(two_days_and_a_last_one)


def rows_of(university, name, columns="*"):
    return university.query(f"SELECT {columns} FROM enrollment.{name} ORDER BY ALL")


SMALL = "date::VARCHAR, program, headcount"
SMALL_ROWS = [(D1, "Music", 1), (D2, "Music", 2), (D4, "Art", 1), (D4, "Music", 1)]


def test_a_file_becomes_a_documented_asset_with_its_checks(university):
    add(university, "small_programs.sql", HEADER + QUERY)
    add(university, "_notes.sql", "no metric: the name begins with an underscore")
    graph = build_defs(settings=university.settings).resolve_asset_graph()
    node = graph.get(dg.AssetKey("small_programs"))
    assert node.group_name == "custom"
    assert node.description == (
        "One row per day, term and program.\n\n"
        "Programs with fewer students than a bound, for the example's sake."
    )
    assert node.kinds == {"duckdb", "sql"}
    assert node.owners
    assert node.tags["domain"] == "enrollment"
    assert node.pools == {"warehouse"}
    assert node.backfill_policy == dg.BackfillPolicy.single_run()
    assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
    assert {key.to_user_string() for key in node.parent_keys} == {"segment_metrics"}
    assert node.metadata["grain"] == "one row per day, term and program"
    assert [
        (column.name, column.type, column.description)
        for column in node.metadata["dagster/column_schema"].columns
    ] == [
        ("date", "DATE", "Day of the snapshot"),
        ("term", "VARCHAR", ""),
        ("program", "VARCHAR", "Name of the program"),
        ("headcount", "INTEGER", "Students in it"),
    ]
    references = node.metadata["dagster/code_references"].code_references
    assert references[0].file_path == str(university.folder / "metrics" / "small_programs.sql")
    assert {key.name for key in node.check_keys} == {"small_programs_key_is_unique", "not_empty"}
    assert "headcount_by_program" not in {key.path[0] for key in graph.get_all_asset_keys()}


def test_metrics_go_with_insight_and_not_with_the_core(university):
    add(university, "small_programs.sql", HEADER + QUERY)
    definitions = build_defs(settings=university.settings)
    metrics = {dg.AssetKey("small_programs")}
    for job in (DAILY, BACKFILL):
        assert definitions.resolve_job_def(job).asset_layer.executable_asset_keys >= metrics
    assert {part: assets_of(definitions, groups) >= metrics for part, groups in PARTS.items()} == {
        CORE: False,
        RESTATE: False,
        INSIGHT: True,
    }


def test_a_range_is_written_by_name_with_declared_types_and_a_rerun_doubles_nothing(few_days):
    add(few_days, "small_programs.sql", HEADER + QUERY)
    for _ in range(2):
        outcome = few_days.run(D1, D4, job=INSIGHT)
        assert outcome.success, outcome.failures
        assert not outcome.checks
        assert rows_of(few_days, "small_programs", SMALL) == SMALL_ROWS
    assert few_days.query(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = 'small_programs' ORDER BY ordinal_position"
    ) == [
        ("date", "DATE"),
        ("term", "VARCHAR"),
        ("program", "VARCHAR"),
        ("headcount", "INTEGER"),
    ]


def test_each_partition_has_its_own_row_count(few_days, dagster_instance):
    add(few_days, "small_programs.sql", HEADER + QUERY)
    outcome = few_days.run(D1, D4, job=INSIGHT)
    counts = {}
    for record in dagster_instance.get_records_for_run(
        outcome.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records:
        found = record.asset_materialization
        if found.asset_key == dg.AssetKey("small_programs"):
            counts[found.partition] = found.metadata["dagster/partition_row_count"].value
    # D3 has no snapshot: it is no partition that was made.
    assert counts == {D1: 1, D2: 1, D4: 2}


def test_a_late_correction_is_taken_over(few_days):
    from enrollment_assets.cli.running import execute_and_restate

    add(few_days, "small_programs.sql", HEADER + QUERY)
    few_days.run(D1, D4, job=INSIGHT)
    few_days.write(D3, [student(str(n)) for n in range(5)])
    # a run of the day, as the daily job does it; later days follow in the restatement
    for job in (CORE, RESTATE, INSIGHT):
        assert execute_and_restate(few_days.settings, job, day(D3), day(D3)).success
    late = [*SMALL_ROWS[:2], (D3, "Music", 0), *SMALL_ROWS[2:]]
    assert rows_of(few_days, "small_programs", SMALL) == late
    few_days.write(D2, [student(str(n)) for n in range(5)])
    for job in (CORE, RESTATE, INSIGHT):
        assert execute_and_restate(few_days.settings, job, day(D2), day(D2)).success
    corrected = [(D1, "Music", 1), (D2, "Music", 0), (D4, "Art", 1), (D4, "Music", 1)]
    assert rows_of(few_days, "small_programs", SMALL) == corrected


def test_parameters_are_bound_as_values(few_days):
    add(
        few_days,
        "small_programs.sql",
        HEADER.replace("{most: 2}", "{most: 2, text: \"O'Brien'); DROP TABLE x; --\"}").replace(
            "$most", "$most, $text"
        )
        + QUERY.replace("segment AS program", "$text AS program"),
    )
    assert few_days.run(D1, job=INSIGHT).success
    assert rows_of(few_days, "small_programs", "program") == [("O'Brien'); DROP TABLE x; --",)]


def test_the_platforms_own_values_can_be_bound(few_days):
    add(
        few_days,
        "small_programs.sql",
        HEADER.replace("-- parameters: {most: 2}\n", "").replace(
            "$most", "$small_cell, $blank_segment"
        )
        + QUERY.replace("$most", "$small_cell AND segment <> $blank_segment"),
    )
    assert few_days.run(D1, job=INSIGHT).success
    assert rows_of(few_days, "small_programs", SMALL) == [(D1, "History", 5), (D1, "Music", 1)]


def without(key):
    return "".join(
        line for line in HEADER.splitlines(keepends=True) if not line.startswith(f"-- {key}:")
    )


MALFORMED = {
    "no_header": (QUERY.lstrip("\n").replace("-- a comment", "SELECT 1; --"), "must begin with"),
    "unknown_key": (
        HEADER.replace("-- grain:", "-- grian:") + QUERY,
        "small_programs.sql, line 2: grian: unknown key; did you mean grain.",
    ),
    "key_of_the_loader": (HEADER + "-- text: x\n" + QUERY, "text: unknown key; known are binds"),
    "no_name": (without("name") + QUERY, "name: must be given"),
    "no_grain": (without("grain") + QUERY, "grain: must be given"),
    "no_description": (without("description") + QUERY, "description: must be given"),
    "no_binds": (without("binds") + QUERY, "binds: must be given"),
    "no_key": (without("key") + QUERY, "key: must be given"),
    "other_name": (
        HEADER.replace("name: small_programs", "name: tiny_programs") + QUERY,
        "name: must be small_programs, as the file is called (found 'tiny_programs')",
    ),
    "no_identifier": (
        HEADER.replace("name: small_programs", "name: Small Programs") + QUERY,
        "name: use lower-case letters, digits and underscores",
    ),
    "no_yaml": (HEADER.replace("{most: 2}", "{most: 2") + QUERY, "small_programs.sql, line 11: "),
    "twice": (
        HEADER + "-- name: again\n" + QUERY,
        "small_programs.sql, line 14: the key name is given twice.",
    ),
    "no_type": (
        HEADER.replace("INTEGER", "INTEGRE") + QUERY,
        "columns: headcount: INTEGRE is no type that DuckDB knows; use DATE, VARCHAR",
    ),
    "type_that_is_more": (
        HEADER.replace("INTEGER", "INTEGER); DROP TABLE x; --") + QUERY,
        "is no type that DuckDB knows",
    ),
    "no_date": (HEADER.replace("date: DATE", "date: VARCHAR") + QUERY, "must hold date: DATE"),
    "column_name": (
        HEADER.replace("--   headcount:", "--   Head Count:") + QUERY,
        "columns: Head Count: use lower-case letters",
    ),
    "key_without_day": (
        HEADER.replace("key: date, term", "key: term") + QUERY,
        "key: must name date",
    ),
    "key_of_no_column": (
        HEADER.replace("key: date, term, program", "key: date, trem") + QUERY,
        "key: trem is not a column; did you mean term",
    ),
    "unknown_bind": (
        HEADER.replace("$most", "$many") + QUERY.replace("$most", "$many"),
        "binds: $many is not known; there are $first, $last, $small_cell, $blank_segment, $most",
    ),
    "bind_left_out": (
        HEADER.replace(", $most", "") + QUERY,
        "the statement binds $most, which is not under binds",
    ),
    "bind_not_used": (
        HEADER.replace("$most", "$most, $small_cell") + QUERY,
        "binds: the statement does not bind $small_cell",
    ),
    "parameter_not_used": (
        HEADER.replace("{most: 2}", "{most: 2, least: 1}") + QUERY,
        "parameters: the statement does not bind $least",
    ),
    "parameter_taken": (
        HEADER.replace("{most: 2}", "{most: 2, last: 1}") + QUERY,
        "parameters: last is bound already; choose another name",
    ),
    "no_range": (
        HEADER + QUERY.replace("BETWEEN $first AND $last", "<= $last"),
        "the statement must bind $first, such as WHERE date BETWEEN $first AND $last",
    ),
    "positional": (
        HEADER + QUERY.replace("$first", "?").replace("$last", "?").replace("$most", "?"),
        "the statement must bind $first",
    ),
    "no_statement": (HEADER, "must hold one SELECT statement under its header (found nothing)"),
    "two_statements": (HEADER + QUERY + "\nSELECT 1", "(found SELECT, SELECT)"),
    "no_select": (HEADER + "\nDELETE FROM enrollment.segment_metrics", "(found DELETE)"),
    "no_sql": (
        HEADER + "\nSELECT FROM WHERE $first",
        'Parser Error: syntax error at or near "WHERE"',
    ),
    "unknown_table": (
        HEADER + QUERY.replace("segment_metrics", "segment_metric"),
        "enrollment.segment_metric is no table that it could read; did you mean segment_metrics",
    ),
    "itself": (
        HEADER + QUERY.replace("segment_metrics", "small_programs"),
        "enrollment.small_programs is no table that it could read",
    ),
    "check_that_is_no_condition": (
        HEADER.replace("headcount > 0", "headcount >") + QUERY,
        "checks: not_empty: Parser Error",
    ),
    "check_that_is_more": (
        HEADER.replace("headcount > 0", '"true) FROM rows; DROP TABLE x; SELECT (1"') + QUERY,
        "checks: not_empty: give one condition on a row",
    ),
    "check_that_binds": (
        HEADER.replace("headcount > 0", "headcount > ?") + QUERY,
        "checks: not_empty: give one condition on a row",
    ),
    "check_that_is_there": (
        HEADER.replace("not_empty", "small_programs_key_is_unique") + QUERY,
        "checks: small_programs_key_is_unique is there already, from key",
    ),
}


def faults_of(university):
    """What is wrong with the metrics that are left out; the platform loads without them."""
    build_defs(settings=university.settings)
    return " ".join(metric_files.metric_faults(university.settings).values())


@pytest.mark.parametrize("is_read", [False, True], ids=["cannot be read", "cannot be computed"])
def test_one_bad_metric_stops_itself_and_not_the_morning(few_days, command, is_read, monkeypatch):
    add(few_days, "small_programs.sql", HEADER + QUERY)
    bad = PYTHON.replace("lookback_days=2", "lookback_days=-1")
    if is_read:
        bad = PYTHON.replace(
            "(frames, day, settings):\n", "(frames, day, settings):\n    raise ValueError\n"
        )
    add(few_days, "days_seen.py", bad)
    with serving(FlakyServer()) as server:
        monkeypatch.setenv("SMTP_URL", server.url)
        few_days.change(
            email={"enabled": True, "from": "ir@example.edu", "recipients": ["dean@example.edu"]}
        )
        done = command("run", "--date", D4, "--email")
        assert [recipient for recipient, _ in server.taken] == ["dean@example.edu"]
    assert done.returncode == 1
    assert "days_seen" in " ".join(done.stdout.split())
    assert (few_days.settings.report_path(day(D4)) / "report.html").exists()
    assert rows_of(few_days, "small_programs")
    if not is_read:
        assert "days_seen.py" in command("doctor").stdout
        preview = command("metric", "days_seen", "--date", D4)
        assert preview.returncode != 0
        assert "lookback_days" in preview.stdout + preview.stderr


def test_a_wrong_type_leaves_others_connections_alone(university, tmp_path):
    path = tmp_path / "rows.parquet"
    duckdb.execute(f"COPY (FROM range(1000000)) TO '{path}'")
    waiting = duckdb.sql(f"FROM '{path}'")
    assert waiting.fetchone() == (0,)  # and many more
    add(university, "small_programs.sql", MALFORMED["type_that_is_more"][0])
    assert "is no type that DuckDB knows" in faults_of(university)
    assert str(duckdb.sqltype("DATE")) == "DATE"


@pytest.mark.parametrize(("text", "words"), MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_is_wrong_is_refused_at_load_in_words(university, text, words):
    add(university, "small_programs.sql", text)
    assert words in faults_of(university)
    assert "small_programs.sql" in faults_of(university)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("segment_metrics", "is a table of the platform"),
        ("derivations", "is a table of the platform"),
        ("weekly_enrollment_summary", "is a table of the platform"),
        ("enrollment_report", "has the name of an asset or step of the platform"),
        ("check_snapshots", "has the name of an asset or step of the platform"),
    ],
)
def test_a_name_that_the_platform_uses_is_refused(university, name, words):
    text = (HEADER + QUERY).replace("small_programs", name)
    add(university, f"{name}.sql", text.replace("enrollment.segment_metrics", "terms"))
    if "table of the platform" in words:
        assert words in faults_of(university)
        return
    with pytest.raises(ConfigurationError, match=words):
        build_defs(settings=university.settings)


def test_metrics_may_build_on_each_other_and_not_in_a_circle(few_days):
    add(few_days, "small_programs.sql", HEADER + QUERY)
    second = HEADER.replace("small_programs", "b_second")
    query = QUERY.replace("segment_metrics", "small_programs").replace(
        "dimension = 'program' AND", ""
    )
    query = query.replace("segment AS", "").replace("total_enrollment", "headcount")
    add(few_days, "b_second.sql", second + query)
    assert few_days.run(D1, D4, job=INSIGHT).success
    assert rows_of(few_days, "b_second", SMALL) == SMALL_ROWS
    add(few_days, "small_programs.sql", HEADER + QUERY.replace("segment_metrics", "b_second"))
    assert re.search(r"depend on each other in a circle: .* -> ", faults_of(few_days))


def test_a_folder_that_is_not_there_is_refused(university):
    university.change(metrics_dir="elsewhere")
    with pytest.raises(ConfigurationError, match=r"metrics_dir: .*elsewhere is not a folder"):
        build_defs(settings=university.settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("segment AS program, ", ""), "missing columns program"),
        (("term, date", "term, date, 1 AS one"), "unknown columns one"),
        (("term, date,", "term, date + 9 AS date,"), "rows have a date outside the partitions"),
        (("total_enrollment AS", "segment AS"), "ConversionException"),
        (("total_enrollment AS", "enrolment AS"), 'column "enrolment" not found'),
    ],
)
def test_a_statement_that_gives_something_else_changes_nothing(few_days, change, words):
    add(few_days, "small_programs.sql", HEADER + QUERY)
    few_days.run(D1, D4, job=INSIGHT)
    add(few_days, "small_programs.sql", HEADER + QUERY.replace(*change))
    outcome = few_days.run(D1, D4, job=INSIGHT)
    assert not outcome.success
    assert words in outcome.failures[0]
    assert "History" not in outcome.failures[0]
    assert rows_of(few_days, "small_programs", SMALL) == SMALL_ROWS


def test_a_condition_that_does_not_hold_warns_with_counts_and_no_values(few_days, dagster_instance):
    add(few_days, "small_programs.sql", HEADER.replace("headcount > 0", "headcount > 1") + QUERY)
    outcome = few_days.run(D1, D4, job=INSIGHT)
    assert outcome.success
    assert [(check.name, check.day, check.is_error, check.figures) for check in outcome.checks] == [
        ("not_empty", D1, False, {"rows": 1, "failing_rows": 1}),
        ("not_empty", D4, False, {"rows": 2, "failing_rows": 2}),
    ]
    log = "\n".join(
        str(record.event_log_entry)
        for record in dagster_instance.get_records_for_run(outcome.run_id).records
    )
    assert "failing_rows" in log
    assert "Music" not in log


@pytest.mark.parametrize(
    ("select", "figures"),
    [
        ("'all' AS program", {"rows": 2, "without_key": 0, "repeated": 1}),
        ("nullif(segment, 'Art') AS program", {"rows": 2, "without_key": 1, "repeated": 0}),
    ],
)
def test_a_key_that_repeats_or_is_empty_is_an_error(few_days, select, figures):
    add(few_days, "small_programs.sql", HEADER + QUERY.replace("segment AS program", select))
    outcome = few_days.run(D4, job=INSIGHT)
    assert outcome.success
    assert [(check.name, check.is_error, check.figures) for check in outcome.checks] == [
        ("small_programs_key_is_unique", True, figures)
    ]


def test_a_column_that_comes_or_changes_its_type_keeps_the_other_days(few_days):
    add(few_days, "small_programs.sql", HEADER + QUERY)
    few_days.run(D1, D4, job=INSIGHT)
    changed = HEADER.replace("INTEGER", "VARCHAR").replace(
        "--   headcount", "--   note: VARCHAR\n--   headcount"
    )
    query = QUERY.replace("term, date,", "term, date, 'new' AS note,")
    add(few_days, "small_programs.sql", changed.replace("headcount > 0", "note = 'new'") + query)
    assert few_days.run(D4, job=INSIGHT).success
    assert rows_of(few_days, "small_programs", "date::VARCHAR, program, headcount, note") == [
        (D1, "Music", "1", None),
        (D2, "Music", "2", None),
        (D4, "Art", "1", "new"),
        (D4, "Music", "1", "new"),
    ]
    # and back: a value that is no number any more is emptied
    with few_days.warehouse().connect() as connection:
        connection.execute(
            "UPDATE enrollment.small_programs SET headcount = 'two' WHERE date = ?", [D2]
        )
    add(few_days, "small_programs.sql", HEADER + QUERY)
    assert few_days.run(D4, job=INSIGHT).success
    assert rows_of(few_days, "small_programs", "date::VARCHAR, headcount")[:2] == [
        (D1, 1),
        (D2, None),
    ]


@pytest.mark.parametrize("kind", ["sql", "py"])
@pytest.mark.parametrize("by_term", [True, False])
def test_days_whose_snapshots_were_pruned_stay_as_they_are(few_days, kind, by_term):
    term = ", term" if by_term else ""
    if kind == "sql":
        text = f"""\
-- name: people
-- grain: one row per day
-- description: Rows of the day's snapshot.
-- key: date
-- columns: {{date: DATE{term and ", term: VARCHAR"}, n: BIGINT}}
-- binds: $first, $last
SELECT snapshot_date AS date{term}, count(*) AS n FROM enrollment.enrollment_snapshots
WHERE snapshot_date BETWEEN $first AND $last GROUP BY ALL
"""
    else:
        columns = {"date": "DATE", "n": "BIGINT", **({"term": "VARCHAR"} if by_term else {})}
        text = f"""\
from enrollment_assets.custom_metrics import CustomMetric

def compute(frames, day, settings):
    found = frames["enrollment_snapshots"].groupby("term", as_index=False).agg(n=("level", "size"))
    return found if {by_term} else found[["n"]]

METRIC = CustomMetric(
    name="people", grain="one row per day", description="Rows of the day's snapshot.", key="date",
    columns={columns}, depends_on=("enrollment_snapshots",), compute=compute,
)
"""
    add(few_days, f"people.{kind}", text)
    assert few_days.run(D1, D4, job=INSIGHT).success
    before = rows_of(few_days, "people", "date::VARCHAR, n")
    assert before == [(D1, 6), (D2, 7), (D4, 7)]
    with few_days.warehouse().connect() as connection:
        connection.execute("DELETE FROM enrollment.enrollment_spells WHERE valid_to <= ?", [D2])
        connection.execute(
            "UPDATE enrollment.enrollment_spells SET valid_from = greatest(valid_from, ?::DATE)",
            [D2],
        )
        connection.execute(
            "INSERT INTO operations.pruned_snapshots VALUES ('2024FA', ?, 1, 'r', now())", [D2]
        )
    assert few_days.run(D1, D4, job=INSIGHT).success
    assert rows_of(few_days, "people", "date::VARCHAR, n") == before


def test_a_python_metric_sees_what_is_known_as_of_its_day_and_nothing_later(few_days):
    add(few_days, "days_seen.py", PYTHON)
    outcome = few_days.run(D1, D4, job=INSIGHT)
    assert outcome.success, outcome.failures
    assert rows_of(few_days, "days_seen", 'date::VARCHAR, days, "first"::VARCHAR, seen_until::VARCHAR') == [
        (D1, 1, D1, D1),
        (D2, 2, D1, D2),
        (D3, 2, D1, D2),
        (D4, 2, D2, D4),
    ]  # fmt: skip
    node = (
        build_defs(settings=few_days.settings).resolve_asset_graph().get(dg.AssetKey("days_seen"))
    )
    assert node.kinds == {"duckdb", "pandas"}
    reference = node.metadata["dagster/code_references"].code_references[0]
    assert (reference.file_path, reference.line_number) == (
        str(few_days.folder / "metrics" / "days_seen.py"),
        4,
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def compute(frames", "def compute(frames:", "days_seen.py, line 4: invalid syntax"),
        ("from enrollment", "import no_such_thing\nfrom enrollment", "line 1: ModuleNotFoundError"),
        ('name="days_seen"', 'name="days"', "name: must be days_seen, as the file is called"),
        ("METRIC = ", "list_of = [] and ", "must hold one CustomMetric"),
        ("grain=", "grian=", "grian: unknown key; did you mean grain"),
        ("BIGINT - Days", "BIGNT", "columns: days: BIGNT is no type that DuckDB knows"),
        ("(frames, day, settings)", "(frames)", "must take three arguments: frames, day and settings"),
        ("compute=compute", "compute=3", "compute: Input should be callable"),
        ('("enrollment_metrics",)', "()", "depends_on: "),
        ('("enrollment_metrics",)', '("enrolment",)', "enrollment.enrolment is no table"),
        ("lookback_days=2", "lookback_days=-1", "lookback_days: "),
    ],
)  # fmt: skip
def test_a_python_file_that_is_wrong_is_refused_at_load_in_words(university, old, new, words):
    add(university, "days_seen.py", PYTHON.replace(old, new))
    assert words in faults_of(university)
    assert "days_seen.py" in faults_of(university)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("metrics = frames", "raise KeyError('MARK Zaphod')\n    metrics = frames", "KeyError in "),
        (
            "    return metrics.groupby",
            "    return metrics.term\n    metrics.groupby",
            "compute must return a pandas.DataFrame, not a Series",
        ),
        ("days=(", "dais=(", "missing columns days; unknown columns dais"),
        ('first=("date", "min")', 'first=("term", "min")', "ConversionException"),
        ("days=(", 'date=("date", "min"), days=(', "3 rows have a date other than the day"),
    ],
)
def test_a_python_metric_that_fails_changes_nothing_and_tells_no_value(
    few_days, dagster_instance, old, new, words
):
    add(few_days, "days_seen.py", PYTHON)
    few_days.run(D1, D4, job=INSIGHT)
    before = rows_of(few_days, "days_seen")
    add(few_days, "days_seen.py", PYTHON.replace(old, new))
    outcome = few_days.run(D1, D4, job=INSIGHT)
    assert not outcome.success
    assert words in outcome.failures[0]
    assert rows_of(few_days, "days_seen") == before
    for record in dagster_instance.get_records_for_run(outcome.run_id).records:
        assert "Zaphod" not in str(record.event_log_entry)
        if (
            record.event_log_entry.is_dagster_event
            and record.event_log_entry.dagster_event.is_failure
        ):
            assert "2024FA" not in str(record.event_log_entry)


def test_a_preview_shows_rows_and_errors_as_they_are_and_writes_nothing(university):
    add(university, "days_seen.py", PYTHON)
    add(university, "small_programs.sql", HEADER + QUERY)
    with pytest.raises(ConfigurationError, match="run a backfill first"):
        preview(university.settings, "days_seen", day(D2))
    two_days_and_a_last_one(university)
    settings = university.settings
    assert preview(settings, "days_seen", day(D2))["days"].tolist() == [2]
    assert preview(settings, "small_programs", day(D2))["headcount"].tolist() == [2]
    assert rows_of(university, "days_seen") == []
    with pytest.raises(ConfigurationError, match="did you mean days_seen"):
        preview(settings, "day_seen", day(D2))
    add(university, "days_seen.py", PYTHON.replace('frames["', 'frames["x'))
    with pytest.raises(KeyError, match="xenrollment_metrics"):
        preview(settings, "days_seen", day(D2))


def package(folder, monkeypatch, entry, text):
    """An installed package with one metric, as pip leaves it."""
    info = folder / "our_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-metrics\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[enrollment_assets.metrics]\n{entry}\n")
    (folder / "our_metrics.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "our_metrics", raising=False)


def test_an_installed_package_may_offer_metrics(few_days, tmp_path, monkeypatch):
    packages = tmp_path / "packages"
    packages.mkdir()
    package(packages, monkeypatch, "days_seen = our_metrics:METRIC", PYTHON)
    add(few_days, "small_programs.sql", HEADER + QUERY)
    assert few_days.run(D1, D4, job=INSIGHT).success
    assert len(rows_of(few_days, "days_seen")) == 4
    assert len(rows_of(few_days, "small_programs")) == 4


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("days = our_metrics:METRIC", "name: must be days, as the entry point is called"),
        ("days_seen = our_metrics:compute", r"must name a CustomMetric \(found a function\)"),
        ("days_seen = our_metrics:NONE", "AttributeError"),
        ("small_programs = our_metrics:SECOND", "small_programs is the metric of .*.sql already"),
    ],
)
def test_an_entry_point_that_is_wrong_is_refused_in_words(
    university, tmp_path, monkeypatch, entry, words
):
    packages = tmp_path / "packages"
    packages.mkdir()
    more = '\nSECOND = METRIC.model_copy(update={"name": "small_programs"})\n'
    package(packages, monkeypatch, entry, PYTHON + more)
    add(university, "small_programs.sql", HEADER + QUERY)
    assert re.search(words, faults_of(university))
    assert f"entry point {entry} of our-metrics" in faults_of(university)


EXAMPLES = ("headcount_by_program", "programs_at_risk")


def weeks(university, days=50, gaps=(3, 17, 18, 47)):
    """Art loses students week by week, History a few at once, Music none; a day is missing here and
    there. The metrics are those that the checkout ships."""
    university.change(metrics_dir=str(CHECKOUT / "sql" / "metrics"))
    start = dt.date(2024, 9, 1)
    found = []
    for n in range(days):
        if n in gaps:
            continue
        rows = [student(f"H{i:03}") for i in range(100 - (4 if n >= 45 else 0))]
        rows += [student(f"A{i:03}", "Art") for i in range(40 - n // 7)]
        rows += [student(f"M{i:03}", "Music") for i in range(60)]
        rows += [student("L1", "Latin")]
        found.append((start + dt.timedelta(n)).isoformat())
        university.write(found[-1], rows)
    return found


def test_the_examples_say_the_same_over_a_range_and_day_by_day(university):
    found = weeks(university)
    assert university.run(found[0], found[-1]).success
    last = found[-4:]
    for date in last:
        assert university.run(date, job=INSIGHT).success
    bounds = [day(last[0]), day(last[-1])]
    query = "SELECT * FROM enrollment.{} WHERE date BETWEEN ? AND ? ORDER BY ALL"
    singles = [university.query(query.format(name), *bounds) for name in EXAMPLES]
    assert all(singles)
    outcome = university.run(found[0], found[-1], job=INSIGHT)
    assert outcome.success
    assert not [check for check in outcome.checks if check.is_error]
    assert [university.query(query.format(name), *bounds) for name in EXAMPLES] == singles


def test_the_examples_give_these_figures(university):
    found = weeks(university)
    assert university.run(found[0], found[-1]).success
    assert university.run(found[-1], job=INSIGHT).success
    assert rows_of(
        university, "headcount_by_program", "program, headcount, round(share_pct, 2)"
    ) == [
        ("Art", 33, 17.37),
        ("History", 96, 50.53),
        ("Latin", 1, 0.53),
        ("Music", 60, 31.58),
    ]
    assert found[-1] == "2024-10-20"
    # four weeks before, on 2024-09-22, Art had 37; on the days 42 to 49 it lost two and History four
    assert rows_of(
        university,
        "programs_at_risk",
        "program, headcount, headcount_before, round(change_pct, 2), dropped_students, "
        "round(drop_pct, 2), round(institution_drop_pct, 2), is_at_risk",
    ) == [
        ("Art", 33, 37, -10.81, 2, 5.71, 3.06, True),
        ("History", 96, 100, -4.0, 4, 4.0, 3.06, True),
        ("Music", 60, 60, 0.0, 0, 0.0, 3.06, False),
    ]


def test_a_young_term_has_no_headcount_of_four_weeks_ago_and_is_judged_by_its_drops(university):
    found = weeks(university, days=9, gaps=())
    assert university.run(found[0], found[-1]).success
    assert university.run(found[-1], job=INSIGHT).success
    assert rows_of(university, "programs_at_risk", "program, headcount_before, is_at_risk") == [
        ("Art", None, False),
        ("History", None, False),
        ("Music", None, False),
    ]


def test_without_programs_the_examples_are_empty_and_succeed(university):
    university.change(
        columns={"student_id": "student_id", "term": "term", "level": "level"},
        dimensions=["level"],
        metrics_dir=str(CHECKOUT / "sql" / "metrics"),
    )
    university.write(D1, [student(str(n)) for n in range(20)])
    assert university.run(D1).success
    outcome = university.run(D1, job=INSIGHT)
    assert outcome.success, outcome.failures
    assert not outcome.checks
    assert [rows_of(university, name) for name in EXAMPLES] == [[], []]


def test_every_metric_that_is_shipped_is_documented():
    metrics = metric_files.custom_metrics(load_settings(CHECKOUT / "enrollment.yaml"))
    assert set(metrics) >= set(EXAMPLES)
    for metric in metrics.values():
        assert all(column.description for column in metric.table.columns), metric.name


def test_what_the_guide_shows_is_what_works(few_days):
    """The SQL and Python of docs/custom_metrics.md run as they stand."""
    text = (CHECKOUT / "docs" / "custom_metrics.md").read_text()
    blocks = {}
    for part in text.split("```")[1::2]:
        language, _, block = part.partition("\n")
        blocks.setdefault(language, []).append(textwrap.dedent(block))
    add(few_days, "dropped_share.sql", blocks["sql"][0])
    add(few_days, "busiest_weekday.py", blocks["python"][0])
    outcome = few_days.run(D1, D4, job=INSIGHT)
    assert outcome.success, outcome.failures
    assert not outcome.checks
    assert rows_of(few_days, "dropped_share")
    assert rows_of(few_days, "busiest_weekday")
