"""`enrollment config`: what holds, where it comes from, and no secret."""

import pytest
import yaml
from click.testing import CliRunner

from enrollment_assets.cli.main import cli
from enrollment_assets.config import load_settings
from enrollment_assets.config.environment import load_env_file
from enrollment_assets.config.origins import values
from enrollment_assets_tests.conftest import CONFIG

SECRET = "hunter2"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Writes a configuration, and `.env` beside it; gives key: (value, origin)."""
    for name in ("SMTP_URL", "ALERT_URL", "SOURCE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "enrollment.yaml"
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(path))

    def write(changes=None, env="", text=None):
        path.write_text(text or yaml.safe_dump({**CONFIG, **(changes or {})}, sort_keys=False))
        (tmp_path / ".env").write_text(env)
        return {value.key: (value.shown, value.origin) for value in values(load_settings())}

    yield write
    (tmp_path / "empty").mkdir()
    load_env_file(tmp_path / "empty")


def line_of(tmp_path, text):
    lines = (tmp_path / "enrollment.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_each_value_says_where_it_comes_from(configured, tmp_path, monkeypatch):
    monkeypatch.setenv("enrollment__quality__reject_floor", "7")
    monkeypatch.setenv("ENROLLMENT__CALENDAR__CLOSURES", '["2024-12-25", "2024-12-24"]')
    monkeypatch.setenv("ENROLLMENT__PRIVACY", '{"small_cell": 5}')
    found = configured(
        {"privacy": {"pseudonymize": True}, "email": {"from": "ir@example.edu"}},
        env="ENROLLMENT__REPORTS__LOGO=logo.png\nENROLLMENT__COLUMNS__LEVEL=LVL\n",
    )
    file = "enrollment.yaml line"
    assert found["institution.name"] == ("Test University", f"{file} {line_of(tmp_path, 'Test U')}")
    assert found["terms[1].code"] == ("2025SP", f"{file} {line_of(tmp_path, 'code: 2025SP')}")
    assert found["email.from"] == ("ir@example.edu", f"{file} {line_of(tmp_path, 'ir@example')}")
    assert found["privacy.pseudonymize"][0] == "true"
    assert found["privacy.pseudonymize"][1].startswith(file)
    assert found["privacy.small_cell"] == ("5", "ENROLLMENT__PRIVACY in the environment")
    assert found["quality.reject_floor"] == (
        "7",
        "enrollment__quality__reject_floor in the environment",
    )
    assert found["calendar.closures"] == (
        "[2024-12-24, 2024-12-25]",
        "ENROLLMENT__CALENDAR__CLOSURES in the environment",
    )
    assert found["reports.logo"] == ("logo.png", "ENROLLMENT__REPORTS__LOGO in .env")
    assert found["columns.level"] == ("LVL", "ENROLLMENT__COLUMNS__LEVEL in .env")
    assert found["columns.program"][1].startswith(file)
    assert found["schedule.cron"] == ("0 8 * * *", "default")
    assert found["metrics_dir"] == ("null", "default")


def test_a_list_from_the_environment_replaces_the_files(configured, monkeypatch):
    terms = '[{"code": "X", "registration_opens": "2024-04-01", "starts": "2024-08-26", '
    terms += '"census": "2024-09-09", "ends": "2024-12-20"}]'
    monkeypatch.setenv("ENROLLMENT__TERMS", terms)
    found = configured()
    assert found["terms[0].ends"] == ("2024-12-20", "ENROLLMENT__TERMS in the environment")
    assert "terms[1].code" not in found


def test_merged_keys_have_the_line_they_were_written_on(configured):
    dates = "registration_opens: 2024-04-01, starts: 2024-08-26, census: 2024-09-09"
    rest = {key: value for key, value in CONFIG.items() if key != "terms"}
    text = f"terms:\n- &x {{{dates}, code: A, ends: 2024-12-20}}\n- <<: *x\n  code: B\n"
    found = configured(text=text + yaml.safe_dump(rest))
    assert found["terms[1].starts"] == ("2024-08-26", "enrollment.yaml line 2")
    assert found["terms[1].code"] == ("B", "enrollment.yaml line 4")


def test_variables_stay_names_and_are_set_or_not(configured, monkeypatch):
    monkeypatch.setenv("ALERT_URL", f"slack://{SECRET}")
    found = configured(
        {"source": {**CONFIG["source"], "options": {"password": "${SOURCE_PASSWORD}"}}},
        env=f"SOURCE_PASSWORD={SECRET}\n",
    )
    assert found["source.options.password"][0] == "${SOURCE_PASSWORD}"
    assert found["source.options.password"][1].endswith("; SOURCE_PASSWORD set in .env")
    assert found["email.smtp_url"] == ("${SMTP_URL}", "default; SMTP_URL not set")
    assert found["alerts.urls"] == ("[${ALERT_URL}]", "default; ALERT_URL set in the environment")
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("changes", "key", "shown"),
    [
        (
            {"email": {"smtp_url": f"smtps://ir:a@{SECRET}/@mail.example.edu:465"}},
            "email.smtp_url",
            "smtps://ir:***@mail.example.edu:465",
        ),
        (
            {"email": {"smtp_url": "smtps://ir:${SMTP_PASSWORD}@mail.example.edu"}},
            "email.smtp_url",
            "smtps://ir:${SMTP_PASSWORD}@mail.example.edu",
        ),
        (
            {"email": {"smtp_url": f"smtps://ir:{SECRET}" + "${SMTP_PASSWORD}@mail.example.edu"}},
            "email.smtp_url",
            "smtps://ir:***${SMTP_PASSWORD}@mail.example.edu",
        ),
        (
            {"alerts": {"urls": [f"slack://{SECRET}/{SECRET}/", f"{SECRET}", "json://${HOST}/x"]}},
            "alerts.urls",
            "[slack://***, ***, json://${HOST}***]",
        ),
        (
            {
                "source": {
                    "url": f"https://x/list?sig={SECRET}&api_key={SECRET}&day=1",
                    "kind": "api",
                }
            },
            "source.url",
            "https://x/list?sig=***&api_key=***&day=1",
        ),
        (
            {"source": {"kind": "api", "url": "https://x", "params": {"token": SECRET}}},
            "source.params.token",
            "***",
        ),
        (
            {"source": {"kind": "api", "url": "https://x", "headers": {"Cookie": f"a={SECRET}"}}},
            "source.headers.Cookie",
            "***",
        ),
        (
            {
                "source": {
                    **CONFIG["source"],
                    "options": {"client_kwargs": {"token": [SECRET, "x"]}},
                }
            },
            "source.options.client_kwargs.token",
            "[***, ***]",
        ),
    ],
)
def test_a_secret_in_the_open_is_hidden(configured, changes, key, shown):
    found = configured(changes)
    assert found[key][0] == shown
    assert SECRET not in str(found)


def test_a_secret_that_overrides_a_key_is_hidden(configured, monkeypatch):
    monkeypatch.setenv("ENROLLMENT__SOURCE__AUTH__BEARER", SECRET)
    monkeypatch.setenv("ENROLLMENT__SOURCE__AUTH", f'{{"bearer": "{SECRET}"}}')
    found = configured({"source": {"kind": "api", "url": "https://x"}})
    assert found["source.auth.bearer"][0] == "***"
    assert SECRET not in str(found)


def run(*arguments):
    done = CliRunner().invoke(cli, ["config", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_prints_one_line_a_key(configured, tmp_path, monkeypatch):
    monkeypatch.setenv("SMTP_URL", SECRET)
    configured({"institution": {"name": "Long [bold] name " * 20}})
    lines = run().splitlines()
    assert lines[0] == f"# {tmp_path / 'enrollment.yaml'}"
    assert any(line.startswith("institution.name: Long [bold] name Long") for line in lines)
    assert "email.smtp_url: ${SMTP_URL}  # default; SMTP_URL set in the environment" in lines
    assert "SMTP_URL  # set in the environment" in lines
    assert SECRET not in "".join(lines)


def test_what_has_its_default_can_be_left_out(configured):
    configured()
    output = run("--changed")
    assert "schedule.cron" not in output
    assert "institution.name: Test University" in output


def test_the_schema_needs_no_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(tmp_path / "nowhere.yaml"))
    assert run("--schema").startswith('{\n "$schema"')
