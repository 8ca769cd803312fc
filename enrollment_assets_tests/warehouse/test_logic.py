"""Logic has a date: a changed formula makes its descendants stale and nothing else, a comment nothing."""

import ast
import os
import subprocess
import sys

import jinja2
import pytest

from enrollment_assets.cli.running import execute, execute_and_restate, restate
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.pipeline.days import stale_formulas
from enrollment_assets.pipeline.names import CORE, REPORTS
from enrollment_assets.schema import metric_files
from enrollment_assets.schema.sql_files import folders
from enrollment_assets.warehouse import logic, statements
from enrollment_assets.warehouse.logic import code_versions, plain_sql
from enrollment_assets_tests.conftest import day, student

D1, D2, D3 = "2024-06-03", "2024-06-04", "2024-06-05"
METRIC = """-- name: growth
-- grain: one row per day and term
-- description: The growth of the day.
-- key: date, term
-- binds: first, last
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
        statements._render.cache_clear()

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, *folders()]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    monkeypatch.setattr(statements, "_environment", lambda: environment)
    statements._render.cache_clear()
    yield edit
    statements._render.cache_clear()


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
        ("reports", {"accent_color": "#102030"}, set()),
        ("calendar", {"closures": ["2024-07-04", "2024-11-28", "2024-11-29"]}, set()),
    ],
)
def test_exactly_the_settings_that_a_model_reads_change_it(university, key, value, tables):
    before = code_versions(university.settings)
    university.change(**{key: value})
    assert changed(before, code_versions(university.settings)) == tables


def test_a_changed_metric_of_ones_own_is_stale(filled):
    folder = filled.settings.metrics_path
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "growth.sql"

    def versions(formula):
        path.write_text(METRIC.format(formula=formula))
        metric_files._load.cache_clear()  # read once in a process
        return code_versions(filled.settings)

    before = versions("net_change")
    assert versions("net_change  /* more */") == before
    assert changed(before, versions("2 * net_change")) == {"growth"}


def test_python_counts_without_comments_and_with_all_that_it_calls():
    source = "def f(x):\n    '''Doc.'''\n    return x  # comment\n"
    other = "def f(x):\n\n    return x\n"
    plain = [logic._plain_python(ast.parse(text)) for text in (source, other)]
    assert plain[0] == plain[1]
    code, keys, named = logic._python("enrollment_assets.pipeline.insight.models:anomalies")
    assert "enrollment_assets.analytics.anomalies:detect" in code
    assert "enrollment_assets.analytics.usual:usual_on" in code
    assert "enrollment_assets.analytics.forecasts" not in code
    assert "anomalies" in keys
    assert "forecast" not in keys
    assert "anomaly_metrics" in named


def test_versions_do_not_depend_on_the_process(university):
    program = (
        "import json\nfrom enrollment_assets.config import load_settings\n"
        "from enrollment_assets.warehouse.logic import code_versions\n"
        "print(json.dumps(dict(code_versions(load_settings()))))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "ENROLLMENT_CONFIG": str(university.config)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_dagster_shows_the_versions_of_the_lineage(university):
    versions = code_versions(university.settings)
    graph = build_defs(settings=university.settings).resolve_asset_graph()
    shown = {
        key.to_user_string(): graph.get(key).code_version for key in graph.materializable_asset_keys
    }
    assert {name: shown[name] for name in versions} == dict(versions)
    assert shown["weekly_enrollment_summary"]


def test_quoted_text_keeps_its_blanks_and_dashes():
    text = "SELECT 'a  -- b',\n  \"c  d\" -- e\n, 1"
    assert plain_sql(text) == "SELECT 'a  -- b' , \"c  d\" , 1"
