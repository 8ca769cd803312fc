"""Spells: canonical whatever the order of days, cut by pruning, and made from files of version 1."""

import random

import duckdb
import pytest

from enrollment_assets.cli.running import decide
from enrollment_assets.errors import WarehouseError
from enrollment_assets.pipeline.ingest.checks import CANONICAL
from enrollment_assets.pipeline.ingest.verdicts import DecisionKind
from enrollment_assets.warehouse import upgrades
from enrollment_assets.warehouse.upgrades import VERSION, copy_before
from enrollment_assets_tests.conftest import NEVER_HELD, day, student

DAYS = [f"2024-09-{number:02d}" for number in (3, 4, 5, 6, 9, 10, 11, 12)]
NOT_CANONICAL = """
    WITH accepted AS (
        SELECT term, snapshot_date FROM enrollment.snapshot_log WHERE status = 'accepted'
    )
    SELECT a.student_id FROM enrollment.enrollment_spells AS a
    JOIN enrollment.enrollment_spells AS b
        ON a.valid_to = b.valid_from
        AND (a.term, a.student_id, a.student_name, a.program)
            = (b.term, b.student_id, b.student_name, b.program)
    UNION ALL
    SELECT student_id FROM enrollment.enrollment_spells WHERE valid_to <= valid_from
    UNION ALL
    SELECT student_id FROM enrollment.enrollment_spells
    WHERE (term, valid_from) NOT IN (FROM accepted)
        OR (valid_to IS NOT NULL AND (term, valid_to) NOT IN (FROM accepted))
"""


def life(seed):
    """Rows of each day: people come, go, return and change their program or name."""
    drawn = random.Random(seed)
    people = {}
    rows = {}
    for date in DAYS:
        for number in range(40):
            chance = drawn.random()
            if number not in people and chance < 0.5:
                people[number] = student(f"{number:03d}", program=drawn.choice("ABC"))
            elif number in people and chance < 0.1:
                del people[number]
            elif number in people and chance < 0.2:
                people[number] = {**people[number], "program": drawn.choice("ABC")}
            elif number in people and chance < 0.23:
                people[number] = {**people[number], "student_name": f"New {chance}"}
        rows[date] = list(people.values())
    return rows


def spells(university):
    return university.query("FROM enrollment.enrollment_spells ORDER BY ALL")


def written(university, rows):
    university.change(quality={**NEVER_HELD, "reject_floor": 1_000})
    for date, of_day in rows.items():
        university.write(date, of_day)


def in_order(university, rows):
    written(university, rows)
    assert university.run(DAYS[0], DAYS[-1]).success
    return university


@pytest.mark.parametrize("seed", range(4))
def test_the_view_shows_each_day_as_it_came_and_spells_are_canonical(university, seed):
    rows = life(seed)
    in_order(university, rows)
    shown = university.query(
        "SELECT snapshot_date::VARCHAR, student_id, program, student_name "
        "FROM enrollment.enrollment_snapshots ORDER BY ALL"
    )
    came = sorted(
        (date, row["student_id"], row["program"], row["student_name"])
        for date, of_day in rows.items()
        for row in of_day
    )
    assert shown == came
    assert university.query(NOT_CANONICAL) == []


def test_a_student_who_stays_the_same_is_one_row(university):
    rows = {date: [student(f"{n:03d}") for n in range(60)] for date in DAYS}
    in_order(university, rows)
    assert len(spells(university)) == 60
    assert university.query("SELECT count(*) FROM enrollment.enrollment_snapshots") == [(480,)]


@pytest.mark.parametrize("seed", range(3))
def test_days_in_any_order_rejected_and_accepted_again_end_in_the_same_spells(
    university, templates_of, seed
):
    rows = life(seed)
    expected = spells(in_order(templates_of(seed), rows))
    drawn = random.Random(100 + seed)
    written(university, rows)
    order = list(DAYS)
    drawn.shuffle(order)
    for date in order:
        assert university.run(date).success
    middle = drawn.choice(DAYS[1:-1])
    assert decide(university.settings, day(middle), DecisionKind.reject, None, "x", "ana").success
    assert decide(university.settings, day(middle), DecisionKind.accept, None, "x", "ana").success
    first = DAYS[0]
    assert decide(university.settings, day(first), DecisionKind.reject, None, "x", "ana").success
    assert decide(university.settings, day(first), DecisionKind.accept, None, "x", "ana").success
    assert spells(university) == expected


@pytest.fixture
def templates_of(tmp_path):
    """Another university, beside the test's own."""
    from enrollment_assets_tests.conftest import new_university

    def make(seed):
        folder = tmp_path / f"other_{seed}"
        folder.mkdir()
        return new_university(folder)

    return make


def as_version_1(university):
    """The file as version 0.1.0 left it: full rows of each day."""
    with duckdb.connect(str(university.settings.warehouse_path)) as connection:
        connection.execute(
            "CREATE TABLE enrollment.full_rows AS FROM enrollment.enrollment_snapshots"
        )
        connection.execute("DROP VIEW enrollment.enrollment_snapshots")
        connection.execute("ALTER TABLE enrollment.full_rows RENAME TO enrollment_snapshots")
        connection.execute("DROP TABLE enrollment.enrollment_spells")
        connection.execute("DROP TABLE operations.schema_versions")


def test_a_file_of_version_1_is_upgraded_after_a_copy_and_goes_on(university, templates_of):
    rows = life(1)
    expected = spells(in_order(templates_of(1), rows))
    written(university, rows)
    assert university.run(DAYS[0], DAYS[-2]).success
    as_version_1(university)
    assert university.run(DAYS[-1]).success
    with duckdb.connect(str(copy_before(university.settings.warehouse_path, 1))) as copy:
        full = copy.execute("SELECT count(*) FROM enrollment.enrollment_snapshots").fetchone()
    assert full == (sum(len(rows[date]) for date in DAYS[:-1]),)
    assert university.query("SELECT max(version) FROM operations.schema_versions") == [(VERSION,)]
    assert spells(university) == expected


def test_an_upgrade_that_is_interrupted_leaves_the_file_as_it_was(university, monkeypatch):
    in_order(university, life(2))
    before = spells(university)
    as_version_1(university)
    monkeypatch.setattr(upgrades, "_note", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), university.warehouse().connect():
        pass
    monkeypatch.undo()
    with university.warehouse().connect() as connection:
        assert (
            connection.execute("FROM enrollment.enrollment_spells ORDER BY ALL").fetchall()
            == before
        )


def test_a_newer_file_is_refused_in_one_sentence(university):
    in_order(university, life(3))
    with duckdb.connect(str(university.settings.warehouse_path)) as connection:
        connection.execute("INSERT INTO operations.schema_versions VALUES (99, '9.9', now())")
    for opened in (university.warehouse().connect, university.warehouse().read):
        with (
            pytest.raises(WarehouseError, match=r"newer enrollment_assets.*version is 99"),
            opened(),
        ):
            pass


DAMAGE = {
    None: "SELECT 1",
    "same_row": """
        INSERT INTO enrollment.enrollment_spells BY NAME
        SELECT * REPLACE (DATE '2024-09-05' AS valid_from)
        FROM enrollment.enrollment_spells WHERE student_id = '001';
        UPDATE enrollment.enrollment_spells SET valid_to = DATE '2024-09-05'
        WHERE student_id = '001' AND valid_from < DATE '2024-09-05'
    """,
    "overlapping": """
        INSERT INTO enrollment.enrollment_spells BY NAME
        SELECT * REPLACE (DATE '2024-09-05' AS valid_from, 'Z' AS program)
        FROM enrollment.enrollment_spells WHERE student_id = '001'
    """,
    "empty": """
        UPDATE enrollment.enrollment_spells SET valid_to = valid_from WHERE student_id = '001'
    """,
    "no_snapshot": """
        UPDATE enrollment.enrollment_spells SET valid_to = DATE '2024-09-08' WHERE student_id = '001'
    """,
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_the_check_finds_spells_that_are_not_canonical(university, fault):
    in_order(university, {date: [student(f"{n:03d}") for n in range(60)] for date in DAYS[:-1]})
    with duckdb.connect(str(university.settings.warehouse_path)) as connection:
        connection.execute(DAMAGE[fault])
    university.write(DAYS[-1], [student(f"{n:03d}") for n in range(60) if n != 1])
    failed = [c for c in university.run(DAYS[-1]).checks if c.name == CANONICAL]
    found = [name for c in failed for name, n in c.figures.items() if name != "spells" and n]
    assert found == ([fault] if fault else [])
