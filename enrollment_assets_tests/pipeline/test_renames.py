"""A configuration that changes: nobody moves, and stored days are what a backfill of today would give."""

import random
from dataclasses import replace

import pytest

from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.names import CORE
from enrollment_assets.publishing.reports.figures import read_figures
from enrollment_assets.publishing.reports.sections import segments
from enrollment_assets_tests.conftest import HEADER, NEVER_HELD, day, new_university, student

DAYS = [f"2024-09-{number:02d}" for number in (3, 4, 5, 6, 9, 10, 11, 12)]
CHANGED_ON = 4
COLUMNS = {name: name for name in HEADER.split(",")}
TABLES = {
    "enrollment.enrollment_spells": "",
    "enrollment.snapshot_log": "(extracted_at, source)",
    "enrollment.student_changes": "",
    "enrollment.enrollment_metrics": "",
    "enrollment.segment_metrics": "",
}


def life(seed):
    """Rows of each day: people come, go, and change their program or level."""
    drawn = random.Random(seed)
    people = {}
    rows = {}
    for date in DAYS:
        for number in range(30):
            chance = drawn.random()
            if number not in people and chance < 0.6:
                people[number] = student(f"{number:03d}", program=drawn.choice("ABC"))
            elif number in people and chance < 0.1:
                del people[number]
            elif number in people and chance < 0.2:
                people[number] = {**people[number], "program": drawn.choice("ABC")}
            elif number in people and chance < 0.3:
                people[number] = {**people[number], "level": drawn.choice(("Junior", "Senior"))}
        rows[date] = list(people.values())
    return rows


def written(university, rows, **keys):
    university.change(quality={**NEVER_HELD, "reject_floor": 1_000}, **keys)
    for date, of_day in rows.items():
        university.write(date, of_day)
    return university


def run(university, first, last):
    assert execute_and_restate(university.settings, CORE, day(first), day(last)).success


def everything(university):
    return {
        table: university.query(
            f"SELECT * {without and 'EXCLUDE ' + without} FROM {table} ORDER BY ALL"
        )
        for table, without in TABLES.items()
    }


def moved(university, date):
    ((number,),) = university.query(
        "SELECT count(*) FROM enrollment.student_changes WHERE change = 'moved' AND snapshot_date = ?",
        date,
    )
    return number


def segments_note(university, date):
    """What the page of a day says below its segments."""
    with university.warehouse().read() as connection:
        figures = read_figures(connection, university.settings, day(date))
        withholds = figures.segments.head(0)
        # Insight was not computed here, and would be by a report.
        shown = replace(figures, segments=withholds.reindex([0]))
        return segments.note(shown, (), university.settings)


@pytest.fixture
def other(tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    return new_university(folder)


def narrow(without):
    return {
        "columns": {name: theirs for name, theirs in COLUMNS.items() if name != without},
        "dimensions": [name for name in ("division", "program", "level") if name != without],
    }


def test_a_dimension_that_is_added_moves_nobody_and_begins_with_the_day(university):
    rows = life(1)
    written(university, rows, **narrow("level"))
    run(university, DAYS[0], DAYS[CHANGED_ON - 1])
    university.change(columns=COLUMNS, dimensions=["division", "program", "level"])
    run(university, DAYS[CHANGED_ON], DAYS[-1])
    by_level = university.query(
        "SELECT date::VARCHAR, bool_and(baseline_date IS NULL), sum(new_students + dropped_students "
        "+ moved_in + moved_out), sum(total_enrollment) FROM enrollment.segment_metrics "
        "WHERE dimension = 'level' GROUP BY date ORDER BY date"
    )
    assert [date for date, *_ in by_level] == DAYS[CHANGED_ON:]
    assert by_level[0][1:] == (True, 0, len(rows[DAYS[CHANGED_ON]]))
    assert not any(is_first for _, is_first, *_ in by_level[1:])
    assert segments_note(university, DAYS[1]).startswith(
        "Not shown by level: this day was read without"
    )
    assert f"Read with level since {DAYS[CHANGED_ON]}" in segments_note(university, DAYS[-1])
    expected = sum(
        row["student_id"] in before and row["program"] != before[row["student_id"]]["program"]
        for before in [{row["student_id"]: row for row in rows[DAYS[CHANGED_ON - 1]]}]
        for row in rows[DAYS[CHANGED_ON]]
    )
    assert moved(university, DAYS[CHANGED_ON]) == expected


def test_a_dimension_that_is_removed_and_comes_back_moves_nobody_and_keeps_its_days(university):
    rows = {date: [student(f"{n:03d}", level="Senior") for n in range(20)] for date in DAYS}
    for date in DAYS[5:]:
        rows[date] = [student(f"{n:03d}", level="Graduate") for n in range(20)]
    written(university, rows)
    run(university, DAYS[0], DAYS[2])
    university.change(**narrow("level"))
    run(university, DAYS[3], DAYS[4])
    assert university.query(
        "SELECT DISTINCT level, valid_from::VARCHAR, valid_to::VARCHAR "
        "FROM enrollment.enrollment_spells ORDER BY valid_from"
    ) == [("Senior", DAYS[0], DAYS[3]), (None, DAYS[3], None)]
    university.change(columns=COLUMNS, dimensions=["division", "program", "level"])
    run(university, DAYS[5], DAYS[-1])
    assert sum(moved(university, date) for date in DAYS) == 0
    stored = university.query(
        "SELECT segment, min(date)::VARCHAR, max(date)::VARCHAR, count(*) "
        "FROM enrollment.segment_metrics WHERE dimension = 'level' GROUP BY segment ORDER BY 2"
    )
    assert stored == [("Senior", DAYS[0], DAYS[2], 3), ("Graduate", DAYS[5], DAYS[-1], 3)]


def renamed(**more):
    columns = {("college" if name == "division" else name): name for name in COLUMNS}
    return {"columns": columns, "dimensions": ["college", "program", "level"], **more}


@pytest.mark.parametrize("says_so_late", [False, True])
def test_a_renamed_dimension_carries_on(university, other, says_so_late):
    rows = life(2)
    written(university, rows)
    run(university, DAYS[0], DAYS[CHANGED_ON - 1])
    if says_so_late:  # a run with the new name alone comes between
        university.change(**renamed())
        run(university, DAYS[CHANGED_ON], DAYS[CHANGED_ON])
    university.change(**renamed(renamed_from={"college": "division"}))
    run(university, DAYS[CHANGED_ON + says_so_late], DAYS[-1])
    written(other, rows, **renamed())
    run(other, DAYS[0], DAYS[-1])
    names = ", ".join(f'"{name}"' for name in other.settings.row_columns)
    spells = f"SELECT {names}, valid_from, valid_to FROM enrollment.enrollment_spells ORDER BY ALL"
    assert university.query(spells) == other.query(spells)
    for table in ("student_changes", "segment_metrics"):
        columns = [f'"{name}"' for name, *_ in other.query(f"DESCRIBE enrollment.{table}")]
        query = f"SELECT {', '.join(columns)} FROM enrollment.{table} ORDER BY ALL"
        assert university.query(query) == other.query(query)
    assert university.query("SELECT count(*) FROM enrollment.metric_restatements") == [(0,)]


@pytest.mark.parametrize("seed", range(3))
def test_renamed_values_and_merged_ids_end_in_what_a_backfill_would_give(university, other, seed):
    rows = life(seed)
    drawn = random.Random(seed)
    ids = {f"{n:03d}": f"N{n:03d}" for n in drawn.sample(range(30), 6)}
    # One ID that both exist for a while: one person was two.
    ids["001"] = "002"
    for date in DAYS[CHANGED_ON:]:
        rows[date] = [
            {
                **row,
                "program": {"A": "Z"}.get(row["program"], row["program"]),
                "student_id": ids.get(row["student_id"], row["student_id"])
                if row["student_id"] != "001"
                else "001",
            }
            for row in rows[date]
        ]
    written(university, rows)
    run(university, DAYS[0], DAYS[-2])
    changed = {"mapping": {"program": {"A": "Y", "Y": "Z"}}, "aliases": "merged.csv"}
    for folder in (university.folder, other.folder):
        lines = "".join(f"{old},{new}\n" for old, new in ids.items())
        (folder / "merged.csv").write_text(f"old_id,new_id\n{lines}")
    university.change(**changed)
    run(university, DAYS[-1], DAYS[-1])
    written(other, rows, **changed)
    run(other, DAYS[0], DAYS[-1])
    ours, theirs = everything(university), everything(other)
    for table in TABLES:
        if table == "enrollment.snapshot_log":  # the files still have the rows that were merged
            continue
        assert ours[table] == theirs[table], table
    log = "SELECT snapshot_date, status, student_count, content_hash FROM enrollment.snapshot_log ORDER BY ALL"
    assert university.query(log) == other.query(log)


def test_a_circle_of_names_is_refused(university):
    university.change(mapping={"program": {"A": "B", "B": "A"}})
    with pytest.raises(ConfigurationError, match="lead back to themselves"):
        _ = university.settings
    university.change(mapping={}, aliases="merged.csv")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _ = university.settings.new_ids
    (university.folder / "merged.csv").write_text("old_id,new_id\n1,2\n2,\n")
    with pytest.raises(ConfigurationError, match="line 3"):
        _ = university.settings.new_ids


def test_doctor_and_config_say_beforehand_what_will_happen(university, command):
    written(university, life(3), **narrow("level"))
    run(university, DAYS[0], DAYS[1])
    assert "Changed since the last run" not in command("config").stdout
    (university.folder / "merged.csv").write_text("old_id,new_id\n001,002\n")
    columns = {("college" if name == "division" else name): name for name in COLUMNS}
    university.change(
        columns={**columns, "student_name": ["NAME", "student_name"]},
        dimensions=["college", "program", "level"],
        renamed_from={"college": "division"},
        mapping={"program": {"A": "Z"}},
        aliases="merged.csv",
        grain="registration",
        start_date="2024-03-01",
        institution={"name": "Test University", "timezone": "America/Chicago"},
    )
    for name in ("config", "doctor"):
        shown = " ".join(command(name).stdout.split())
        for words in (
            "level begins with the next day that is read",
            "`enrollment backfill --from 2024-09-03 --to 2024-09-04`",
            "carries on division as college",
            "1 renamed value of program",
            "merged IDs under the new one",
            "student_name is read from NAME or student_name (before: student_name)",
            "grain: registration (before: student)",
            "`enrollment backfill --from 2024-03-01 --to 2024-04-01`",
            "by the clock of America/Chicago",
        ):
            assert words in shown, (name, words)
    run(university, DAYS[2], DAYS[2])
    assert "Changed since the last run" not in command("config").stdout
    assert moved(university, DAYS[2]) == 0
