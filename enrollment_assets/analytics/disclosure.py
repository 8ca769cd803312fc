"""Says which segments of one day are withheld, so that no small one can be computed from the others.

What a reader may know of a day, and use:

- the term's headcount, which is exact, and every segment that is shown;
- sums: the segments of a dimension add up to the headcount, and where segments of two dimensions lie
  inside each other (the programs of a division), both sides add up to the same;
- the labels: a `small` cell lies in 1 to small_cell - 1, a `complement` at small_cell or more.

From all of these together no withheld cell has a single possible value, and where there is room a
small one keeps its whole range. What is withheld follows from that day's snapshot alone: a day is
withheld alike in its own report and beside a later term, so that reading it twice adds no equation.

Not covered, since institution totals and flows are exact: between two days on which hardly anybody
came, left or moved, bounds carry over. If one student joined in all, and a segment is small on the
first day and shown with 10 on the second, it had 9. Nothing that publishes exact totals can hide
that. Nor is covered what a reader knows of single students.

In grain `registration` a dimension may add up to more than the headcount; the same rule is kept,
though a reader then has bounds where here are equations.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

# A segment of a dimension.
Cell = tuple[str, str]
# Where the students of a cell are in another dimension: the cell, that dimension, segments there.
Place = tuple[Cell, str, Sequence[str]]

SMALL = "small"
COMPLEMENT = "complement"
# Not even listed: the list of the dimension's segments alone would tell their counts.
UNLISTED = "unlisted"

# Cells by their number; the sum of the first is that of the second and something that is known.
_Equation = tuple[tuple[int, ...], tuple[int, ...]]
# The withheld cells of an equation, on its two sides.
_Sides = tuple[list[int], list[int]]

# Any prime does: equations have coefficients of 1 and -1.
_PRIME = 2_147_483_647
# Passes after which bounds that still move are left as they are.
_MOST_PASSES = 60
# Steps that are tried to find another possible table by hand, before a solver is asked.
_MOST_TRIES = 100


def withhold(
    counts: Mapping[Cell, int], places: Iterable[Place], small_cell: int
) -> dict[Cell, str]:
    """The cells of one day and term that are withheld, and why; all others may be shown.

    Args:
        counts: the headcount of each segment with students; a dimension adds up to a known total.
        places: for each pair of dimensions, in which segments of the second those of the first lie.
        small_cell: counts under it are small.
    """
    cells = tuple(sorted(counts))
    numbers = tuple(counts[cell] for cell in cells)
    if all(number >= small_cell for number in numbers):
        return {}
    return dict(_withhold(cells, numbers, _equations(cells, places), small_cell))


@lru_cache(maxsize=1024)
def _withhold(
    cells: tuple[Cell, ...],
    counts: tuple[int, ...],
    equations: tuple[_Equation, ...],
    small_cell: int,
) -> tuple[tuple[Cell, str], ...]:
    table = _Table(cells, counts, equations, small_cell)
    while True:
        table.complement()
        exposed = table.exposed()
        if not exposed:
            return tuple((cells[number], why) for number, why in sorted(table.withheld.items()))
        if not table.widen(exposed):
            table.give_up({cells[number][0] for number in exposed})


def _equations(cells: tuple[Cell, ...], places: Iterable[Place]) -> tuple[_Equation, ...]:
    """The sums that hold, the shortest first: of each dimension, and of what lies inside each other."""
    number_of = {cell: number for number, cell in enumerate(cells)}
    dimensions: dict[str, list[int]] = defaultdict(list)
    for number, (dimension, _) in enumerate(cells):
        dimensions[dimension].append(number)
    equations: set[_Equation] = {(tuple(members), ()) for members in dimensions.values()}
    roots: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for cell, other, segments in places:
        root = roots[(cell[0], other)]
        for segment in segments:
            _join(root, number_of[cell], number_of[(other, segment)])
    for (dimension, _), root in roots.items():
        groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for number in sorted(root):
            groups[_root(root, number)][cells[number][0] != dimension].append(number)
        if len(groups) > 1:  # otherwise it is the sum of the whole term once more
            equations |= {(tuple(ones), tuple(others)) for ones, others in groups.values()}
    return tuple(
        sorted(equations, key=lambda equation: (len(equation[0]) + len(equation[1]), equation))
    )


def _root(root: dict[int, int], number: int) -> int:
    while root.setdefault(number, number) != number:
        root[number] = root[root[number]]
        number = root[number]
    return number


def _join(root: dict[int, int], one: int, other: int) -> None:
    root[_root(root, other)] = _root(root, one)


@lru_cache(maxsize=256)
def _independent(equations: tuple[_Equation, ...]) -> tuple[_Equation, ...]:
    """Those that say something that the ones before do not."""
    basis: dict[int, dict[int, int]] = {}
    kept = []
    for equation in equations:
        row = dict.fromkeys(equation[0], 1) | dict.fromkeys(equation[1], -1)
        while row:
            pivot = min(row)
            if pivot not in basis:
                inverse = pow(row[pivot], -1, _PRIME)
                basis[pivot] = {number: value * inverse % _PRIME for number, value in row.items()}
                kept.append(equation)
                break
            factor = row[pivot]
            for number, value in basis[pivot].items():
                rest = (row.get(number, 0) - factor * value) % _PRIME
                if rest:
                    row[number] = rest
                else:
                    row.pop(number, None)
    return tuple(kept)


class _Table:
    """One day's cells, by their number, and what of them is withheld so far."""

    def __init__(
        self,
        cells: tuple[Cell, ...],
        counts: tuple[int, ...],
        equations: tuple[_Equation, ...],
        small_cell: int,
    ) -> None:
        self.cells = cells
        self.counts = counts
        self.all_equations = equations
        self.equations = _independent(equations)
        self.small_cell = small_cell
        # Where small means 1, the label would be the count.
        self.label = SMALL if small_cell > 2 else COMPLEMENT  # noqa: PLR2004
        self.withheld = {
            number: self.label for number, count in enumerate(counts) if count < small_cell
        }
        self.total = max(sum(counts), 1)
        # Dimensions of which no cell is shown: there a label says no more than that somebody is in it.
        self.loose = set() if small_cell > 2 else {name for name, _ in cells}  # noqa: PLR2004

    def bounds(self, number: int) -> tuple[int, int]:
        """What a reader knows of a withheld cell without any sum."""
        if self.withheld[number] == SMALL:
            return 1, self.small_cell - 1
        return (1 if self.cells[number][0] in self.loose else self.small_cell), self.total

    def complement(self) -> None:
        """Withhold further cells until each sum for itself leaves enough room."""
        while any(self._mend(equation) for equation in self.equations):
            pass

    def _mend(self, equation: _Equation) -> bool:
        sides = self._sides(equation)
        if not any(sides):
            return False
        shown = [
            (self.counts[number], number, side)
            for side in (0, 1)
            for number in equation[side]
            if number not in self.withheld
        ]
        if self._has_room(sides, is_whole=True) or not shown:
            return False
        is_whole = self._has_room(sides, [pick[1:] for pick in shown], is_whole=True)
        if not is_whole and self._has_room(sides, is_whole=False):
            return False
        shown.sort()
        while shown:
            enough = (p for p in shown if self._has_room(sides, [p[1:]], is_whole=is_whole))
            pick = next(enough, shown[-1])
            shown.remove(pick)
            _, number, side = pick
            self.withheld[number] = COMPLEMENT
            sides[side].append(number)
            if self._has_room(sides, is_whole=is_whole):
                break
        return True

    def _sides(self, equation: _Equation) -> _Sides:
        ones, others = equation
        return (
            [number for number in ones if number in self.withheld],
            [number for number in others if number in self.withheld],
        )

    def _has_room(
        self,
        sides: _Sides,
        more: Sequence[tuple[int, int]] = (),
        *,
        is_whole: bool,
    ) -> bool:
        """Whether this sum alone leaves each of its withheld cells two values.

        If `is_whole`, whether it leaves small ones their whole range, too, whatever their counts:
        which cell is taken as complement must not tell. `more` are cells to withhold as well.
        """
        small = (False, False)
        # By how much the cells of either side can rise or fall, and the complements among them.
        rise, fall = [0, 0], [0, 0]
        rise_of_complements, fall_of_complements = [0, 0], [0, 0]
        members = [
            (side, self.counts[number], *self.bounds(number), self.withheld[number] == SMALL)
            for side in (0, 1)
            for number in sides[side]
        ]
        members += [
            (side, self.counts[number], self.small_cell, self.total, False) for number, side in more
        ]
        for side, count, low, high, is_small in members:
            rise[side] += high - count
            fall[side] += count - low
            if is_small:
                small = (small[0] or side == 0, small[1] or side == 1)
            else:
                rise_of_complements[side] += high - count
                fall_of_complements[side] += count - low
        for side, count, low, high, _ in members:
            # One rises where another one on its side falls, or one on the other side rises, too.
            can_rise = high > count and fall[side] - (count - low) + rise[1 - side] > 0
            can_fall = count > low and rise[side] - (high - count) + fall[1 - side] > 0
            if not (can_rise or can_fall):
                return False
        if not is_whole:
            return True
        has_complement = not all(is_small for *_, is_small in members)
        if has_complement:
            rise, fall = rise_of_complements, fall_of_complements
        needed = self.small_cell - 2
        return all(
            fall[side] + rise[1 - side] >= needed and rise[side] + fall[1 - side] >= needed
            for side in (0, 1)
            if small[side]
        )

    def exposed(self) -> list[int]:
        """The withheld cells that have a single possible value, if all sums are used together."""
        sums = [sides for sides in map(self._sides, self.equations) if any(sides)]
        bounds = {
            number: self.bounds(number) for ones, others in sums for number in (*ones, *others)
        }
        _narrow(sums, self.counts, bounds)
        fixed = sorted(number for number, (low, high) in bounds.items() if low == high)
        if fixed or _is_forest(sums):
            return fixed
        return _fixed(sums, self.counts, {number: self.bounds(number) for number in bounds})

    def widen(self, exposed: Iterable[int]) -> bool:
        """Withhold the smallest cell that a chain of sums connects with these, the nearest first."""
        reached = set(exposed)
        while True:
            touching = [e for e in self.equations if reached.intersection(*[(*e[0], *e[1])])]
            members = {number for ones, others in touching for number in (*ones, *others)}
            shown = members - self.withheld.keys()
            if shown:
                self.withheld[min(shown, key=lambda n: (self.counts[n], n))] = COMPLEMENT
                return True
            if members <= reached:
                return False
            reached |= members

    def give_up(self, dimensions: Iterable[str]) -> None:
        """Show nothing of a dimension; if that is not enough, do not even list its segments."""
        for dimension in dimensions:
            why = UNLISTED if dimension in self.loose else COMPLEMENT
            self.loose.add(dimension)
            for number, (name, _) in enumerate(self.cells):
                if name == dimension:
                    self.withheld[number] = why
        unlisted = {number for number, why in self.withheld.items() if why == UNLISTED}
        self.equations = _independent(
            tuple(e for e in self.all_equations if unlisted.isdisjoint((*e[0], *e[1])))
        )


def _narrow(
    sums: Sequence[_Sides], counts: Sequence[int], bounds: dict[int, tuple[int, int]]
) -> None:
    """Narrow the bounds of cells by sums until nothing moves any more."""
    for _ in range(_MOST_PASSES):
        has_moved = False
        for ones, others in sums:
            # Known: the sum of the first less that of the second.
            known = sum(counts[n] for n in ones) - sum(counts[n] for n in others)
            low = sum(bounds[n][0] for n in ones) - sum(bounds[n][1] for n in others)
            high = sum(bounds[n][1] for n in ones) - sum(bounds[n][0] for n in others)
            for number in (*ones, *others):
                least, most = bounds[number]
                if number in ones:
                    fresh = max(least, known - high + most), min(most, known - low + least)
                else:
                    fresh = max(least, low - known + most), min(most, high - known + least)
                if fresh != (least, most):
                    bounds[number] = fresh
                    has_moved = True
                    low += fresh[0] - least if number in ones else most - fresh[1]
                    high += fresh[1] - most if number in ones else least - fresh[0]
        if not has_moved:
            return


def _is_forest(sums: Sequence[_Sides]) -> bool:
    """Whether no two sums share cells in two ways: bounds that were narrowed are exact then."""
    root: dict[int, int] = {}
    for equation, (ones, others) in enumerate(sums):
        for number in (*ones, *others):
            if _root(root, number) == _root(root, -1 - equation):
                return False
            _join(root, number, -1 - equation)
    return True


class _Moves:
    """Looks for a table that differs by one here and there, and is as possible as the true one."""

    def __init__(
        self,
        sums: Sequence[_Sides],
        counts: Sequence[int],
        bounds: Mapping[int, tuple[int, int]],
    ) -> None:
        self._sums = [
            dict([*((n, 1) for n in ones), *((n, -1) for n in others)]) for ones, others in sums
        ]
        self._of_cell: dict[int, list[int]] = defaultdict(list)
        for equation, signs in enumerate(self._sums):
            for number in signs:
                self._of_cell[number].append(equation)
        self._counts = counts
        self._bounds = bounds
        self._tries = 0

    def touching(self, number: int) -> set[int]:
        """The cells of a move that changes this one; empty where none was found soon."""
        for step in (1, -1):
            self._tries = _MOST_TRIES
            move = self._extended({}, {}, number, step)
            if move:
                return set(move)
        return set()

    def _extended(
        self, move: dict[int, int], off: dict[int, int], number: int, step: int
    ) -> dict[int, int] | None:
        """The move with one more step, and what it takes to make every sum right again."""
        low, high = self._bounds[number]
        self._tries -= 1
        if number in move or self._tries < 0 or not low <= self._counts[number] + step <= high:
            return None
        move = {**move, number: step}
        off = dict(off)
        for equation in self._of_cell[number]:
            off[equation] = off.get(equation, 0) + step * self._sums[equation][number]
        wrong = next((equation for equation, by in off.items() if by), None)
        if wrong is None:
            return move
        towards = 1 if off[wrong] < 0 else -1
        for other, sign in self._sums[wrong].items():
            longer = self._extended(move, off, other, towards * sign)
            if longer:
                return longer
        return None


def _fixed(
    sums: Sequence[_Sides], counts: Sequence[int], bounds: Mapping[int, tuple[int, int]]
) -> list[int]:
    """The cells that are the same in every table of whole numbers that a reader holds possible."""
    open_cells = set(bounds)
    moves = _Moves(sums, counts, bounds)
    for number in sorted(bounds):
        if number in open_cells:
            open_cells -= moves.touching(number)
    return _fixed_by_solver(sums, counts, bounds, open_cells) if open_cells else []


def _fixed_by_solver(
    sums: Sequence[_Sides],
    counts: Sequence[int],
    bounds: Mapping[int, tuple[int, int]],
    asked: Iterable[int],
) -> list[int]:
    """Those of the cells asked for that are the same in every possible table of whole numbers."""
    import numpy as np
    from scipy import optimize

    numbers = sorted(bounds)
    place = {number: index for index, number in enumerate(numbers)}
    truth = np.array([counts[number] for number in numbers])
    matrix = np.zeros((len(sums), len(numbers)))
    for row, (ones, others) in enumerate(sums):
        matrix[row, [place[number] for number in ones]] = 1
        matrix[row, [place[number] for number in others]] = -1
    limits = optimize.Bounds(*np.array([bounds[number] for number in numbers]).T)
    same = optimize.LinearConstraint(matrix, matrix @ truth, matrix @ truth)
    is_asked = set(asked)
    is_fixed = np.array([number in is_asked for number in numbers])

    for index in range(len(numbers)):
        for sign in (1.0, -1.0):
            if is_fixed[index]:
                solution = optimize.milp(
                    sign * np.eye(len(numbers))[index],
                    constraints=same,
                    bounds=limits,
                    integrality=np.ones(len(numbers)),
                )
                if solution.x is not None:
                    is_fixed[np.rint(solution.x) != truth] = False
    return [numbers[index] for index in np.flatnonzero(is_fixed)]
