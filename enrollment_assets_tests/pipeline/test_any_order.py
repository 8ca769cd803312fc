"""Same snapshots, same tables: histories drawn at random, taken through in random orders and ranges,
with late, corrected, thrown out and taken back days and runs that died, against a plain reference."""

import csv
import datetime as dt
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_assets.config import load_settings
from enrollment_assets.pipeline.ingest.intake import decide, store_days
from enrollment_assets.pipeline.ingest.renames import apply
from enrollment_assets.pipeline.ingest.verdicts import Decision, DecisionKind
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support.ranges import as_ranges
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Statement, stale_days, write_statement
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.tables import former_columns
from enrollment_assets_tests.support import reference
from enrollment_assets_tests.support.soak import count

FIRST = dt.date(2024, 11, 25)
CORE = ("student_changes", "enrollment_metrics", "segment_metrics")
DAYS = [FIRST + dt.timedelta(offset) for offset in range(9)]
CLOSURE = DAYS[3]
# Two terms overlap; one ends and one opens inside the window.
TERMS = {
    "24/FA": {"registration_opens": DAYS[0], "starts": DAYS[1], "census": DAYS[2], "ends": DAYS[6]},
    "25 SP": {"registration_opens": DAYS[2], "starts": DAYS[7], "census": DAYS[8], "ends": DAYS[8]},
}
IDS = ["00042", "42", "O'Brien", '"q"', "a,b", "\U0001f393", "عليّ", "Ünal", "x;y", "-1"]
PROGRAMS = ["Music", "Law; Tax", 'Art "fine"', "", "تاريخ"]
COLUMNS = ["student_id", "student_name", "term", "program", "level"]

rows = st.fixed_dictionaries(
    {
        "student_id": st.sampled_from(IDS),
        "student_name": st.sampled_from(["Ana", "Ana", "=cmd()", "李雷", ""]),
        "term": st.sampled_from([*TERMS, *TERMS, *TERMS, "unknown"]),
        "program": st.sampled_from(PROGRAMS),
        "level": st.sampled_from(["1", "2", ""]),
    }
)
# Full days, or the property would mostly be tried on nothing. None: the morning's file is not there;
# "": it cannot be read.
full = st.lists(rows, min_size=5, max_size=14)
content = st.integers(0, 9).flatmap(lambda n: full if n < 7 else st.sampled_from([[], None, ""]))
days = st.integers(0, len(DAYS) - 1)
new_files = st.dictionaries(days, content, max_size=3)
lengths = st.sampled_from([1, 1, 2, 3, len(DAYS)])
# how many of the derived tables a run lives to write
lives = st.sampled_from([3, 0, 3, 0, 1, 2])
taken_through = st.tuples(st.just("run"), new_files, days, lengths, lives)
decided = st.tuples(st.sampled_from(["reject", "accept"]), days, st.sampled_from(list(TERMS)))
renamed = st.tuples(st.just("rename"), st.sampled_from(["values", "ids", "dimension"]))
histories = st.tuples(
    st.lists(content, min_size=len(DAYS), max_size=len(DAYS)),
    st.lists(
        st.one_of(taken_through, taken_through, taken_through, decided, renamed),
        min_size=6,
        max_size=14,
    ),
)
NEW_PROGRAMS = {"Music": "تاريخ", "Law; Tax": "Law"}
NEW_IDS = {"42": "00042", "-1": "x;y", "a,b": "c"}


class Trial:
    """A warehouse, its files, and what the reference holds to be accepted."""

    def __init__(self, folder: Path, grain: str) -> None:
        self.folder = folder
        self.by_program = grain == "registration"
        self.new_programs: dict[str, str] = {}
        self.new_ids: dict[str, str] = {}
        (folder / "files").mkdir()
        config = folder / "enrollment.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "institution": {"name": "Drawn"},
                    "start_date": FIRST,
                    "source": {"kind": "files", "url": "files", "settle_seconds": 0},
                    "columns": {name: name for name in COLUMNS},
                    "dimensions": list(reference.DIMENSIONS),
                    "grain": grain,
                    "terms": [{"code": code, **dates} for code, dates in TERMS.items()],
                    "calendar": {"closures": [CLOSURE]},
                    "quality": {"max_duplicate_rate": 1.0, "max_missing_rate": 1.0},
                }
            )
        )
        self.settings = load_settings(config)
        self.source = source_for(self.settings)
        self.accepted: reference.Snapshots = {}
        self.kept: dict[tuple[str, dt.date], list[reference.Row]] = {}
        self.thrown_out: dict[tuple[str, dt.date], list[reference.Row]] = {}

    def put(self, day: int, lines: list[dict[str, str]] | str | None) -> None:
        path = self.folder / "files" / self.settings.files.name_for(DAYS[day])
        path.unlink(missing_ok=True)
        if lines == "":
            path.write_bytes(b"\xff\xfe")
        elif lines is not None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(lines)
        self.files[day] = lines

    files: dict[int, list[dict[str, str]] | str | None]

    def run(self, first: int, last: int, steps: int) -> None:
        """Take days in, compute as many tables as the run lives for; then look at everything."""
        dates = DAYS[first : last + 1]
        with Warehouse(self.settings).connect() as connection:
            store_days(connection, self.settings, self.source, dates, run_id="test")
            for name in CORE[:steps]:
                write_statement(connection, self.settings, Statement(name), dates, run_id="test")
        for day in range(first, last + 1):
            self.accept_as_reference(day)
        if steps == len(CORE):
            self.compare()

    def accept_as_reference(self, day: int) -> None:
        lines, date = self.files[day], DAYS[day]
        if not isinstance(lines, list):
            return
        for code, dates in TERMS.items():
            if not dates["registration_opens"] <= date <= dates["ends"]:
                continue
            found = [
                self.under_new_names({name: line[name] or None for name in COLUMNS})
                for line in lines
                if line["term"] == code
            ]
            same = self.content(found) == self.content(self.thrown_out.get((code, date)))
            if found and not (same and (code, date) in self.thrown_out):
                self.accepted[code, date] = found
            elif found:
                self.kept[code, date] = found

    def content(self, lines):
        kept = reference.stored(lines or [], by_program=self.by_program)
        return sorted(str(sorted(row.items(), key=str)) for row in kept)

    def under_new_names(self, row: reference.Row) -> reference.Row:
        program, identifier = row["program"], row["student_id"]
        return {
            **row,
            "program": self.new_programs.get(program, program),
            "student_id": self.new_ids.get(identifier, identifier),
        }

    def rename(self, what: str) -> None:
        """Values or IDs have new names from now on, on stored days as well; or a dimension has."""
        content = yaml.safe_load(self.settings.path.read_text())
        if what == "values":
            self.new_programs = NEW_PROGRAMS
            content["mapping"] = {"program": NEW_PROGRAMS}
        elif what == "ids":
            self.new_ids = NEW_IDS
            pairs = "".join(f'"{old}","{new}"\n' for old, new in NEW_IDS.items())
            (self.folder / "ids.csv").write_text("old_id,new_id\n" + pairs, encoding="utf-8")
            content["aliases"] = "ids.csv"
        else:
            was = next(name for name in content["columns"] if name in ("level", "year"))
            now = "year" if was == "level" else "level"
            content["columns"][now] = content["columns"].pop(was)
            content["dimensions"] = [now if name == was else name for name in content["dimensions"]]
            content["renamed_from"] = {now: was}
        self.settings.path.write_text(yaml.safe_dump(content))
        self.settings = load_settings(self.settings.path)
        self.source = source_for(self.settings)
        for key, lines in self.accepted.items():
            # Of rows with the same key one was stored, by the names of then.
            self.accepted[key] = reference.stored(lines, by_program=self.by_program)
        for rows_of in (self.accepted, self.kept, self.thrown_out):
            for key, lines in rows_of.items():
                rows_of[key] = [self.under_new_names(row) for row in lines]
        with Warehouse(self.settings).connect() as connection:
            apply(connection, self.settings)

    def decide(self, kind: str, day: int, code: str) -> None:
        key = (code, DAYS[day])
        if kind == "reject" and key in self.accepted:
            rows_then = reference.stored(self.accepted.pop(key), by_program=self.by_program)
            self.kept[key] = self.thrown_out[key] = rows_then
        elif kind == "accept" and key in self.thrown_out and key not in self.accepted:
            self.accepted[key] = self.kept[key]
            del self.thrown_out[key]
        else:
            return
        decision = Decision(DecisionKind(kind), "the test", "drawn", code)
        with Warehouse(self.settings).connect() as connection:
            decide(connection, self.settings, DAYS[day], decision, run_id="test")

    def compare(self) -> None:
        with Warehouse(self.settings).connect() as connection:
            # not a day more than is stale: that would hide a day that should have been
            for first, last in as_ranges(list(stale_days(connection, self.settings)), gap_days=1):
                dates = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
                for name in CORE:
                    write_statement(
                        connection, self.settings, Statement(name), dates, run_id="test"
                    )
            assert not stale_days(connection, self.settings)
            dimensions = ", ".join(self.settings.dimensions)
            origins = ", ".join(f"from_{name}" for name in self.settings.dimensions)
            found = {
                "changes": f'snapshot_date, term, baseline_date, change, "returning", student_id, '
                f"student_name, {dimensions}, {origins} FROM enrollment.student_changes",
                "metrics": "* REPLACE (round(retention_rate, 6) AS retention_rate, "
                "round(growth_rate, 6) AS growth_rate) FROM enrollment.enrollment_metrics",
                "segments": "* REPLACE (replace(dimension, 'year', 'level') AS dimension) "
                "FROM enrollment.segment_metrics",
            }
            expected = reference.tables(
                self.accepted,
                {code: (dates["starts"], dates["census"]) for code, dates in TERMS.items()},
                by_program=self.by_program,
            )
            for name, query in found.items():
                there = connection.execute(f"SELECT {query}").fetchall()
                assert set(there) == getattr(expected, name), name
                assert len(there) == len(set(there)), name
            query = statement(
                "spells_not_canonical",
                self.settings,
                former=former_columns(connection, self.settings),
            )
            assert connection.execute(query, {"terms": list(TERMS)}).fetchall()[0][1:] == (0,) * 4


@pytest.mark.parametrize("grain", ["student", "registration"])
@settings(
    max_examples=count(15, 260),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=histories)
def test_any_order_gives_the_tables_of_the_plain_reference(grain, history):
    first_files, steps = history
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), grain)
        trial.files = {}
        for day, lines in enumerate(first_files):
            trial.put(day, lines)
        for kind, *details in steps:
            if kind == "run":
                files, first, length, lived = details
                for day, lines in files.items():
                    trial.put(day, lines)
                trial.run(first, min(first + length, len(DAYS)) - 1, lived)
            elif kind == "rename":
                trial.rename(*details)
            else:
                trial.decide(kind, *details)
        trial.compare()
        # once more over everything: nothing new may come out of a rerun in order
        trial.run(0, len(DAYS) - 1, len(CORE))
