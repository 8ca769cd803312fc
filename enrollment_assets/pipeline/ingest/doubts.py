"""The rules by which a snapshot that can be read is held: it looks like a fault of the extract.

They compare a term's new rows with its last accepted snapshot and need no more history than that. What
the calendar explains is no fault: see `Calendar`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.ingest.comparison import Compared, Comparer, Rows
from enrollment_assets.pipeline.ingest.expected import ExpectedChange

# Fewer students than this are no pattern in any term.
_FEWEST = 10
# A tenth of the rows, cut at random, takes a little less than a tenth of the old students: so many
# standard deviations of such a cut are allowed for.
_DEVIATIONS = 2
_LEAST_LOSS = 0.08
_ONE_WEEK = 7
# A segment counts as gone, although a few of its students are left.
_ALMOST_ALL = 0.9
# A rollover of levels moves many; more than half of a term in a day is a join gone wrong.
_MOVED_SHARE = 0.5
_MOST_SEGMENTS = 5


class Doubts:
    """Finds what is doubtful about the staged rows of a term."""

    def __init__(self, comparer: Comparer, settings: Settings, expected: ExpectedChange) -> None:
        self._comparer = comparer
        self._settings = settings
        self._quality = settings.quality
        self._expected = expected

    def about(self, new: Rows, old: Rows, facts: dict[str, int]) -> str | None:
        """Why the new rows look like a fault beside the old ones, or None.

        The text counts students by segment and holds no value of a single one.
        """
        compared = self._comparer.compare(new, old)
        found = [
            *self._loss(new, old, compared, facts),
            *self._growth(new, old, compared),
            *self._other_ids(new, old, compared),
            *self._other_values(new, old, compared),
        ]
        return " ".join(found) or None

    def _loss(
        self, new: Rows, old: Rows, compared: Compared, facts: dict[str, int]
    ) -> Iterator[str]:
        """Too many students gone at once, or all those of a segment."""
        lost = self._lost_share(compared.before, (new.date - old.date).days)
        too_many = compared.gone >= _FEWEST and compared.gone / compared.before >= lost
        if too_many and self._expected.loss(new, old) >= compared.gone / compared.before:
            too_many = False
        least = self._quality.hold_segment
        if not too_many and (
            compared.gone < least * _ALMOST_ALL
            or not self._comparer.may_have_lost(new, old, least, _ALMOST_ALL)
        ):
            return
        segments = self._comparer.details("doubtful_segments", new, old)
        if too_many:
            share = compared.gone / compared.before
            yield (
                f"{compared.gone:,} of the {compared.before:,} students of {old.date} ({share:.1%}) "
                f"are gone; quality.hold_below_share is {self._quality.hold_below_share}."
            )
            yield from _by_segment(segments)
            yield from _left_out(facts)
            yield (
                "If this was planned, name it under calendar.events with its expected_share, so that "
                "such a day is not held next time."
            )
        vanished = [
            row
            for row in segments
            if row["before"] >= self._quality.hold_segment
            and row["gone"] >= _ALMOST_ALL * row["before"]
            and row["now"] <= (1 - _ALMOST_ALL) * row["before"]
        ]
        for row in vanished[:_MOST_SEGMENTS]:
            yield (
                f"{row['dimension']} {row['segment']} is gone with its {row['gone']:,} students, who "
                "are in no other segment either."
            )
        if len(vanished) > _MOST_SEGMENTS:
            yield f"{len(vanished) - _MOST_SEGMENTS} more segments are gone as well."

    def _lost_share(self, before: int, days: int) -> float:
        """The share of students whose loss is doubtful, after so many days without a snapshot."""
        share = 1 - self._quality.hold_below_share
        allowance: float = _DEVIATIONS * (share * (1 - share) / before) ** 0.5
        weeks = max(1.0, days / _ONE_WEEK)
        return max(share - allowance, min(share, _LEAST_LOSS)) * weeks

    def _growth(self, new: Rows, old: Rows, compared: Compared) -> Iterator[str]:
        if new.date <= self._settings.term(new.term).starts or compared.added < _FEWEST:
            return
        weeks = max(1.0, (new.date - old.date).days / _ONE_WEEK)
        growth = compared.now / compared.before
        if growth < 1 + (self._quality.hold_above_share - 1) * weeks:
            return
        if self._expected.growth(new, old) >= growth - 1:
            return
        yield (
            f"{compared.now:,} students, {growth:.1%} of the {compared.before:,} on {old.date}, after "
            f"the term has started; quality.hold_above_share is {self._quality.hold_above_share}."
        )

    def _other_ids(self, new: Rows, old: Rows, compared: Compared) -> Iterator[str]:
        most = self._quality.hold_other_ids_share * compared.before
        if min(compared.gone, compared.added) < max(_FEWEST, most):
            return
        (row,) = self._comparer.details("doubtful_ids", new, old)
        if row["found"] < max(_FEWEST, most):
            return
        kinds = (
            ("zeros", "leading zeros differ"),
            ("capitals", "capitals differ"),
            ("marks", "marks or other signs differ"),
        )
        forms = [f"{words} in {row[kind]:,}" for kind, words in kinds if row[kind]]
        others = row["found"] - sum(row[kind] for kind, _ in kinds)
        if others:
            forms.append(f"{others:,} have the same name and segments under another ID")
        yield (
            f"{row['found']:,} of the {compared.gone:,} dropped students look like added ones with the "
            f"ID in another form ({'; '.join(forms)}); quality.hold_other_ids_share is "
            f"{self._quality.hold_other_ids_share}."
        )

    def _other_values(self, new: Rows, old: Rows, compared: Compared) -> Iterator[str]:
        most = max(self._quality.hold_changed_share * compared.before, _FEWEST)
        if max(compared.changed, default=0) < min(
            most, self._lost_share(compared.before, 1) * compared.before
        ):
            return
        for row in self._comparer.details("doubtful_values", new, old):
            yield from self._other_value(row, compared)

    def _other_value(self, row: dict[str, Any], compared: Compared) -> Iterator[str]:
        column, before = row["column_name"], compared.before
        lost = max(self._quality.hold_changed_share * before * _ALMOST_ALL, _FEWEST)
        # Every status that is stored counts: another code changes no figure.
        unknown = 0 if column == "status" else row["unknown"]
        if row["blank"] + row["respelled"] + unknown >= lost:
            parts = [
                f"{words} for {number:,}"
                for number, words in (
                    (row["blank"], "empty"),
                    (row["respelled"], "spelled otherwise"),
                    (unknown, "a value that nobody had before"),
                )
                if number
            ]
            yield (
                f"{column} is now {', '.join(parts)} of the {compared.retained:,} students who were "
                "there on the last accepted day; quality.hold_changed_share is "
                f"{self._quality.hold_changed_share}."
            )
        elif row["moved"] >= max(_MOVED_SHARE * before, _FEWEST):
            yield (
                f"{column} changed for {row['moved']:,} of {compared.retained:,} students in a day: a "
                "join or a column may be wrong."
            )


def _by_segment(segments: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Where the loss is, dimension by dimension; small losses are left out."""
    for dimension in dict.fromkeys(row["dimension"] for row in segments):
        losses = [
            f"{row['segment']} {row['gone']:,} of {row['before']:,}"
            for row in segments
            if row["dimension"] == dimension and row["gone"] >= _FEWEST
        ]
        if losses:
            more = (
                f", and {len(losses) - _MOST_SEGMENTS} more" if len(losses) > _MOST_SEGMENTS else ""
            )
            yield f"Gone by {dimension}: {', '.join(losses[:_MOST_SEGMENTS])}{more}."


def _left_out(facts: dict[str, int]) -> Iterator[str]:
    """Rows of the extract that were not counted, and may be the missing ones."""
    for name, words in (
        ("unknown_status_count", "have a status that is neither counted nor ignored"),
        ("missing_count", "have no student ID"),
        ("uncounted_count", "are not counted by status or exclusion rule"),
    ):
        if facts[name] >= _FEWEST:
            yield f"{facts[name]:,} rows {words}."
