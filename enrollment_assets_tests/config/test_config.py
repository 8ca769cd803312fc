import datetime as dt
import os
import subprocess
import sys

import pytest
import yaml

from enrollment_assets.config import load_settings
from enrollment_assets.config.environment import (
    expand,
    is_from_file,
    load_env_file,
    open_to_others,
)
from enrollment_assets.errors import ConfigurationError
from enrollment_assets_tests.conftest import CHECKOUT, CONFIG


def load(tmp_path, **changes):
    content = {**CONFIG, **changes}
    path = tmp_path / "enrollment.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
    return load_settings(path)


def refusal(tmp_path, **changes):
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, **changes)
    text = str(error.value)
    assert str(tmp_path / "enrollment.yaml") in text
    assert "\n" not in text
    return text


def test_what_is_left_out_takes_the_documented_defaults(tmp_path):
    settings = load(tmp_path)
    assert settings.dimensions == ("division", "program", "level")
    assert settings.quality.max_duplicate_rate == 0.01
    assert settings.schedule.cron == "0 8 * * *"
    assert settings.reports.continuation_target == 95
    assert settings.retention.reports_days is None


def test_a_dimension_without_a_column_is_not_read_by_default(tmp_path):
    settings = load(tmp_path, columns={"student_id": "ID", "program": "PROG"})
    assert settings.dimensions == ("program",)


def test_relative_paths_start_at_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert load(tmp_path).warehouse_path == (tmp_path / "data" / "warehouse.duckdb").resolve()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"foo": 1}, "foo: unknown key; known are"),
        ({"shedule": {}}, "shedule: unknown key; did you mean schedule"),
        ({"schedule": {"crom": "x"}}, "schedule.crom: unknown key; did you mean cron"),
        ({"schedule": {"cron": "every day"}}, "schedule.cron: use five fields"),
        ({"schedule": {"cron": "99 8 * * *"}}, "99 is outside 0 to 59"),
        ({"start_date": 86400}, "start_date: give a date"),
        ({"dimensions": ["standing"]}, "a column with a meaning of its own"),
        ({"source": {"kind": "files", "url": "x", "pattern": "{date:%m%d}.csv"}}, "source.pattern"),
        ({"institution": None}, "institution: must be given"),
        (
            {"institution": {"name": "X", "timezone": "Mars"}},
            "institution.timezone: not a timezone",
        ),
        ({"start_date": "soon"}, "start_date"),
        ({"terms": []}, "terms"),
        ({"terms": [{**CONFIG["terms"][0], "code": 202510}]}, "write it in quotes (found 202510)."),
        ({"email": {"enabled": "perhaps"}}, "email.enabled"),
        ({"quality": {"max_missing_rate": 5}}, "quality.max_missing_rate"),
        ({"quality": {"student_id_pattern": "("}}, "not a regular expression"),
        ({"columns": {"program": "p"}}, "student_id must be mapped"),
        ({"columns": {"student_id": "i", "colour": "c"}}, "colour is not read"),
        ({"dimensions": ["campus"]}, "campus"),
        ({"dimensions": ["program; DROP"]}, "lower-case letters"),
        ({"grain": "seat"}, "grain"),
        ({"source": {"kind": "files", "url": "x", "pattern": "same.csv"}}, "source.pattern"),
        ({"source": {"kind": "files", "url": "x", "pattern": "{day}.csv"}}, "source.pattern"),
        ({"terms": [{**CONFIG["terms"][0], "census": "2030-01-01"}]}, "census must lie between"),
        ({"terms": [{**CONFIG["terms"][0], "ends": "2024-01-01"}]}, "must follow each other"),
        ({"terms": [{**CONFIG["terms"][0], "comparison": "1999"}]}, "1999, which is not listed"),
        ({"terms": CONFIG["terms"] + CONFIG["terms"][:1]}, "is given twice"),
        ({"reports": {"primary_color": "blue"}}, "use a color"),
    ],
)
def test_a_refusal_names_the_file_the_key_and_what_is_allowed(tmp_path, changes, expected):
    assert expected in refusal(tmp_path, **changes)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [", "line 1"),
        (b"- a\n- b\n", "must hold keys and values"),
        (b"", "must hold keys and values"),
        (b"institution: {name: \xff}\n", "not UTF-8"),
        (b"start_date: 2024-09-31\n", "a date that does not exist"),
        (b"? [a]\n: 1\n", "a key must be a word"),
        (b"start_date: 2024-01-01\nstart_date: 2024-01-02\n", "start_date is given twice"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_in_one_sentence(tmp_path, content, expected):
    path = tmp_path / "enrollment.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=expected) as error:
        load_settings(path)
    assert str(path) in str(error.value)


def test_merge_keys_work(tmp_path):
    path = tmp_path / "enrollment.yaml"
    dates = "registration_opens: 2024-04-01, starts: 2024-08-26, census: 2024-09-09"
    terms = f"terms: [&x {{{dates}, code: A, ends: 2024-12-20}}, {{<<: *x, code: B}}]\n"
    content = {k: v for k, v in CONFIG.items() if k != "terms"}
    path.write_text(terms + yaml.safe_dump(content))
    assert [term.code for term in load_settings(path).terms] == ["A", "B"]


def test_a_missing_file_is_told_with_the_variable_that_names_another(tmp_path):
    with pytest.raises(ConfigurationError, match="ENROLLMENT_CONFIG"):
        load_settings(tmp_path / "nowhere.yaml")


def test_environment_overrides_single_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("ENROLLMENT__EMAIL__ENABLED", "true")
    monkeypatch.setenv("ENROLLMENT__CALENDAR__CLOSURES", '["2024-12-24"]')
    monkeypatch.setenv("ENROLLMENT__QUALITY__REJECT_FLOOR", "7")
    monkeypatch.setenv("ENROLLMENT__RETENTION__REPORTS_DAYS", "null")
    settings = load(tmp_path, quality={"max_missing_rate": 0.2})
    assert settings.email.enabled
    assert settings.retention.reports_days is None
    assert settings.calendar.closures == {dt.date(2024, 12, 24)}
    assert (settings.quality.reject_floor, settings.quality.max_missing_rate) == (7, 0.2)


@pytest.mark.parametrize("name", ["ENROLLMENT__EMAL__ENABLED", "ENROLLMENT__EMAIL__ENABLD"])
def test_an_override_of_nothing_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "true")
    with pytest.raises(ConfigurationError, match="did you mean"):
        load(tmp_path)


def test_a_variable_matters_only_where_it_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("SMTP_URL", raising=False)
    settings = load(tmp_path)
    with pytest.raises(ConfigurationError, match=r"email.smtp_url needs .* SMTP_URL"):
        expand(settings.email.smtp_url, "email.smtp_url")
    monkeypatch.setenv("SMTP_URL", "smtp://localhost:25")
    assert expand(settings.email.smtp_url, "email.smtp_url") == "smtp://localhost:25"


@pytest.mark.parametrize("path", ["enrollment.yaml", "examples/open_university/enrollment.yaml"])
def test_the_configurations_that_ship_are_valid(path):
    assert load_settings(CHECKOUT / path).terms


def test_no_snapshot_is_expected_on_closures_weekends_if_set_and_between_terms(tmp_path):
    settings = load(tmp_path)
    assert settings.why_no_snapshot(dt.date(2024, 7, 4)) == "2024-07-04 is a closure"
    assert settings.why_no_snapshot(dt.date(2024, 7, 6)) is None
    assert "no term is open" in (settings.why_no_snapshot(dt.date(2025, 6, 1)) or "")
    weekends_off = load(tmp_path, schedule={"skip_weekends": True})
    assert "weekend" in (weekends_off.why_no_snapshot(dt.date(2024, 7, 6)) or "")


@pytest.fixture
def env_file(tmp_path):
    """Writes `.env` beside the configuration; what it gave is gone afterwards."""

    def write(content, folder=tmp_path):
        path = folder / ".env"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        return path

    yield write
    (tmp_path / "empty").mkdir()
    load_env_file(tmp_path / "empty")


def test_secrets_and_overrides_come_from_the_file_beside_the_configuration(
    tmp_path, env_file, monkeypatch
):
    monkeypatch.delenv("SMTP_URL", raising=False)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    env_file(
        "# mail\n\nexport SMTP_PASSWORD='p@ss word'  # the registrar knows it\n"
        "SMTP_URL=smtps://ir:${SMTP_PASSWORD}@mail.example.edu\n"
        "AWS_ACCESS_KEY_ID=AKIA\nENROLLMENT__EMAIL__SUBJECT_PREFIX='[IR]'\n"
    )
    settings = load(tmp_path)
    assert settings.email.subject_prefix == "[IR]"
    expected = "smtps://ir:p@ss word@mail.example.edu"
    assert expand(settings.email.smtp_url, "email.smtp_url") == expected
    # as third parties look for theirs
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIA"


def test_the_real_environment_wins_over_the_file(tmp_path, env_file, monkeypatch):
    monkeypatch.setenv("SMTP_URL", "smtp://real")
    monkeypatch.setenv("ENROLLMENT__EMAIL__SUBJECT_PREFIX", "real")
    env_file("SMTP_URL=smtp://file\nENROLLMENT__EMAIL__SUBJECT_PREFIX=file\n")
    settings = load(tmp_path)
    assert settings.email.subject_prefix == "real"
    assert expand("${SMTP_URL}", "email.smtp_url") == "smtp://real"
    assert not is_from_file("SMTP_URL")


def test_a_file_that_was_edited_or_is_another_ones_leaves_nothing_behind(
    tmp_path, env_file, monkeypatch
):
    monkeypatch.delenv("FIRST", raising=False)
    monkeypatch.delenv("SECOND", raising=False)
    env_file("FIRST=1\nSECOND=2\n")
    load(tmp_path)
    env_file("FIRST=changed\n")
    load(tmp_path)
    assert os.environ["FIRST"] == "changed"
    assert "SECOND" not in os.environ
    other = tmp_path / "other"
    other.mkdir()
    load(other)
    assert "FIRST" not in os.environ


def test_what_the_environment_took_over_since_stays(tmp_path, env_file, monkeypatch):
    monkeypatch.delenv("FIRST", raising=False)
    path = env_file("FIRST=1\n")
    load(tmp_path)
    os.environ["FIRST"] = "mine"
    path.unlink()
    load(tmp_path)
    assert os.environ.pop("FIRST") == "mine"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("A=1\nhunter2\n", 2),
        ("\n\n  SMTP_URL: hunter2\n", 3),
        ("A='hunter2\nB=2\n", 1),
        ("A=1\n\n# a comment\nhunter 2=hunter2\n", 4),
        ("1A=hunter2\n", 1),
        ("A=hunter2\nB=1\nA=hunter3\n", 3),
        ("A=hunter2\0\n", 1),
        ("ENROLLMENT_CONFIG=hunter2\n", 1),
        ("B='hunter2'\nC=x${NOT_SET}hunter2\n", 2),
    ],
)
def test_a_line_that_is_none_is_named_by_its_number_without_its_value(
    tmp_path, env_file, monkeypatch, content, line
):
    monkeypatch.delenv("A", raising=False)
    path = env_file(content)
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path)
    assert f"{path}, line {line}: " in str(error.value)
    assert "hunter" not in str(error.value)
    assert "\n" not in str(error.value)
    assert "A" not in os.environ


def test_a_file_that_is_not_text_is_told_and_a_folder_of_that_name_is_none(tmp_path, env_file):
    path = env_file(b"A=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env is not UTF-8 text"):
        load(tmp_path)
    path.unlink()
    path.mkdir()
    load(tmp_path)


def test_the_code_location_reads_the_file_too(tmp_path, env_file):
    env_file("ENROLLMENT__SCHEDULE__CRON='15 6 * * *'\n")
    (tmp_path / "enrollment.yaml").write_text(yaml.safe_dump(CONFIG))
    code = (
        "from enrollment_assets.definitions import defs\n"
        "print([each.cron_schedule for each in defs.schedules or ()])"
    )
    environment = {**os.environ, "ENROLLMENT_CONFIG": str(tmp_path / "enrollment.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "15 6 * * *" in done.stdout, done.stderr


def test_an_override_of_nothing_in_the_file_is_refused(tmp_path, env_file):
    env_file("ENROLLMENT__EMAL__ENABLED=true\n")
    with pytest.raises(ConfigurationError, match="did you mean email"):
        load(tmp_path)


def test_a_file_that_others_can_read_is_found(tmp_path, env_file):
    assert open_to_others(tmp_path) is None
    path = env_file("A=1\n")
    assert open_to_others(tmp_path) is None
    path.chmod(0o644)
    assert open_to_others(tmp_path) == path


@pytest.mark.parametrize("names", [[], ["MAJOR", "MAJOR"], 7, [["MAJOR"]]])
def test_a_columns_names_are_one_or_a_list_of_different_ones(tmp_path, names):
    columns = {"student_id": "id", "program": names}
    words = refusal(tmp_path, columns=columns, dimensions=["program"])
    assert "columns.program: give the column's name in the source, or a list" in words
