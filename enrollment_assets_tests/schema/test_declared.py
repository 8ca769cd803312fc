"""A table is one file: its header makes the table, the asset, its lineage and what is restated."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.orchestration.assembly import build_defs
from enrollment_assets.pipeline.names import BACKFILL, CORE
from enrollment_assets.schema import platform, sql_files
from enrollment_assets.schema.platform import platform_tables
from enrollment_assets.warehouse import statements
from enrollment_assets_tests.conftest import day, student

ONE_FILE = """\
-- name: ever_enrolled
-- stage: {stage}
-- grain: One row per day and term with an accepted snapshot
-- description: Students who were ever added to the term.
-- date: date
-- depends_on: student_changes
-- binds: first, last
-- columns:
--   date: DATE - Day of the snapshot
--   term: VARCHAR - Code of the term
--   students: BIGINT - Students who were added up to the day

-- Every day looks back at all earlier ones.
WITH days AS (
    SELECT DISTINCT snapshot_date AS date, term FROM enrollment.student_changes
)
SELECT days.date, days.term, count(DISTINCT student_id) AS students
FROM days
JOIN enrollment.student_changes AS changes
    ON changes.term = days.term AND changes.snapshot_date <= days.date AND change = 'added'
WHERE days.date BETWEEN $first AND $last
GROUP BY ALL
"""


def forget() -> None:
    sql_files.headers.cache_clear()
    platform._tables.cache_clear()
    statements._environment.cache_clear()
    statements._render.cache_clear()


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose SQL files belong to the platform."""
    folder = tmp_path / "room" / "sql"
    folder.mkdir(parents=True)
    own = sql_files.folders()
    monkeypatch.setattr(sql_files, "folders", lambda: [*own, folder])
    monkeypatch.setattr(statements, "folders", lambda: [*own, folder])
    forget()
    yield folder
    forget()


def people(*numbers: int) -> list[dict[str, str]]:
    return [student(f"{number:03}") for number in numbers]


@pytest.mark.parametrize("stage", ["metrics", "insight"])
def test_one_file_adds_a_table_that_is_restated_after_a_late_day(university, room, stage):
    (room / "ever_enrolled.sql").write_text(ONE_FILE.format(stage=stage))
    university.write("2024-09-03", people(1, 2))
    university.write("2024-09-05", people(1, 2, 3))
    university.write("2024-09-06", people(1, 2, 3, 4))
    assert university.run("2024-09-03", "2024-09-06", job=BACKFILL).success
    everything = "SELECT date, term, students FROM enrollment.ever_enrolled ORDER BY date"
    assert university.query(everything) == [
        (day("2024-09-05"), "2024FA", 1),
        (day("2024-09-06"), "2024FA", 2),
    ]
    # Somebody came and went between the first two snapshots.
    university.write("2024-09-04", people(1, 2, 9))
    late = day("2024-09-04")
    assert execute_and_restate(university.settings, CORE, late, late).success
    # The core computes the late day, too; insight restates what is there.
    first = [("2024-09-04", 1)] if stage == "metrics" else []
    assert [(str(date), students) for date, _, students in university.query(everything)] == [
        *first,
        ("2024-09-05", 2),
        ("2024-09-06", 3),
    ]


def test_the_asset_comes_from_the_header(university, room):
    (room / "ever_enrolled.sql").write_text(ONE_FILE.format(stage="metrics"))
    graph = build_defs(settings=university.settings).resolve_asset_graph()
    node = graph.get(dg.AssetKey("ever_enrolled"))
    assert node.parent_keys == {dg.AssetKey("student_changes")}
    assert node.group_name == "metrics"
    assert node.description.startswith("One row per day and term with an accepted snapshot")
    schema = node.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == ["date", "term", "students"]
    references = node.metadata["dagster/code_references"].code_references
    assert references[0].file_path == str(room / "ever_enrolled.sql")


EXPORT = """\
-- name: fact_largest
-- stage: exports
-- grain: One row per term
-- depends_on: enrollment_metrics
-- columns:
--   term: VARCHAR - Code of the term
--   most: BIGINT - Highest headcount of the term

SELECT term, max(total_enrollment) AS most FROM enrollment.enrollment_metrics GROUP BY term
"""


def test_one_file_adds_an_export(university, room):
    (room / "fact_largest.sql").write_text(EXPORT)
    university.write("2024-09-03", people(1, 2))
    university.write("2024-09-04", people(1, 2, 3))
    assert university.run("2024-09-03", "2024-09-04", job=BACKFILL).success
    exported = university.settings.data_path / "exports" / "csv" / "fact_largest.csv"
    assert exported.read_text(encoding="utf-8-sig").split() == ["term,most", "2024FA,3"]
    node = (
        build_defs(settings=university.settings)
        .resolve_asset_graph()
        .get(dg.AssetKey("fact_largest"))
    )
    assert dg.AssetKey("enrollment_metrics") in node.parent_keys
    assert node.group_name == "exports"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("-- grain:", "-- grane:"), "grane: unknown key; did you mean grain"),
        (("-- grain: One", "-- other: One"), "other: unknown key"),
        (("-- stage: metrics", "-- stage: mertics"), "stage: must be one of"),
        (("name: ever_enrolled", "name: never_enrolled"), "name: must be ever_enrolled"),
        (
            ("depends_on: student_changes", "depends_on: student_change"),
            "student_change is no table",
        ),
        (("students: BIGINT - ", "students: BIGINT: "), "line 11: mapping values are not allowed"),
        (("students: BIGINT - ", "students: "), "columns: students: give a type and a description"),
        (("-- date: date", "-- date: students"), "date: students is not a column of type DATE"),
        (("   students:", "   count_<levels>:"), "there is no <levels>"),
        (("name: ever_enrolled", "name: [a"), "line 2: "),
    ],
)
def test_a_broken_header_is_refused_in_one_sentence(university, room, change, words):
    path = room / "ever_enrolled.sql"
    path.write_text(ONE_FILE.format(stage="metrics").replace(*change))
    with pytest.raises(ConfigurationError) as caught:
        platform_tables(university.settings)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert not university.settings.warehouse_path.exists()
