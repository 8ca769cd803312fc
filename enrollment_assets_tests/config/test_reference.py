"""The documentation of keys and the schema for editors say what the settings model says."""

import datetime as dt
import json
import re
import shlex

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from enrollment_assets.config import Settings, load_settings
from enrollment_assets.config.reference import SCHEMA_FILE, described, documentation, schema
from enrollment_assets_tests.conftest import CHECKOUT, CONFIG

PAGE = CHECKOUT / "docs" / "configuration.md"
REMEDY = "run `python -m enrollment_assets.config.reference docs/configuration.md`"


def models(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models(part)]


def fields(model=Settings):
    """Every section with every key of it."""
    for name, field in model.model_fields.items():
        yield model, field.alias or name, field
        for below in models(field.annotation):
            yield from fields(below)


def plain(part):
    """YAML as an editor sees it: dates are texts."""
    if isinstance(part, dict):
        return {name: plain(below) for name, below in part.items()}
    if isinstance(part, list):
        return [plain(below) for below in part]
    return part.isoformat() if isinstance(part, dt.date) else part


def mistakes(content):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    return [error.message for error in validator.iter_errors(plain(content))]


def test_every_key_says_what_it_means():
    described()
    silent = [
        f"{model.__name__}.{name}" for model, name, field in fields() if not field.description
    ]
    assert silent == []


def test_every_key_is_in_the_documentation():
    described()
    text = PAGE.read_text()
    for model, name, field in fields():
        words = " ".join(field.description.split())
        top_section = model is Settings and models(field.annotation)
        place = f"### `{name}`" if top_section else rf"{name}` |"
        assert place in text, f"{model.__name__}.{name} is not in {PAGE.name}"
        assert words in text or top_section, f"{model.__name__}.{name}: another meaning"


def test_what_is_generated_is_up_to_date():
    text = PAGE.read_text()
    assert documentation(text) == text, REMEDY
    assert SCHEMA_FILE.read_text() == schema(), REMEDY


def test_every_variable_of_the_platform_is_in_the_documentation():
    named = {
        name
        for path in (CHECKOUT / "enrollment_assets").rglob("*.py")
        for name in re.findall(r"\bENROLLMENT_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())
    }
    text = PAGE.read_text()
    assert "ENROLLMENT_CONFIG" in named
    assert [name for name in sorted(named) if f"| `{name}` |" not in text] == []


def test_the_documented_overrides_work(tmp_path, monkeypatch):
    """Each example of the page, all at once."""
    path = tmp_path / "enrollment.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, "retention": {"runs_days": 7}}))
    examples = re.findall(r"\| `(ENROLLMENT__[A-Z_]+=.+?)` \|", PAGE.read_text())
    assert len(examples) == 9
    for example in examples:
        (assignment,) = shlex.split(example)
        monkeypatch.setenv(*assignment.split("=", 1))
    settings = load_settings(path)
    assert settings.schedule.cron == "30 7 * * *"
    assert settings.quality.reject_floor == 25
    assert settings.start_date == dt.date(2025, 4, 1)
    assert settings.columns["student_id"] == "EMPLID"
    assert settings.columns["program"] == "program"
    assert settings.calendar.closures == {dt.date(2026, 11, 26), dt.date(2026, 11, 27)}
    assert settings.exclude[0].pattern == "^TEST"
    retention = settings.retention
    assert (retention.snapshots_days, retention.reports_days, retention.runs_days) == (730, None, 7)


@pytest.mark.parametrize(
    "path",
    [
        "enrollment.yaml",
        *(str(p.relative_to(CHECKOUT)) for p in CHECKOUT.glob("examples/*/enrollment.yaml")),
    ],
)
def test_the_configurations_that_ship_fit_the_schema(path):
    assert mistakes(yaml.safe_load((CHECKOUT / path).read_text())) == []


@pytest.mark.parametrize(
    "page", sorted((CHECKOUT / "docs").glob("*.md")), ids=lambda page: page.name
)
def test_the_sections_in_the_documentation_fit_the_schema(page):
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        content = yaml.safe_load(block)
        if isinstance(content, dict) and set(content) <= set(Settings.model_fields):
            assert mistakes({**CONFIG, **content}) == [], block


@pytest.mark.parametrize(
    "source",
    [
        {"url": "snapshots"},
        {"kind": "database", "url": "sqlite:///x.db", "query": "q.sql"},
        {
            "kind": "api",
            "url": "https://x",
            "auth": {"bearer": "${T}"},
            "paging": {"style": "link"},
        },
    ],
)
def test_each_kind_of_source_fits_the_schema(source):
    assert mistakes({**CONFIG, "source": source}) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"shedule": {}},
        {"schedule": {"crom": "0 8 * * *"}},
        {"start_date": 20240401},
        {"grain": "seat"},
        {"quality": {"max_missing_rate": 5}},
        {"reports": {"primary_color": "blue"}},
        {"dimensions": ["Program"]},
        {"source": {"kind": "ftp", "url": "x"}},
        {"source": {"kind": "database", "url": "x"}},
        {"source": {"url": "x", "tables": "y"}},
        {"terms": []},
        {"terms": [{**CONFIG["terms"][0], "code": 202510}]},
    ],
)
def test_an_editor_marks_what_loading_would_refuse(changes):
    assert mistakes({**CONFIG, **changes})
