"""A reader with a solver tries to compute what is withheld, from everything that is published."""

import datetime as dt
import random
import time
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize

from enrollment_assets.analytics import disclosure
from enrollment_assets.analytics.disclosure import COMPLEMENT, SMALL, UNLISTED, withhold
from enrollment_assets.cli.running import execute_and_restate
from enrollment_assets.pipeline.days import stale_ranges
from enrollment_assets.pipeline.names import CORE, INSIGHT, PRUNE
from enrollment_assets.warehouse.statements import statement
from enrollment_assets_tests.conftest import day, student
from enrollment_assets_tests.support.moments import take_in

DIMENSIONS = ("division", "program", "level")
SMALL_CELL = 10


def table_of(people, dimensions=DIMENSIONS):
    """The headcounts of people, and in which segments of other dimensions those of each lie."""
    counts, places = defaultdict(int), defaultdict(set)
    for person in people:
        for number, name in enumerate(dimensions):
            counts[name, person[number]] += 1
            for other in range(number + 1, len(dimensions)):
                places[(name, person[number]), dimensions[other]].add(person[other])
    return dict(counts), [(*key, sorted(found)) for key, found in places.items()]


def groups(places):
    """Segments of two dimensions that lie inside each other: both sides add up to the same."""
    beside = defaultdict(lambda: defaultdict(set))
    for cell, other, segments in places:
        for segment in segments:
            beside[cell[0], other][cell].add((other, segment))
            beside[cell[0], other][other, segment].add(cell)
    for neighbours in beside.values():
        seen = set()
        for start in neighbours:
            if start not in seen:
                group, new = {start}, [start]
                while new:
                    found = neighbours[new.pop()] - group
                    group |= found
                    new += found
                seen |= group
                yield group


class Attack:
    """What a reader knows of one day: sums that hold, and bounds by what is printed."""

    def __init__(self, counts, places, withheld, small_cell):
        self.unlisted = {name for (name, _), why in withheld.items() if why == UNLISTED}
        self.cells = sorted(cell for cell in counts if cell[0] not in self.unlisted)
        self.place = {cell: number for number, cell in enumerate(self.cells)}
        self.counts, self.withheld, self.small_cell = counts, withheld, small_cell
        totals = defaultdict(int)
        for cell in self.cells:
            totals[cell[0]] += counts[cell]
        self.rows = [
            ([float(cell[0] == name) for cell in self.cells], total)
            for name, total in totals.items()
        ]
        for group in groups(places):
            one = min(group)[0]
            if not self.unlisted.intersection(name for name, _ in group):
                row = np.zeros(len(self.cells))
                for cell in group:
                    row[self.place[cell]] = 1 if cell[0] == one else -1
                self.rows.append((row, 0))
        self.bounds = [self._bounds(cell, totals[cell[0]]) for cell in self.cells]

    def _bounds(self, cell, total):
        why = self.withheld.get(cell)
        if why is None:
            return self.counts[cell], self.counts[cell]
        if why == SMALL:
            return 1, self.small_cell - 1
        # a dimension of which nothing is shown may hold small ones; so may one where small means 1
        labels = {self.withheld.get(other) for other in self.cells if other[0] == cell[0]}
        return (1 if labels == {COMPLEMENT} or self.small_cell <= 2 else self.small_cell), total

    def ranges(self):
        """The least and the highest count that each withheld cell can have."""
        if not self.cells:
            return {}
        matrix = np.array([row for row, _ in self.rows])
        known = [value for _, value in self.rows]
        limits = optimize.Bounds(*np.array(self.bounds).T)
        found = {}
        for cell in self.cells:
            if cell in self.withheld:
                ends = []
                for sign in (1, -1):
                    aim = np.zeros(len(self.cells))
                    aim[self.place[cell]] = sign
                    done = optimize.milp(
                        aim,
                        constraints=optimize.LinearConstraint(matrix, known, known),
                        bounds=limits,
                        integrality=np.ones(len(self.cells)),
                    )
                    ends.append(round(done.x[self.place[cell]]))
                found[cell] = tuple(ends)
        return found


def exposed(counts, places, withheld, small_cell=SMALL_CELL):
    """The withheld cells that a reader can compute."""
    ranges = Attack(counts, places, withheld, small_cell).ranges()
    assert all(low <= counts[cell] <= high for cell, (low, high) in ranges.items())
    return [cell for cell, (low, high) in ranges.items() if low == high]


def population(seed):
    """People whose programs lie in divisions; in some universities they lie in levels, too."""
    rng = random.Random(seed)
    programs, divisions, levels = rng.randint(1, 20), rng.randint(1, 5), rng.randint(1, 4)
    weights = [rng.random() ** 3 + 0.001 for _ in range(programs)]
    is_crossed = rng.random() < 0.5
    people = []
    for _ in range(rng.choice([3, 8, 15, 30, 60, 150, 400])):
        program = rng.choices(range(programs), weights)[0]
        level = rng.randrange(levels) if is_crossed else program % levels
        people.append((f"D{program // levels % divisions}", f"P{program}", f"L{level}"))
    return people, rng.choice([2, 3, 5, 10, 10])


def test_no_withheld_segment_can_be_computed_from_what_is_shown():
    attacked, whole, small = 0, 0, 0
    for seed in range(250):
        people, small_cell = population(seed)
        counts, places = table_of(people)
        withheld = withhold(counts, places, small_cell)
        assert {cell for cell, count in counts.items() if count < small_cell} <= withheld.keys()
        ranges = Attack(counts, places, withheld, small_cell).ranges()
        for cell, (low, high) in ranges.items():
            assert low <= counts[cell] <= high
            assert low < high, (seed, cell)
            attacked += 1
            small += withheld[cell] == SMALL
            whole += (low, high) == (1, small_cell - 1)
    assert attacked > 800
    # half of these universities have fewer than 30 students: there is no room for whole ranges
    assert whole > small / 3


def test_where_there_is_room_a_small_segment_keeps_its_whole_range():
    rng = random.Random(7)
    people = [(f"D{p % 6}", f"P{p}", f"L{rng.randrange(4)}") for p in range(30) for _ in range(40)]
    # three small programs, one of them alone in a small division
    people += [("D1", "Lone", "L1")] * 3 + [("D2", "Rare", "L0")] + [("D9", "Odd", "L2")] * 9
    counts, places = table_of(people)
    withheld = withhold(counts, places, SMALL_CELL)
    ranges = Attack(counts, places, withheld, SMALL_CELL).ranges()
    small = {cell for cell, why in withheld.items() if why == SMALL}
    assert small == {
        ("program", "Lone"),
        ("program", "Rare"),
        ("program", "Odd"),
        ("division", "D9"),
    }
    assert {ranges[cell] for cell in small} == {(1, SMALL_CELL - 1)}
    assert len(withheld) <= 2 * len(small)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=7),
    st.lists(st.integers(0, 2), min_size=7, max_size=7),
    st.integers(2, 12),
)
def test_any_programs_in_any_divisions_are_safe(sizes, divisions, small_cell):
    people = [
        (f"D{divisions[number]}", f"P{number}", "L" + str(seat % 2))
        for number, size in enumerate(sizes)
        for seat in range(size)
    ]
    counts, places = table_of(people)
    assert not exposed(counts, places, withhold(counts, places, small_cell), small_cell)


def test_without_complements_the_attack_succeeds():
    """The attack is worth something: where only small segments are left out, it finds them."""
    found = 0
    for seed in range(40):
        people, small_cell = population(seed)
        counts, places = table_of(people)
        only_small = {cell: SMALL for cell, count in counts.items() if count < small_cell}
        found += bool(exposed(counts, places, only_small, small_cell))
    assert found > 15


def test_two_small_segments_whose_sum_tells_them_get_a_complement():
    # 1 and 1 of a sum of 2: each must be 1
    counts = {("level", "A"): 1, ("level", "B"): 1, ("level", "C"): 30, ("level", "D"): 25}
    assert withhold(counts, [], SMALL_CELL) == {
        ("level", "A"): SMALL,
        ("level", "B"): SMALL,
        ("level", "D"): COMPLEMENT,
    }


def test_the_complement_is_the_smallest_that_leaves_room_whatever_the_small_one_is():
    for small in range(1, 10):
        counts = {("level", "A"): small, ("level", "B"): 17, ("level", "C"): 18, ("level", "D"): 99}
        # 17 would do for some small counts: taking it then would tell which
        assert withhold(counts, [], SMALL_CELL) == {
            ("level", "A"): SMALL,
            ("level", "C"): COMPLEMENT,
        }


def test_a_small_program_that_is_a_whole_division_takes_complements_on_both_levels():
    people = [("Arts", "Art", "L")] * 4 + [("Law", "Law", "L")] * 60
    people += [("Science", name, "L") for name in ("Maths", "Physics") for _ in range(25)]
    counts, places = table_of(people)
    withheld = withhold(counts, places, SMALL_CELL)
    assert withheld[("division", "Arts")] == withheld[("program", "Art")] == SMALL
    assert {name for (name, _), why in withheld.items() if why == COMPLEMENT} == {
        "division",
        "program",
    }
    assert not exposed(counts, places, withheld)


def test_a_dimension_whose_mere_list_tells_is_not_listed():
    # six students, all in one program: the headcount is the program's
    people = [("Arts", "History", f"L{number % 2}") for number in range(6)]
    withheld = withhold(*table_of(people), SMALL_CELL)
    assert withheld[("division", "Arts")] == withheld[("program", "History")] == UNLISTED
    assert withheld[("level", "L0")] == SMALL


def test_no_segment_is_withheld_where_none_is_small_or_nothing_counts_as_small():
    people, _ = population(3)
    counts, places = table_of(people)
    assert withhold(counts, places, 0) == withhold(counts, places, 1) == {}
    assert withhold({}, [], SMALL_CELL) == {}


def test_the_same_day_is_withheld_alike_however_it_is_read():
    people, _ = population(11)
    counts, places = table_of(people)
    first = withhold(counts, places, SMALL_CELL)
    disclosure._withhold.cache_clear()
    random.Random(1).shuffle(places)
    again = withhold(dict(reversed(counts.items())), places, SMALL_CELL)
    assert first == again


def test_two_years_of_sixty_segments_take_a_second_or_two():
    rng = random.Random(5)
    weights = [rng.random() ** 3 for _ in range(50)]
    days = []
    for _ in range(40):
        programs = rng.choices(range(50), weights, k=900)
        days.append(table_of([(f"D{p % 6}", f"P{p}", f"L{rng.randrange(4)}") for p in programs]))
    began = time.process_time()
    for counts, places in days:
        withhold(counts, places, SMALL_CELL)
    assert (time.process_time() - began) * 800 / len(days) < 4


# --- through the real pipeline ---

AUTUMN, SPRING = dt.date(2024, 8, 20), dt.date(2025, 1, 7)
DAYS = 8


def life(seed):
    """Some days of a term: who is in which program, with few changes and a day without any."""
    rng = random.Random(seed)
    weights = [6, 5, 4, 3, 2, 1, 1, 0.6, 0.4, 0.3, 0.2, 0.1]

    def somebody(number):
        program = rng.choices(range(12), weights)[0]
        return student(
            f"{number:04d}",
            program=f"P{program:02d}",
            division=f"D{program % 4}",
            level=rng.choice(["Junior", "Senior", "Senior", "Graduate"]),
        )

    people = [somebody(number) for number in range(160)]
    days = []
    for number in range(DAYS):
        days.append(list(people))
        if number != 3:
            gone = rng.sample(range(len(people)), 3)
            people = [person for place, person in enumerate(people) if place not in gone]
            people += [somebody(1000 + 10 * number + more) for more in range(rng.randint(2, 6))]
    return days


def days_of_two_terms(university):
    for term, first, seed in (("2024FA", AUTUMN, 2), ("2025SP", SPRING, 3)):
        for number, rows in enumerate(life(seed)):
            date = str(first + dt.timedelta(number))
            university.write(date, [{**row, "term": term} for row in rows])
    take_in(university, str(AUTUMN), str(AUTUMN + dt.timedelta(DAYS - 1)), insight=True)
    take_in(university, str(SPRING), str(SPRING + dt.timedelta(DAYS - 1)), insight=True)


@pytest.fixture
def lived(filled_by):
    return filled_by(days_of_two_terms)


def published(university):
    binds = {"first": dt.date.min, "last": dt.date.max}
    with university.warehouse().connect() as connection:
        rows = connection.execute(statement("published_segments", university.settings), binds)
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def true_counts(university):
    return {
        (date, term, dimension, segment): count
        for date, term, dimension, segment, count in university.query(
            "SELECT date, term, dimension, segment, total_enrollment FROM enrollment.segment_metrics "
            "WHERE total_enrollment > 0"
        )
    }


def printed_numbers(rows):
    """Every headcount that the rows print, of whichever day, and the cells that they withhold."""
    shown, withheld = {}, {}
    for row in rows:
        segment = (row["dimension"], row["segment"])
        for date, term, total, why in (
            ("date", "term", "total_enrollment", "suppression"),
            ("comparison_date", "comparison_term", "comparison_total", "comparison_suppression"),
        ):
            key = (row[date], row[term], *segment)
            if row[why]:
                withheld[key] = row[why]
                assert row[total] is None
            elif row[date]:
                shown[key] = row[total]
    return shown, withheld


def test_nothing_that_is_published_of_several_days_and_terms_gives_a_withheld_segment(lived):
    rows, truth = published(lived), true_counts(lived)
    shown, withheld = printed_numbers(rows)
    assert len(withheld) > 100
    assert sum(total > 0 for total in shown.values()) > 100
    # a day is withheld alike in its own report and beside the later term
    assert not shown.keys() & withheld.keys()
    assert all(truth.get(key, 0) == total for key, total in shown.items())
    assert all(truth[key] >= SMALL_CELL for key in shown.keys() & truth.keys())
    for row in rows:
        if row["suppression"] or row["comparison_suppression"]:
            assert row["change"] is row["change_pct"] is row["contribution_pct"] is None
        if row["suppression"]:
            assert row["net_change"] is None
    # one day by itself, with bounds and whole numbers
    days = {key[:2] for key in truth}
    for date, term in days:
        people = lived.query(
            "SELECT division, program, level FROM enrollment.enrollment_snapshots "
            "WHERE snapshot_date = ? AND term = ?",
            *(date, term),
        )
        counts, places = table_of(people)
        of_day = {key[2:]: why for key, why in withheld.items() if key[:2] == (date, term)}
        assert not exposed(counts, places, of_day)
    # all days together, with every equation that their figures give
    cells = sorted(truth)
    place = {cell: number for number, cell in enumerate(cells)}
    equations = list(_equations_of(lived, rows, shown, cells, place))
    free = linalg.null_space(np.array(equations), rcond=1e-10)
    moves = np.abs(free).max(axis=1) > 1e-8
    assert [cell for cell in cells if cell in withheld and not moves[place[cell]]] == []


def _equations_of(university, rows, shown, cells, place):
    """Equations between the counts of all days: printed numbers, totals, nestings, changes."""
    for parts in _parts_of_rows(university, rows, shown, cells):
        row = np.zeros(len(cells))
        for cell, sign in parts:
            if cell in place:  # otherwise nobody was in it, and the list of that day says so
                row[place[cell]] += sign
        yield row


def _days_since(university):
    return university.query(
        "SELECT date, term, baseline_date, new_students + dropped_students + moved_students = 0 "
        "FROM enrollment.enrollment_metrics WHERE baseline_date IS NOT NULL"
    )


def _quiet_days(days, cells):
    """Days between which nobody came, left or moved are the same."""
    assert any(is_quiet for *_, is_quiet in days)
    for date, term, before, is_quiet in days:
        if is_quiet:
            for cell in cells:
                if cell[:2] == (date, term):
                    yield [(cell, 1), ((before, term, *cell[2:]), -1)]


def _parts_of_rows(university, rows, shown, cells):
    yield from ([(cell, 1)] for cell in shown)
    for date, term in {cell[:2] for cell in cells}:
        for name in DIMENSIONS:
            yield [(cell, 1) for cell in cells if cell[:3] == (date, term, name)]
        for division in range(4):
            programs = [(date, term, "program", f"P{p:02d}") for p in range(division, 12, 4)]
            yield [
                ((date, term, "division", f"D{division}"), 1),
                *((cell, -1) for cell in programs),
            ]
    days = _days_since(university)
    yield from _quiet_days(days, cells)
    baselines = {(date, term): before for date, term, before, _ in days}
    for row in rows:
        own = (row["date"], row["term"], row["dimension"], row["segment"])
        if row["net_change"] is not None and own[:2] in baselines:
            yield [(own, 1), ((baselines[own[:2]], *own[1:]), -1)]
        if row["change"] is not None:
            yield [(own, 1), ((row["comparison_date"], row["comparison_term"], *own[2:]), -1)]


def test_a_day_whose_disclosure_is_not_known_or_of_other_counts_is_withheld_whole(lived):
    with lived.warehouse().connect() as connection:
        connection.execute("DELETE FROM enrollment.segment_disclosure WHERE date = ?", [AUTUMN])
        connection.execute(
            "UPDATE enrollment.segment_disclosure SET total_enrollment = total_enrollment + 1 "
            "WHERE date = ? AND segment = 'P00'",
            [SPRING],
        )
    for row in published(lived):
        if row["date"] in (AUTUMN, SPRING):
            assert row["suppression"]
            assert row["total_enrollment"] is row["net_change"] is row["change"] is None
        if row["comparison_date"] == AUTUMN:
            assert row["comparison_total"] is row["change_pct"] is None


def disclosures(university):
    return university.query("FROM enrollment.segment_disclosure ORDER BY ALL")


def test_another_bound_is_applied_to_days_that_were_judged_by_the_first(lived):
    before = disclosures(lived)
    lived.change(privacy={"small_cell": 4})
    assert stale_ranges(lived.settings, insight=True)
    rows = published(lived)
    assert execute_and_restate(lived.settings, CORE, AUTUMN, AUTUMN).success
    after = disclosures(lived)
    assert sum(row[-1] is not None for row in after) < sum(row[-1] is not None for row in before)
    lived.change(privacy={"small_cell": 30})
    # until then nothing under the new bound is shown
    rows = published(lived)
    assert all(
        row["total_enrollment"] in (None, 0) or row["total_enrollment"] >= 30 for row in rows
    )


def test_what_was_decided_of_a_day_stays_when_its_snapshot_is_pruned(lived):
    from enrollment_assets.cli.running import execute

    before = disclosures(lived)
    lived.change(retention={"snapshots_days": 30})
    as_of = str(AUTUMN + dt.timedelta(36))
    assert execute(lived.settings, PRUNE, ops={"prune": {"as_of": as_of}}).success
    kept = lived.query("SELECT min(snapshot_date) FROM enrollment.enrollment_snapshots")[0][0]
    assert kept > AUTUMN
    assert lived.run(str(AUTUMN), str(SPRING + dt.timedelta(DAYS - 1)), INSIGHT).success
    assert disclosures(lived) == before
    assert day(str(AUTUMN)) in {row[0] for row in before}
