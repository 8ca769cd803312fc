"""Terms from a file: what is read, what is refused, what is said when it changes."""

import datetime as dt
import os

import dagster as dg
import duckdb
import pytest

from enrollment_assets.cli.doctor import diagnose
from enrollment_assets.config import load_settings
from enrollment_assets.config.sections import Term
from enrollment_assets.config.terms import term_to_come
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.pipeline.ingest.reconfigured import changes_to_come
from enrollment_assets_tests.conftest import student

HEADER = "code,name,registration_opens,starts,census,ends,comparison"
FALL = "2024FA,Fall 2024,2024-04-01,2024-08-26,2024-09-09,2024-12-20,"
SPRING = "2025SP,Spring 2025,2024-11-01,2025-01-13,2025-01-27,2025-05-09,"


@pytest.fixture
def calendar(university):
    """A university whose terms are in a file, and a way to write that file."""

    def write(*lines, header=HEADER, columns=None, encoding="utf-8"):
        path = university.folder / "terms.csv"
        path.write_text("\n".join((header, *lines)) + "\n", encoding=encoding)
        university.change(terms={"file": "terms.csv", **({"columns": columns} if columns else {})})
        return university

    return write


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"header": HEADER.upper(), "encoding": "utf-8-sig"},
        {
            "header": HEADER.replace("code", "TERM_CODE").replace("starts", "First Day"),
            "columns": {"code": "term_code", "starts": "First Day"},
        },
        {"header": f"{HEADER},remark"},
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_file_has_the_terms(calendar, written, delimiter):
    lines = [line.replace(",", delimiter) for line in (FALL, "", SPRING)]
    written = {**written, "header": written.get("header", HEADER).replace(",", delimiter)}
    settings = calendar(*lines, **written).settings
    assert [term.code for term in settings.terms] == ["2024FA", "2025SP"]
    assert settings.terms[0].census == dt.date(2024, 9, 9)
    assert settings.terms[0].comparison is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (FALL.replace("2024-09-09", "9/9/2024"), r"terms.csv, line 3: census: "),
        (FALL.replace("2024-12-20", "2024-01-20"), "line 3: registration_opens, starts and ends"),
        (FALL.replace("2024-12-20", ""), "line 3: ends: Field required"),
        (SPRING, "the code 2025SP is given twice"),
    ],
)
def test_a_wrong_line_is_named(calendar, line, words):
    with pytest.raises(ConfigurationError, match=words):
        calendar(SPRING, line).settings  # noqa: B018 - reading is the test


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"file": "none.csv"}, "none.csv does not exist"),
        ({"files": "terms.csv"}, "give a list of terms, or"),
        ({"file": "terms.csv", "columns": {"begin": "X"}}, "begin is no key of a term"),
    ],
)
def test_a_wrong_key_is_named(calendar, terms, words):
    university = calendar(FALL)
    university.change(terms=terms)
    with pytest.raises(ConfigurationError, match=words):
        load_settings(university.config)


def test_a_file_that_changes_is_read_again_by_what_has_read_it(calendar):
    settings = calendar(FALL).settings
    assert settings.renewed() is settings
    calendar(FALL, SPRING)
    assert [term.code for term in settings.renewed().terms] == ["2024FA", "2025SP"]


def test_the_schedule_sees_a_new_term_without_a_restart(calendar, dagster_home, monkeypatch):
    university = calendar(FALL)
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    repository = build_defs(settings=university.settings).get_repository_def()
    schedule = repository.get_schedule_def("daily_enrollment_schedule")

    def tick():
        context = dg.build_schedule_context(
            scheduled_execution_time=dt.datetime(2025, 2, 3, 13, tzinfo=dt.UTC),
            repository_def=repository,
        )
        return schedule.evaluate_tick(context)

    assert "no term is open" in tick().skip_message
    calendar(FALL, SPRING)
    os.utime(university.folder / "terms.csv")
    assert [run.partition_key for run in tick().run_requests] == ["2025-02-03"]


def test_what_changed_is_said(calendar, dagster_home):
    university = calendar(FALL, SPRING)
    university.write("2024-09-03", [student("1")])
    university.run("2024-09-03")
    calendar(FALL.replace("2024-09-09", "2024-09-16"), SPRING.replace("2025SP", "2025SU"))
    with duckdb.connect(str(university.settings.warehouse_path)) as connection:
        sentences = changes_to_come(connection, university.settings)
    assert sentences[0].startswith(
        "terms: of 2024FA, census is 2024-09-16 (before: 2024-09-09). A census that is frozen stays so."
    )
    assert sentences[1].startswith("terms: 2025SU is new; it is open from 2024-11-01 to 2025-05-09")
    assert sentences[2].startswith("terms: 2025SP is no longer listed.")


def term(code, opens):
    day = dt.date.fromisoformat(opens)
    days = [day + dt.timedelta(n) for n in (0, 140, 154, 260)]
    return Term(code=code, registration_opens=days[0], starts=days[1], census=days[2], ends=days[3])


@pytest.mark.parametrize(
    ("today", "others", "is_said"),
    [
        ("2025-03-10", [], True),
        ("2025-02-10", [], False),  # too early to say
        ("2025-03-10", [term("2025FA", "2025-04-07")], False),
        ("2025-03-10", [term("2025SP", "2024-11-01")], True),
        ("2025-05-10", [], False),  # the source itself shows it by now
    ],
)
def test_a_term_that_should_open_soon_is_missed(today, others, is_said):
    said = term_to_come([term("2024FA", "2024-04-01"), *others], dt.date.fromisoformat(today))
    assert bool(said) is is_said
    if said:
        assert said.startswith("2024FA opened on 2024-04-01, and no term under terms opens about")


def test_the_doctor_says_it(calendar, monkeypatch):
    opens = dt.date.today() - dt.timedelta(350)  # noqa: DTZ011
    days = [opens + dt.timedelta(n) for n in (0, 140, 154, 260)]
    university = calendar(",".join(["X", "Term X", *map(str, days), ""]))
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    first = next(iter(diagnose()))
    assert first.ok
    assert "Term X opened on" in first.message
