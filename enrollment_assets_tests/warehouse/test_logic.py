"""Logic has a date: a changed formula makes its descendants stale and nothing else, a comment nothing."""

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

from enrollment_assets import analytics
from enrollment_assets.cli.running import execute, execute_and_restate, restate
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.pipeline.days import stale_formulas, stale_ranges
from enrollment_assets.pipeline.names import CORE, INSIGHT, REPORTS
from enrollment_assets.schema import metric_files
from enrollment_assets.schema.sql_files import folders
from enrollment_assets.warehouse import logic, statements
from enrollment_assets.warehouse.logic import code_versions
from enrollment_assets.warehouse.python_code import python_of
from enrollment_assets.warehouse.source_code import parts_of, plain_sql
from enrollment_assets_tests.conftest import CHECKOUT, day, student

D1, D2, D3 = "2024-06-03", "2024-06-04", "2024-06-05"
METRIC = """-- name: growth
-- grain: one row per day and term
-- description: The growth of the day.
-- key: date, term
-- binds: first, last{more}
-- columns:
--   date: DATE
--   term: VARCHAR
--   growth: DOUBLE
SELECT date, term, {formula} AS growth
FROM enrollment.enrollment_metrics WHERE date BETWEEN $first AND $last
"""


@pytest.fixture
def filled(university):
    for date, count in ((D1, 40), (D2, 42), (D3, 41)):
        university.write(date, [student(f"{n:03d}") for n in range(count)])
    assert university.run(D1, D3).success
    return university


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Edits the platform's SQL as a new version of the program would."""
    folder = tmp_path / "edited"
    folder.mkdir()

    def edit(name, old, new):
        (path,) = [found for f in folders() for found in f.glob(f"{name}.sql")]
        text = path.read_text(encoding="utf-8")
        assert old in text
        (folder / path.name).write_text(text.replace(old, new), encoding="utf-8")
        forget()

    def forget():
        statements._render.cache_clear()
        logic._last = None

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, *folders()]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    monkeypatch.setattr(statements, "_environment", lambda: environment)
    forget()
    yield edit
    forget()


def changed(before, after):
    return {name for name in after if before.get(name) != after[name]}


def descendants(settings, root):
    found = {root}
    for name, table in logic.tables(settings).items():
        if name in code_versions(settings) and found & set(table.depends_on):
            found.add(name)
    return found


def test_a_changed_formula_makes_exactly_its_descendants_stale(filled, edited):
    before = code_versions(filled.settings)
    assert stale_formulas(filled.settings) == {}
    edited("enrollment_metrics", "AS retention_rate", "/ 2 AS retention_rate")
    after = code_versions(filled.settings)
    expected = descendants(filled.settings, "enrollment_metrics")
    assert changed(before, after) == expected
    assert "segment_metrics" not in expected
    assert "enrollment_forecast" in expected
    assert stale_formulas(filled.settings) == {"enrollment_metrics": (day(D1), day(D3))}
    assert all(outcome.success for outcome in restate(filled.settings))
    assert stale_formulas(filled.settings) == {}
    assert filled.query("SELECT max(retention_rate) <= 50 FROM enrollment.enrollment_metrics") == [
        (True,)
    ]


def test_comments_and_blanks_are_no_formula(filled, edited):
    before = code_versions(filled.settings)
    edited("enrollment_metrics", "AS retention_rate", "  AS\n\n retention_rate /* in percent */")
    assert code_versions(filled.settings) == before


def test_the_ledger_keeps_both_figures_with_the_reason(filled, edited, command):
    assert execute(filled.settings, REPORTS, day(D3), day(D3)).success
    edited("enrollment_metrics", "AS retention_rate", "/ 2 AS retention_rate")
    shown = command("status").stdout
    assert f"stale: formula (enrollment_metrics, {D1} to {D3})" in " ".join(shown.split())
    assert all(outcome.success for outcome in restate(filled.settings))
    assert execute(filled.settings, REPORTS, day(D3), day(D3)).success
    ledger = "SELECT metric, old_value, new_value, reason FROM enrollment.metric_restatements"
    by_formula = filled.query(ledger)
    assert {(metric, reason) for metric, _, _, reason in by_formula} == {
        ("retention_rate", "formula")
    }
    assert [new for _, _, new, _ in by_formula] == [old / 2 for _, old, _, _ in by_formula]
    filled.write(D2, [student(f"{n:03d}") for n in range(39)])
    assert execute_and_restate(filled.settings, CORE, day(D2), day(D2)).success
    assert execute(filled.settings, REPORTS, day(D3), day(D3)).success
    assert {row[3] for row in filled.query(ledger)[len(by_formula) :]} == {"snapshots"}
    assert "stale" not in command("status").stdout.split("\n", 6)[-1]


@pytest.mark.parametrize(
    ("key", "value", "tables"),
    [
        ("anomalies", {"threshold": 4.5}, {"enrollment_anomalies"}),
        ("forecast", {"horizon_days": 30}, {"enrollment_forecast", "forecast_scorecard"}),
        ("privacy", {"small_cell": 12}, {"enrollment_anomalies", "segment_disclosure"}),
        # The same sections, but other keys of them.
        ("privacy", {"pseudonymize": True}, set()),
        ("vocabulary", {"enrollment": "subscription"}, set()),
        ("reports", {"accent_color": "#102030"}, set()),
        ("alerts", {"urls": ["json://localhost"]}, set()),
        ("calendar", {"closures": ["2024-07-04", "2024-11-28", "2024-11-29"]}, set()),
    ],
)
def test_exactly_the_settings_that_a_model_reads_change_it(university, key, value, tables):
    before = code_versions(university.settings)
    university.change(**{key: value})
    assert changed(before, code_versions(university.settings)) == tables


def test_a_changed_threshold_makes_days_stale_and_the_next_run_restates_them(filled):
    assert execute(filled.settings, INSIGHT, day(D1), day(D3)).success
    filled.change(anomalies={"threshold": 4.5})
    assert stale_formulas(filled.settings) == {"enrollment_anomalies": (day(D1), day(D3))}
    assert all(outcome.success for outcome in restate(filled.settings))
    assert stale_formulas(filled.settings) == {}


@pytest.fixture
def metrics(university):
    """Writes a metric of one's own and gives the versions of all tables."""
    folder = university.settings.metrics_path
    folder.mkdir(parents=True)

    def write(text, name="growth.sql", **keys):
        (folder / name).write_text(text)
        metric_files._load.cache_clear()  # read once in a process
        university.change(**keys)
        return code_versions(university.settings)

    return write


def test_a_changed_metric_of_ones_own_is_stale(metrics):
    before = metrics(METRIC.format(formula="net_change", more=""))
    assert metrics(METRIC.format(formula="net_change  /* more */", more="")) == before
    other_words = METRIC.replace("The growth of", "What came of")
    assert metrics(other_words.format(formula="net_change", more="")) == before
    assert changed(before, metrics(METRIC.format(formula="2 * net_change", more=""))) == {"growth"}


def test_a_metric_of_ones_own_is_restated_by_the_next_run(filled, metrics):
    metrics(METRIC.format(formula="net_change", more=""))
    assert execute(filled.settings, INSIGHT, day(D1), day(D3)).success
    figures = "SELECT growth FROM enrollment.growth ORDER BY date"
    before = filled.query(figures)
    metrics(METRIC.format(formula="2 * net_change", more=""))
    assert stale_formulas(filled.settings) == {"growth": (day(D1), day(D3))}
    assert all(outcome.success for outcome in restate(filled.settings))
    assert filled.query(figures) == [(2 * figure,) for (figure,) in before]
    assert stale_formulas(filled.settings) == {}


def test_a_metric_that_binds_a_setting_depends_on_it(metrics):
    text = METRIC.format(
        formula="CASE WHEN net_change >= $small_cell THEN 1 END", more=", small_cell"
    )
    plain = METRIC.replace("name: growth", "name: plain").format(formula="net_change", more="")
    metrics(plain, "plain.sql")
    before = metrics(text)
    after = metrics(text, privacy={"small_cell": 12})
    assert changed(before, after) & {"growth", "plain"} == {"growth"}


@pytest.mark.parametrize("root", ["enrollment_metrics", "weekly_enrollment_summary"])
def test_a_formula_behind_a_view_counts(metrics, edited, root):
    text = METRIC.replace(
        "enrollment_metrics WHERE date", "weekly_enrollment_summary WHERE week_start"
    )
    text = text.replace("SELECT date,", "SELECT week_start AS date,")
    before = metrics(text.format(formula="avg_enrollment", more=""))
    edited(root, "AS", "/ 2 AS")
    after = metrics(text.format(formula="avg_enrollment", more=""))
    assert "growth" in changed(before, after)


PYTHON = '''"""{doc}"""
from enrollment_assets.custom_metrics import CustomMetric

LEAST, MOST = {least}, 9


def compute(frames, day, config):
    """{doc}"""
    rows = frames["enrollment_metrics"]
    rows = rows[rows["total_enrollment"] >= {formula}]  # {doc}
    return rows[["date", "term"]].assign(growth=LEAST)


METRIC = CustomMetric(
    name="growth",
    grain="one row per day and term",
    description="{doc}",
    columns={{"date": "DATE", "term": "VARCHAR", "growth": "DOUBLE - {doc}"}},
    key="date, term",
    depends_on="enrollment_metrics",
    lookback_days={lookback},
    compute=compute,
)
'''
READS = {"doc": "A", "least": 1, "formula": "config.privacy.small_cell", "lookback": 3}


@pytest.mark.parametrize(
    ("change", "keys", "is_stale"),
    [
        ({"doc": "Other words"}, {}, False),
        ({"formula": "config.privacy.small_cell + 1"}, {}, True),
        ({"least": 2}, {}, True),
        ({"lookback": 4}, {}, True),
        ({}, {"privacy": {"small_cell": 12}}, True),
        ({}, {"privacy": {"pseudonymize": True}}, False),
        ({}, {"calendar": {"closures": ["2024-07-04", "2024-07-05"]}}, False),
        ({"formula": "len(config.calendar.closures)"}, {}, True),
    ],
)
def test_a_metric_in_python_counts_with_the_settings_that_it_reads(metrics, change, keys, is_stale):
    before = metrics(PYTHON.format(**READS), "growth.py")
    after = metrics(PYTHON.format(**{**READS, **change}), "growth.py", **keys)
    assert ("growth" in changed(before, after)) is is_stale


def test_a_module_beside_a_metric_counts(metrics, university, monkeypatch):
    monkeypatch.syspath_prepend(university.settings.metrics_path)
    text = "from _shared import SHARE\nimport pandas\n" + PYTHON.format(**READS)
    versions = []
    for share in (1, 2):
        (university.settings.metrics_path / "_shared.py").write_text(f"SHARE = {share}  # half\n")
        sys.modules.pop("_shared", None)
        importlib.invalidate_caches()
        versions.append(metrics(text, "growth.py")["growth"])
    sys.modules.pop("_shared", None)
    assert versions[0] != versions[1]


def test_python_counts_without_comments_types_and_documentation():
    texts = (
        "def f(x):\n    '''Doc.'''\n    return x  # comment\n",
        "def f(x: int) -> int:\n\n    return (x)\n",
        "def f(x):\n    return x + 1\n",
    )
    first, same, other = (parts_of(ast.parse(text)).text for text in texts)
    assert first == same != other


def test_python_counts_with_all_that_it_calls():
    models = "enrollment_assets.pipeline.insight.models"
    code = python_of(f"{models}:anomalies")
    assert "enrollment_assets.analytics.anomalies:detect" in code.text
    assert "enrollment_assets.analytics.usual:usual_on" in code.text
    assert "enrollment_assets.analytics.forecasts" not in code.text
    assert {"anomalies.threshold", "privacy.small_cell"} <= code.settings
    assert not any(asked.startswith("forecast") for asked in code.settings)
    assert "anomaly_metrics" in code.strings
    # Of a class only the methods that take part.
    forecast, scorecard = (python_of(f"{models}:Forecasts.{m}") for m in ("forecast", "scorecard"))
    assert "forecast_outcomes" in scorecard.strings - forecast.strings
    assert "Forecasts.fit_of" in forecast.text


def test_every_constant_of_a_model_counts():
    """Constants are what a new version of a model changes first, however they are written."""
    roots = ("anomalies", "disclosures", "Forecasts.forecast", "Forecasts.scorecard")
    code = [python_of(f"enrollment_assets.pipeline.insight.models:{root}") for root in roots]
    places = {word for python in code for word in python.text.split() if ":" in word}
    names = {place.rpartition(":")[2] for place in places}
    assert {"LEAST_HORIZON", "BLANK_SEGMENT"} <= names  # from other rooms
    for path in Path(analytics.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
        defined = {
            part.id
            for node in assigned
            for part in ast.walk(node.targets[0])
            if isinstance(part, ast.Name) and part.id.isupper()
        }
        used = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        assert defined & used <= names, path.name


def test_versions_do_not_depend_on_the_process_or_the_folder(university, metrics, tmp_path):
    metrics(METRIC.format(formula="net_change", more=""))
    metrics(PYTHON.replace('"growth"', '"in_python"').format(**READS), "in_python.py")
    program = (
        "import json\nfrom enrollment_assets.config import load_settings\n"
        "from enrollment_assets.warehouse.logic import code_versions\n"
        "print(json.dumps(dict(code_versions(load_settings()))))"
    )
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(CHECKOUT / "enrollment_assets", elsewhere / "enrollment_assets")
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(place),
                "ENROLLMENT_CONFIG": str(university.config),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, place in (("1", CHECKOUT), ("2", CHECKOUT), ("3", elsewhere))
    }
    assert len(printed) == 1
    assert json.loads(printed.pop()) == dict(code_versions(university.settings))


def test_each_derived_table_says_what_computes_it(university):
    declared = logic.tables(university.settings)
    for name in code_versions(university.settings):
        computed_by = declared[name].computed_by
        assert declared[name].has_statement or python_of(computed_by).text, name


def test_dagster_shows_the_versions_of_the_lineage(filled):
    versions = code_versions(filled.settings)
    stored = filled.query("SELECT DISTINCT table_name, code_version FROM operations.derivations")
    assert stored
    assert dict(stored).items() <= versions.items()
    graph = build_defs(settings=filled.settings).resolve_asset_graph()
    shown = {
        key.to_user_string(): graph.get(key).code_version for key in graph.materializable_asset_keys
    }
    assert {name: shown[name] for name in versions} == dict(versions)
    assert shown["weekly_enrollment_summary"]


@pytest.mark.parametrize(
    ("calendar", "first"),
    [
        ({"closures": ["2024-07-04", "2024-11-28", D2]}, D2),  # a day that was closed for snow
        ({"closures": ["2024-07-04", "2024-11-28", "2025-07-04"]}, None),  # next year's
        ({"events": [{"date": "2024-06-20", "name": "payment due"}]}, D1),  # of this term
        ({"events": [{"date": "2025-06-20", "name": "payment due"}]}, None),
    ],
)
def test_a_changed_calendar_makes_the_days_stale_that_it_may_change(filled, calendar, first):
    """Models read it: the days from a closure on, and those of a term with an event."""
    assert execute(filled.settings, INSIGHT, day(D1), day(D3)).success
    assert stale_ranges(filled.settings, insight=True) == []
    filled.change(calendar={"closures": ["2024-07-04", "2024-11-28"], **calendar})
    expected = [(day(first), day(D3))] if first else []
    assert stale_ranges(filled.settings, insight=True) == expected
    assert stale_ranges(filled.settings) == []
    assert stale_formulas(filled.settings) == {}
    if first:
        assert all(outcome.success for outcome in restate(filled.settings))
        assert stale_ranges(filled.settings, insight=True) == []


def test_a_later_change_by_formula_is_not_laid_to_the_snapshots(filled, edited):
    """A corrected day changes some figures of the days after it; a formula changes others later."""
    assert execute(filled.settings, REPORTS, day(D3), day(D3)).success
    # The same number of students on the same days, but another one of them dropped in between.
    filled.write(D2, [student(f"{n:03d}") for n in (*range(1, 42), 50)])
    assert execute_and_restate(filled.settings, CORE, day(D2), day(D2)).success
    rows = filled.query("SELECT DISTINCT reason FROM enrollment.metric_restatements")
    assert rows == [("snapshots",)]
    # Figures that did not change are known to come from the corrected day, too.
    assert filled.query(
        "SELECT DISTINCT lineage = (SELECT lineage FROM operations.derivations AS derived WHERE "
        "derived.table_name = 'enrollment_metrics' AND derived.date = reported.date) "
        "FROM operations.reported_figures AS reported WHERE dimension IS NULL"
    ) == [(True,)]
    edited("enrollment_metrics", "AS days_to_census", "+ 1 AS days_to_census")
    assert all(outcome.success for outcome in restate(filled.settings))
    rows = filled.query(
        "SELECT DISTINCT reason FROM enrollment.metric_restatements WHERE metric = 'days_to_census'"
    )
    assert rows == [("formula",)]


def test_both_reasons_are_kept_where_both_changed(filled, edited):
    assert execute(filled.settings, REPORTS, day(D3), day(D3)).success
    edited("enrollment_metrics", "AS retention_rate", "/ 2 AS retention_rate")
    filled.write(D3, [student(f"{n:03d}") for n in range(30)])
    assert execute_and_restate(filled.settings, CORE, day(D3), day(D3)).success
    reasons = filled.query(
        "SELECT DISTINCT reason FROM enrollment.metric_restatements ORDER BY ALL"
    )
    assert ("snapshots, formula",) in reasons


def test_rows_of_an_older_file_count_as_of_todays_formulas(filled, edited):
    assert execute(filled.settings, REPORTS, day(D3), day(D3)).success
    with filled.warehouse().connect() as connection:
        connection.execute("UPDATE operations.derivations SET code_version = NULL")
        connection.execute(
            "UPDATE operations.reported_figures SET code_version = NULL, lineage = NULL"
        )
        connection.execute("DELETE FROM operations.schema_versions")
        connection.execute("INSERT INTO operations.schema_versions VALUES (2, '0', now())")
    assert stale_formulas(filled.settings) == {}
    edited("enrollment_metrics", "AS retention_rate", "/ 2 AS retention_rate")
    assert set(stale_formulas(filled.settings)) == {"enrollment_metrics"}
    assert all(outcome.success for outcome in restate(filled.settings))
    reasons = filled.query("SELECT DISTINCT reason FROM enrollment.metric_restatements")
    assert reasons == [("formula",)]


def test_pruned_days_are_final_and_not_called_stale(filled, edited):
    assert execute(filled.settings, INSIGHT, day(D1), day(D3)).success
    with filled.warehouse().connect() as connection:
        connection.execute(
            "INSERT INTO operations.pruned_snapshots BY NAME SELECT '2024FA' AS term, $day AS kept_from",
            {"day": day(D2)},
        )
    edited("student_changes", "AS change,", "|| '' AS change,")
    stale = stale_formulas(filled.settings)
    assert stale["student_changes"] == stale["segment_metrics"] == (day(D3), day(D3))
    assert stale["enrollment_metrics"] == (day(D1), day(D3))
    assert all(outcome.success for outcome in restate(filled.settings))
    assert stale_formulas(filled.settings) == {}
    assert stale_ranges(filled.settings) == []
    assert stale_ranges(filled.settings, insight=True) == []


def test_days_that_have_no_partition_any_more_are_not_called_stale(filled, edited):
    edited("enrollment_metrics", "AS retention_rate", "/ 2 AS retention_rate")
    filled.change(start_date=D2)
    assert stale_formulas(filled.settings) == {"enrollment_metrics": (day(D2), day(D3))}
    assert all(outcome.success for outcome in restate(filled.settings))
    assert stale_formulas(filled.settings) == {}


def test_quoted_text_keeps_its_blanks_and_dashes():
    text = "SELECT 'a  -- b',\n  \"c  d\" -- e\n, 1"
    assert plain_sql(text) == "SELECT 'a  -- b' , \"c  d\" , 1"


@pytest.mark.parametrize("quoted", ["E'it\\'s -- x'", "$$ a -- b $$", "$q$ a $$ -- b $q$"])
def test_other_quotes_hide_no_comment(quoted):
    assert (
        plain_sql(f"SELECT {quoted}, $first -- c\n, $last") == f"SELECT {quoted} , $first , $last"
    )
