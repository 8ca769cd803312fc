"""Files that went wrong: refused in words, or read as a person would read them; never anything else."""

from collections import Counter

import pytest

from enrollment_assets.errors import EnrollmentError
from enrollment_assets.pipeline.ingest.intake import store_days
from enrollment_assets.pipeline.ingest.verdicts import ACCEPTED
from enrollment_assets.sources.configured import source_for
from enrollment_assets_tests.conftest import day
from enrollment_assets_tests.support import malformed
from enrollment_assets_tests.support.soak import count

D1, D2 = day("2024-09-03"), day("2024-09-04")
SEED = 20260904
COLUMNS = ", ".join(f'"{name}"' for name in malformed.HEADER)


@pytest.fixture
def place(university):
    """A university with a good first day; the second day's files come as they come."""
    university.change(
        columns={name: name for name in malformed.HEADER},
        dimensions=["program", "level"],
    )
    return university


def rows_of(connection, date):
    return sorted(
        connection.execute(
            f"SELECT {COLUMNS} FROM enrollment.enrollment_snapshots WHERE snapshot_date = ?", [date]
        ).fetchall(),
        key=str,
    )


def as_stored(rows):
    """A value of blanks is none."""
    return sorted((tuple(value or None for value in row) for row in rows), key=str)


def put(university, date, ending, content):
    source = {
        "kind": "files",
        "settle_seconds": 0,
        "url": "snapshots",
        "pattern": "s_{date:%Y%m%d}" + ending,
        "max_megabytes": malformed.LIMIT_MEGABYTES,
    }
    university.change(source=source)
    (university.snapshots / f"s_{date:%Y%m%d}{ending}").write_bytes(content)
    settings = university.settings
    return settings, source_for(settings)


def test_files_that_went_wrong_are_refused_or_read_rightly(place):
    base = malformed.base_rows()
    settings, source = put(place, D1, ".csv", malformed.text(base).encode())
    seen: Counter[str] = Counter()
    with place.warehouse().connect() as connection:
        store_days(connection, settings, source, [D1], run_id="first")
        assert rows_of(connection, D1) == as_stored(base)
        for number, case in enumerate(malformed.cases(count(110, 1_100), seed=SEED)):
            settings, source = put(place, D2, case.ending, case.content)
            label = f"{number}: {case.kind} {case.ending}"
            try:
                (result,) = store_days(connection, settings, source, [D2], run_id=label)
            except EnrollmentError as error:  # pragma: no cover - told below with its label
                pytest.fail(f"{label}: the day was not marked, but failed: {error}")
            stored = rows_of(connection, D2)
            if result.status == ACCEPTED:
                assert case.rows is not None, f"{label} was accepted"
                assert stored == as_stored(case.rows), label
            else:
                assert case.rows is None or case.may_refuse, (
                    f"{label} was refused: {result.reasons}"
                )
                assert result.reasons, label
                assert len(result.reasons) > 20, label
                assert stored == [], label
            assert rows_of(connection, D1) == as_stored(base), label
            seen["taken in" if result.status == ACCEPTED else "refused"] += 1
            connection.execute(
                "DELETE FROM enrollment.enrollment_spells WHERE valid_from = ?", [D2]
            )
            connection.execute("UPDATE enrollment.enrollment_spells SET valid_to = NULL")
            connection.execute("DELETE FROM enrollment.snapshot_log WHERE snapshot_date = ?", [D2])
            (place.snapshots / f"s_{D2:%Y%m%d}{case.ending}").unlink()
    assert min(seen.values()) > 5
    print(f"{sum(seen.values())} files: {dict(seen)}")  # noqa: T201 - what `make soak` shows
