"""A made-up university: one enrollment snapshot a day, the same bytes from the same seed.

Nobody in it exists. The terms, closures and payment deadlines are those of `enrollment.yaml`. The
shape follows real registrations (quantiles of the Open University's two October terms, OULAD,
doi:10.1038/sdata.2017.171): slow at first, an S towards the start, quiet weekends, drops at the
payment deadline, in the first two weeks and at the census. Some who drop come back; some move to
another program. From term to term, seniors graduate, freshmen and transfers come in, most people move
up a level each autumn, some leave for good, and some stop out for a term and return. Two mornings go
wrong on purpose: one file is missing, one is cut off.

"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings, Term
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Days = npt.NDArray[np.int64]
else:
    np = lazy("numpy")

FOLDER = "examples/university/snapshots"
SEED = 20250401
UNTIL = dt.date(2026, 11, 20)

# The mornings that go wrong.
MISSING = dt.date(2025, 10, 14)
TRUNCATED = dt.date(2026, 9, 17)
TRUNCATED_SHARE = 0.42

HEADER = ("student_id", "student_name", "term", "division", "program", "level", "status")

# Cumulated share of all registrations against the share of the registration window that is over
# (0: registration opens, 1: the term starts). Read off the real curves.
_WINDOW_OVER = (0.0, 0.05, 0.13, 0.37, 0.65, 0.81, 0.89, 0.93, 1.0, 1.06)
_REGISTERED = (0.0, 0.03, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.992, 1.0)
_WEEKDAY_WEIGHT = (1.15, 1.1, 1.05, 1.0, 0.85, 0.12, 0.08)

# Of all who ever register for a term: taken off at the payment deadline, in the first weeks, at the
# census, later, and before the term begins; and of those who are taken off, who come back soon.
_PURGED, _FIRST_WEEKS, _AT_CENSUS, _LATE, _UNDECIDED = 0.04, 0.03, 0.018, 0.025, 0.03
_PURGED_RETURN, _OTHERS_RETURN = 0.75, 0.3
_MOVING_SHARE = 0.07
# How much later in the list of registrations new people come, as a share of it.
_NEW_COME_LATER = 0.4

_PROGRAMS = {
    "Arts and Humanities": ("English", "History", "Philosophy", "Music", "Art and Design"),
    "Business": ("Accounting", "Finance", "Management", "Marketing"),
    "Engineering": ("Civil Engineering", "Computer Science", "Electrical Engineering", "Mechanics"),
    "Health": ("Nursing", "Public Health", "Kinesiology"),
    "Natural Sciences": ("Biology", "Chemistry", "Mathematics", "Physics"),
    "Social Sciences": ("Economics", "Education", "Political Science", "Psychology", "Sociology"),
}
_LEVELS = ("Freshman", "Sophomore", "Junior", "Senior", "Graduate")
_SENIOR = 3

# People by level: all of the first term, and who enters in a later autumn or spring (freshmen,
# transfers, graduates). The numbers of those who enter grow each year.
_FIRST_TERM = (2_350, 2_140, 2_200, 2_180, 1_170)
_ENTER_AUTUMN, _ENTER_SPRING = (2_140, 200, 290, 30, 520), (150, 110, 160, 20, 110)
_GROWTH = 1.02

# By level: the share of those enrolled at a term's end who graduate then, and of the others the share
# who register for the next term.
_GRADUATE_IN_WINTER, _GRADUATE_IN_SUMMER = (0, 0, 0, 0.1, 0.08), (0, 0, 0, 0.82, 0.4)
_COME_IN_SPRING, _COME_IN_AUTUMN = (
    (0.955, 0.965, 0.975, 0.97, 0.95),
    (0.94, 0.955, 0.965, 0.9, 0.92),
)
# Who left during a term, and who stayed away for one, comes back for the next.
_LEFT_RETURN, _AWAY_RETURN = 0.45, 0.35
_MOVE_UP = 0.92

_GIVEN = (
    "Ada Amara Anika Beatriz Bjorn Caleb Carmen Chidi Chloe Daniel Devi Diego Elena Emre Fatima "
    "Felix Grace Hana Hugo Imani Ines Ivan Jamal Jun Kai Kofi Lars Leila Liam Lucia Mateo Maya Mei "
    "Mina Nadia Niko Noor Omar Priya Quinn Rafael Rosa Ruth Sami Sofia Tariq Tomas Uma Vera Wei "
    "Yara Yusuf Zoe Zélie André Núria"
).split()
_FAMILY = (
    "Abebe|Adeyemi|Anders|Baker|Banerjee|Brennan|Castillo|Chen|Cohen|Cruz|Da Silva|Diaz|Dubois|"
    "Eriksen|Farah|Fischer|Garcia|Gupta|Haddad|Hansen|Hughes|Ito|Ivanova|Jansen|Johnson|Kamau|Kaya|"
    "Kim|Kowalski|Lee|Lopez|Martin|Mbeki|Mehta|Moreau|Müller|Nakamura|Nguyen|Novak|O'Brien|Okafor|"
    "Ortiz|Park|Patel|Petrov|Quist|Reyes|Rossi|Santos|Sato|Smith, Jr.|St. John|Suzuki|Tanaka|Torres|"
    "Vargas|Watanabe|Weber|Wójcik|Yilmaz|Zhang|Zuñiga"
).split("|")

_NEVER = 10**6


# Where a person is at a term's end.
_ENROLLED, _LEFT, _AWAY, _GONE = range(4)


class _People:
    """Everyone who was ever a student here, with where they study."""

    def __init__(self, random: np.random.RandomState) -> None:
        self.random = random
        self.ids: list[str] = []
        self.names: list[str] = []
        self.program = np.empty(0, dtype=np.int64)
        self.level = np.empty(0, dtype=np.int64)
        self.where = np.empty(0, dtype=np.int64)
        self.places = [(division, name) for division, names in _PROGRAMS.items() for name in names]
        weights = random.gamma(4.0, size=len(self.places))
        self._weights = weights / weights.sum()

    def enter(self, by_level: tuple[int, ...], factor: float = 1.0) -> Days:
        """New people of each level, in any order; their numbers come back."""
        random, first = self.random, len(self.ids)
        levels = np.repeat(np.arange(len(by_level)), [round(n * factor) for n in by_level])
        count = len(levels)
        numbers = first + random.permutation(count)
        self.ids += [f"{4200 + 7 * int(number):07d}" for number in numbers]
        given = random.randint(len(_GIVEN), size=count)
        family = random.randint(len(_FAMILY), size=count)
        self.names += [f"{_GIVEN[g]} {_FAMILY[f]}" for g, f in zip(given, family, strict=True)]
        self.program = np.append(self.program, self.draw_programs(count))
        self.level = np.append(self.level, random.permutation(levels))
        self.where = np.append(self.where, np.full(count, _AWAY))
        return np.arange(first, first + count)

    def who_comes(self, *, autumn: bool) -> Days:
        """Who of the people so far registers for the next term, moved up a level for an autumn.

        Graduates, and people who stay away for a second term, are gone for good.
        """
        random, count = self.random, len(self.ids)
        graduate = np.array(_GRADUATE_IN_SUMMER if autumn else _GRADUATE_IN_WINTER)[self.level]
        stay = np.array(_COME_IN_AUTUMN if autumn else _COME_IN_SPRING)[self.level]
        graduates = (self.where == _ENROLLED) & (random.random_sample(count) < graduate)
        chance = np.choose(self.where, [stay, _LEFT_RETURN, _AWAY_RETURN, 0.0])
        comes = ~graduates & (random.random_sample(count) < chance)
        stays_away = ~graduates & ~comes & (self.where < _AWAY)
        self.where[~comes] = _GONE
        self.where[stays_away] = _AWAY
        if autumn:
            moves_up = comes & (self.level < _SENIOR) & (random.random_sample(count) < _MOVE_UP)
            self.level[moves_up] += 1
        return np.flatnonzero(comes)

    def draw_programs(self, count: int) -> Days:
        """Programs, the popular ones more often."""
        drawn: Days = self.random.choice(len(self.places), size=count, p=self._weights)
        return drawn

    def line(self, person: int, term: str, program: int) -> bytes:
        """The person's row in a term's snapshot."""
        buffer = io.StringIO()
        division, name = self.places[program]
        level = _LEVELS[self.level[person]]
        csv.writer(buffer, lineterminator="\n").writerow(
            (self.ids[person], self.names[person], term, division, name, level, "enrolled")
        )
        return buffer.getvalue().encode()


def generate(
    settings: Settings,
    folder: Path,
    *,
    until: dt.date = UNTIL,
    seed: int = SEED,
    on_day: Callable[[int], None] = lambda _: None,
) -> int:
    """Write the snapshots of every day from `start_date` to `until`; how many files comes back."""
    # RandomState's streams are frozen for good, those of numpy's newer generators are not.
    random = np.random.RandomState(seed)
    first = settings.start_date
    lines, begins, ends = _episodes(settings, random, first)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.csv"):
        old.unlink()
    header = (",".join(HEADER) + "\n").encode()
    count = 0
    for offset in range((until - first).days + 1):
        date = first + dt.timedelta(offset)
        on_day(1)
        if settings.why_no_snapshot(date) or date == MISSING:
            continue
        rows = lines[(begins <= offset) & (ends > offset)]
        if date == TRUNCATED:
            rows = rows[: int(len(rows) * TRUNCATED_SHARE)]
        (folder / settings.files.name_for(date)).write_bytes(header + b"".join(rows))
        count += 1
    return count


def _episodes(
    settings: Settings, random: np.random.RandomState, first: dt.date
) -> tuple[npt.NDArray[np.object_], Days, Days]:
    """Rows with the days they are in the list: text, first day, day after the last."""
    people = _People(random)
    lines: list[bytes] = []
    begins: list[int] = []
    ends: list[int] = []
    for number, term in enumerate(settings.terms):
        if number:
            # A term that starts in the second half of the year opens an academic year.
            autumn = term.starts.month >= 7
            old = people.who_comes(autumn=autumn)
            new = people.enter(_ENTER_AUTUMN if autumn else _ENTER_SPRING, _GROWTH ** (number // 2))
        else:
            everyone = people.enter(_FIRST_TERM)
            freshman = people.level[everyone] == 0
            old, new = everyone[~freshman], everyone[freshman]
        term_lines, term_begins, term_ends = _term(people, old, new, term, settings, first)
        lines += term_lines
        begins += term_begins
        ends += term_ends
    order = sorted(range(len(lines)), key=lambda index: (lines[index], begins[index]))
    text = np.empty(len(lines), dtype=object)
    text[:] = [lines[index] for index in order]
    return text, np.array(begins)[order], np.array(ends)[order]


def _term(
    people: _People,
    old: Days,
    new: Days,
    term: Term,
    settings: Settings,
    first: dt.date,
) -> tuple[list[bytes], list[int], list[int]]:
    """The term's episodes; where each person is at its end is noted with the people."""
    random = people.random
    persons = np.concatenate([old, new])
    count = len(persons)

    def offset(date: dt.date) -> int:
        return (date - first).days

    days = np.sort(_registration_days(count, term, settings, random, first))
    # Those who were here before register first, on the whole.
    turn = random.random_sample(count) + np.repeat([0.0, _NEW_COME_LATER], [len(old), len(new)])
    registered = np.empty(count, dtype=np.int64)
    registered[np.argsort(turn, kind="stable")] = days
    left, purged = _leaving_days(registered, term, settings, random, first)
    back = np.full(count, _NEVER)
    chance = np.where(purged, _PURGED_RETURN, _OTHERS_RETURN)
    returns = (left < _NEVER) & (random.random_sample(count) < chance)
    back[returns] = left[returns] + random.randint(1, 15, size=int(returns.sum()))
    # After the census nobody is let in again.
    back[back > offset(term.census)] = _NEVER
    moves = random.random_sample(count) < _MOVING_SHARE
    window = offset(term.census) + 20 - registered
    moved = np.where(
        moves, registered + 1 + (random.random_sample(count) * window).astype(int), _NEVER
    )
    new_program = people.draw_programs(count)
    last = offset(term.ends) + 1
    lines, begins, ends = [], [], []
    for index, person in enumerate(persons.tolist()):
        stays = [(registered[index], min(left[index], last))]
        if back[index] < last:
            stays.append((back[index], last))
        for begin, end in stays:
            programs = [(begin, min(end, moved[index]), people.program[person])]
            if moved[index] < end:
                later = max(begin, moved[index])
                programs.append((later, end, int(new_program[index])))
            for start, stop, program in programs:
                if start < stop:
                    lines.append(people.line(person, term.code, program))
                    begins.append(int(start))
                    ends.append(int(stop))
        if moved[index] < last:
            people.program[person] = int(new_program[index])
    people.where[persons] = np.where((left < last) & (back >= last), _LEFT, _ENROLLED)
    return lines, begins, ends


def _registration_days(
    count: int, term: Term, settings: Settings, random: np.random.RandomState, first: dt.date
) -> Days:
    """The day on which each person registers: the real S, quiet on weekends, none on closures."""
    window = (term.starts - term.registration_opens).days
    days = np.arange(int(window * _WINDOW_OVER[-1]) + 1)
    curve = np.interp(np.append(days, days[-1] + 1) / window, _WINDOW_OVER, _REGISTERED)
    weights = np.diff(curve)
    for day in days:
        date = term.registration_opens + dt.timedelta(int(day))
        weights[day] *= _WEEKDAY_WEIGHT[date.weekday()]
        if date in settings.calendar.closures:
            weights[day] = 0
    noise = random.gamma(25.0, 1 / 25.0, size=len(weights))
    weights = weights * noise
    drawn: Days = random.choice(days, size=count, p=weights / weights.sum())
    return drawn + (term.registration_opens - first).days


def _leaving_days(
    registered: Days,
    term: Term,
    settings: Settings,
    random: np.random.RandomState,
    first: dt.date,
) -> tuple[Days, npt.NDArray[np.bool_]]:
    """The day on which each person leaves, or never; and who left because nobody had paid."""
    count = len(registered)
    left = np.full(count, _NEVER)
    starts, census, ends = ((day - first).days for day in (term.starts, term.census, term.ends))
    chance = random.random_sample(count)
    due = [
        (event.date - first).days
        for event in settings.calendar.events
        if term.registration_opens < event.date <= term.starts and "payment" in event.name
    ]
    bounds = np.cumsum([_PURGED, _FIRST_WEEKS, _AT_CENSUS, _LATE])
    purged = np.zeros(count, dtype=bool)
    if due:
        purged = (chance < bounds[0]) & (registered < due[0])
        left[purged] = due[0]
    early = (chance >= bounds[0]) & (chance < bounds[1])
    left[early] = starts + random.randint(0, max(census - starts, 1), size=int(early.sum()))
    at_census = (chance >= bounds[1]) & (chance < bounds[2])
    left[at_census] = census
    late = (chance >= bounds[2]) & (chance < bounds[3])
    left[late] = census + 1 + random.randint(0, max(ends - census - 10, 1), size=int(late.sum()))
    # Some change their mind before the term begins.
    undecided = (left == _NEVER) & (random.random_sample(count) < _UNDECIDED)
    left[undecided] = registered[undecided] + random.randint(2, 60, size=int(undecided.sum()))
    left[left <= registered] = _NEVER
    return _on_business_days(left, settings, first), purged


def _on_business_days(days: Days, settings: Settings, first: dt.date) -> Days:
    """Offices that take people off the list are closed on weekends and closures: the next open day."""
    for unique in np.unique(days[days < _NEVER]).tolist():
        date = first + dt.timedelta(unique)
        while date.weekday() >= 5 or date in settings.calendar.closures:
            date += dt.timedelta(1)
        days[days == unique] = (date - first).days
    return days
