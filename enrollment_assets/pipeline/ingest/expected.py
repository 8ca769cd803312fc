"""What the calendar and earlier terms let a term lose or gain in a day, such as a payment purge."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from enrollment_assets.config import Settings, Term
from enrollment_assets.config.sections import CalendarEvent
from enrollment_assets.pipeline.ingest.comparison import Compared, Comparer, Rows

# A loss of up to a quarter more than the configuration names is still that event, and half as much
# again as earlier terms had.
_NAMED_SLACK, _SEEN_SLACK = 1.25, 1.5
# A term may be so many times as large as an earlier one was as long after its registration opened.
_HEADCOUNT_SLACK = 1.5
# A deadline moves by a day or two from year to year; a snapshot shows it on the morning after.
_DAYS_AROUND = 2


class ExpectedChange:
    """Asked only about days that would be held, since it compares days of earlier terms.

    `accepted_days` gives the accepted snapshots of a term, in order.
    """

    def __init__(
        self,
        comparer: Comparer,
        settings: Settings,
        accepted_days: Callable[[str], Mapping[dt.date, Rows]],
    ) -> None:
        self._comparer = comparer
        self._settings = settings
        self._accepted_days = accepted_days

    def loss(self, new: Rows, old: Rows) -> float:
        """The share of students that may be gone between two snapshots for a known reason."""
        seen = max((c.gone / c.before for c in self._seen(new, old)), default=0.0)
        return max(self.named_loss(new, old), _SEEN_SLACK * seen)

    def named_loss(self, new: Rows, old: Rows) -> float:
        """The share of students that events of the calendar are configured to take between the two."""
        shares = [e.expected_share or 0.0 for e in self._events(old.date, new.date)]
        return _NAMED_SLACK * max(shares, default=0.0)

    def growth(self, new: Rows, old: Rows) -> float:
        """The share by which a term may grow between two snapshots for a known reason."""
        return max(
            (_SEEN_SLACK * (c.now / c.before - 1) for c in self._seen(new, old)), default=0.0
        )

    def headcount(self, new: Rows) -> float:
        """The students that a term may have by now, as earlier terms had; 0 where none tells.

        In the first days of registration a term may well double from one day to the next.
        """
        term = self._settings.term(new.term)
        since = new.date - term.registration_opens
        counts = [
            rows.student_count
            for earlier in self._settings.earlier_terms(term)
            for date, rows in self._accepted_days(earlier.code).items()
            if abs((date - earlier.registration_opens - since).days) <= _DAYS_AROUND
        ]
        return _HEADCOUNT_SLACK * max(counts, default=0)

    def _events(self, after: dt.date, until: dt.date) -> list[CalendarEvent]:
        """The events that a snapshot may show: from the day of the one before to its own."""
        return [e for e in self._settings.calendar.events if after <= e.date <= until]

    def _seen(self, new: Rows, old: Rows) -> Iterator[Compared]:
        """Earlier terms from one snapshot to the next: at this point, and at events of this name."""
        term = self._settings.term(new.term)
        names = {event.name for event in self._events(old.date, new.date)}
        for earlier in self._settings.earlier_terms(term):
            around = [earlier.starts + (new.date - term.starts)]
            around += [
                e.date
                for e in self._settings.calendar.events
                if e.name in names and earlier.is_open(e.date)
            ]
            days = self._accepted_days(earlier.code)
            for before, now in _neighbors(days, around, earlier):
                if before.student_count >= max(self._settings.quality.reject_floor, 1):
                    yield self._comparer.compare(now, before)


def _neighbors(
    days: Mapping[dt.date, Rows], around: list[dt.date], term: Term
) -> Iterator[tuple[Rows, Rows]]:
    """Snapshots near one of these dates, each with the one before it."""
    dates = sorted(date for date in days if term.is_open(date))
    for before, now in pairwise(dates):
        if any(abs((now - date).days) <= _DAYS_AROUND for date in around):
            yield days[before], days[now]
