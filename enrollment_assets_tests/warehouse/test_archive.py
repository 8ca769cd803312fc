"""Backup and restore: everything comes back, and what was there is kept."""

import duckdb
import pytest

from enrollment_assets.errors import WarehouseError
from enrollment_assets.pipeline.names import DAILY
from enrollment_assets.warehouse.archive import back_up, restore
from enrollment_assets_tests.conftest import student

FIRST, SECOND = "2024-09-03", "2024-09-04"
DAYS = "SELECT DISTINCT snapshot_date::VARCHAR FROM enrollment.enrollment_snapshots ORDER BY 1"


@pytest.fixture
def place(university):
    university.write(FIRST, [student(f"{n:03d}") for n in range(60)])
    university.write(SECOND, [student(f"{n:03d}") for n in range(62)])
    assert university.run(FIRST, job=DAILY).success
    return university


def test_a_drill_brings_the_warehouse_and_its_reports_back(place, command):
    file = place.folder / "kept.tar"
    done = command("backup", str(file))
    assert done.returncode == 0
    assert "MB" in done.stdout
    assert file.stat().st_mode & 0o077 == 0
    page = place.settings.data_path / "reports" / FIRST / "report.html"
    text = page.read_text()
    assert place.run(SECOND, job=DAILY).success
    page.unlink()
    assert place.query(DAYS) == [(FIRST,), (SECOND,)]

    done = command("restore", str(file))
    assert done.returncode == 0
    assert place.query(DAYS) == [(FIRST,)]
    assert page.read_text() == text
    (aside,) = place.settings.data_path.glob("before-restore-*")
    with duckdb.connect(str(aside / "warehouse.duckdb"), read_only=True) as before:
        assert before.execute(DAYS).fetchall() == [(FIRST,), (SECOND,)]
    # and the day that the backup lacks can be loaded again
    assert place.run(SECOND, job=DAILY).success
    assert place.query(DAYS) == [(FIRST,), (SECOND,)]


def test_a_backup_of_a_newer_version_changes_nothing(place):
    with duckdb.connect(str(place.settings.warehouse_path)) as connection:
        connection.execute("INSERT INTO operations.schema_versions VALUES (99, '9.9', now())")
    with pytest.raises(WarehouseError, match="newer"):
        back_up(place.settings, place.folder / "newer.tar")


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_no_backup_is_refused_in_words(place, command, content):
    file = place.folder / "other.tar"
    file.write_bytes(content)
    done = command("restore", str(file))
    assert done.returncode != 0
    assert "enrollment backup" in " ".join((done.stdout + done.stderr).split())
    assert place.query(DAYS) == [(FIRST,)]


def test_nothing_to_back_up_is_said(university, command):
    done = command("backup", str(university.folder / "kept.tar"))
    assert done.returncode != 0
    assert "nothing to back up" in " ".join((done.stdout + done.stderr).split())


def test_a_damaged_backup_is_refused(place):
    import tarfile

    bad = place.folder / "warehouse.duckdb"
    bad.write_bytes(b"not a database, but long enough to be looked at" * 200)
    file = place.folder / "bad.tar"
    with tarfile.open(file, "w") as archive:
        archive.add(bad, "warehouse.duckdb")
    with pytest.raises(WarehouseError, match="damaged"):
        restore(place.settings, file)
    assert place.query(DAYS) == [(FIRST,)]
