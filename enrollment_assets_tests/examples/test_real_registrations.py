"""Real registrations of two terms in one range run, against facts that were counted elsewhere.

The facts are those of `shared/data/open_university/README.md`; the data is not part of the project.
"""

import importlib.util

import pytest

from enrollment_assets.cli.running import execute
from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.names import CORE
from enrollment_assets_tests.conftest import CHECKOUT, SHARED, University, require

DATA = SHARED / "open_university"


@pytest.fixture(scope="module")
def registrations(tmp_path_factory):
    require(
        (DATA / "studentRegistration.csv.gz").exists(), f"the real registrations are not in {DATA}"
    )
    example = CHECKOUT / "examples" / "open_university"
    spec = importlib.util.spec_from_file_location("open_university_example", example / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    folder = tmp_path_factory.mktemp("open_university")
    config = folder / "enrollment.yaml"
    config.write_text((example / "enrollment.yaml").read_text())
    home = folder / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    settings = load_settings(config)
    build.build(DATA, settings, folder / "snapshots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        first, last = settings.terms[0].registration_opens, settings.terms[-1].ends
        outcome = execute(settings, CORE, first, last)
    assert outcome.success, outcome.failures
    assert not outcome.failed_error_checks
    return University(folder, config)


def test_people_at_the_peak_at_the_start_and_at_the_end(registrations):
    rows = registrations.query(
        "SELECT term, max(total_enrollment), -arg_max(days_to_start, total_enrollment), "
        "max(total_enrollment) FILTER (days_to_start = 0), arg_max(total_enrollment, date) "
        "FROM enrollment.enrollment_metrics GROUP BY term ORDER BY term"
    )
    assert rows == [("2013J", 8208, -15, 7863, 6469), ("2014J", 9802, -2, 9767, 7288)]


def test_people_added_and_dropped_in_all(registrations):
    rows = registrations.query(
        "SELECT term, arg_min(total_enrollment, date) AS first_day, "
        "(arg_min(total_enrollment, date) + sum(new_students))::INT, sum(dropped_students)::INT "
        "FROM enrollment.enrollment_metrics GROUP BY term ORDER BY term"
    )
    assert rows == [("2013J", 7, 8826, 2357), ("2014J", 3, 10663, 3375)]


def test_seats_at_the_peak_and_at_the_start(registrations):
    rows = registrations.query(
        """
        SELECT term, max(seats), -arg_max(days_to_start, seats), max(seats) FILTER (days_to_start = 0)
        FROM (
            SELECT snapshot_date AS date, term, count(*) AS seats
            FROM enrollment.enrollment_snapshots GROUP BY ALL
        ) JOIN enrollment.enrollment_metrics USING (date, term)
        GROUP BY term ORDER BY term
        """
    )
    assert rows == [("2013J", 8212, -15, 7867), ("2014J", 10272, -4, 10228)]


def test_the_largest_fall_is_on_day_twelve_of_2014j(registrations):
    rows = registrations.query(
        "SELECT -days_to_start, dropped_students, new_students FROM enrollment.enrollment_metrics "
        "WHERE term = '2014J' ORDER BY net_change LIMIT 1"
    )
    assert rows == [(12, 655, 6)]


def test_headcount_and_segments_obey_their_identities_on_every_day(registrations):
    broken = registrations.query(
        """
        SELECT count(*) FROM (
            SELECT *, lag(total_enrollment, 1, 0)
                OVER (PARTITION BY term, dimension, segment ORDER BY date) AS before
            FROM enrollment.segment_metrics
        )
        WHERE baseline_date IS NOT NULL AND total_enrollment
            <> before + new_students - dropped_students + moved_in - moved_out
        """
    )
    assert broken == [(0,)]
    gross_falls = registrations.query(
        "SELECT count(*) FROM (SELECT gross_enrollment - lag(gross_enrollment) "
        "OVER (PARTITION BY term ORDER BY date) AS step FROM enrollment.enrollment_metrics) WHERE step < 0"
    )
    assert gross_falls == [(0,)]


def test_gross_enrollment_is_everyone_who_was_ever_there(registrations):
    assert registrations.query(
        "SELECT term, max(gross_enrollment) FROM enrollment.enrollment_metrics GROUP BY 1 ORDER BY 1"
    ) == registrations.query(
        "SELECT term, count(DISTINCT student_id) FROM enrollment.enrollment_snapshots GROUP BY 1 ORDER BY 1"
    )
