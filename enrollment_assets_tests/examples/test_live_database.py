"""The example of a system that knows its past: what is backfilled is what its dates say."""

import datetime as dt
import importlib.util
import shutil
import sqlite3

import pytest

from enrollment_assets.cli.running import execute
from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.names import CORE
from enrollment_assets_tests.conftest import CHECKOUT, University

EXAMPLE = CHECKOUT / "examples" / "live_database"
# The end of one term, the last weeks of registration for another, and a closure.
FIRST, LAST = dt.date(2024, 12, 2), dt.date(2025, 1, 20)


@pytest.fixture
def live(tmp_path, dagster_home):
    spec = importlib.util.spec_from_file_location("live_database", EXAMPLE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path / "examples" / "live_database"
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLE / "enrollment.yaml", folder)
    (tmp_path / "sql").symlink_to(CHECKOUT / "sql")
    config = folder / "enrollment.yaml"
    database = folder / "data" / "student_system.db"
    count = module.build(database, load_settings(config).terms, students=300)
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM enrollment_history").fetchone() == (count,)
    return University(folder, config), database


def test_a_range_of_history_is_what_the_memberships_say_of_each_day(live):
    university, database = live
    settings = university.settings
    outcome = execute(settings, CORE, FIRST, LAST)
    assert outcome.success, outcome.failures
    assert not outcome.failed_error_checks
    found = university.query(
        "SELECT date::VARCHAR, term, total_enrollment, new_students, dropped_students, moved_students "
        "FROM enrollment.enrollment_metrics ORDER BY ALL"
    )
    assert len(found) > 40
    expected = []
    days = [FIRST + dt.timedelta(n) for n in range((LAST - FIRST).days + 1)]
    before = {}
    with sqlite3.connect(database) as connection:
        for day in days:
            for term in settings.open_terms(day):
                if settings.why_no_snapshot(day):
                    continue
                rows = connection.execute(
                    "SELECT student_id, program FROM enrollment_history WHERE term = ? "
                    "AND valid_from <= ? AND valid_to > ?",
                    (term.code, str(day), str(day)),
                )
                now = dict(rows.fetchall())
                was = before.get(term.code, now)
                moved = sum(was[student] != now[student] for student in was.keys() & now.keys())
                changed = (len(now.keys() - was.keys()), len(was.keys() - now.keys()), moved)
                expected.append((str(day), term.code, len(now), *changed))
                before[term.code] = now
    assert found == sorted(expected)
    assert sum(row[3] for row in found) > 20
    assert sum(row[4] for row in found) > 5
    assert sum(row[5] for row in found) > 0
