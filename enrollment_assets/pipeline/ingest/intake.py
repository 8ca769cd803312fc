"""Loads days from the source into the warehouse: stage, judge, quarantine, store, log.

A person's decision about a day is stored the same way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.ingest.quarantine import (
    QuarantineSource,
    read_reasons,
    rejected_name,
)
from enrollment_assets.pipeline.ingest.reconfigured import changes_to_come
from enrollment_assets.pipeline.ingest.renames import apply
from enrollment_assets.pipeline.ingest.staging import Staging, check_patterns
from enrollment_assets.pipeline.ingest.store import SnapshotStore
from enrollment_assets.pipeline.ingest.verdicts import (
    ACCEPTED,
    FACTS,
    DayResult,
    Decision,
    DecisionKind,
    TermResult,
)
from enrollment_assets.sources.base import Source
from enrollment_assets.support import progress


def store_days(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: Source,
    dates: Sequence[dt.date],
    *,
    run_id: str,
    on_day: Callable[[DayResult], None] = lambda _: None,
) -> list[DayResult]:
    """Read these days, in order, and store what is accepted.

    A day that is missing, held, rejected or unreadable is logged and skipped; if it was accepted
    before, its accepted rows are kept. `on_day` is called with each day once it is in the warehouse.

    Raises:
        SourceError: if no day can be read at all, or the source does not answer.
        WarehouseError: if a batch cannot be written; earlier batches are stored, this one is not.
    """
    source.check()
    check_patterns(connection, settings)
    for sentence in changes_to_come(connection, settings):
        progress.note(sentence)
    apply(connection, settings)
    results: list[DayResult] = []
    store = SnapshotStore(connection, settings, run_id)
    for batch in Staging(connection, settings).stage(source, sorted(dates)):
        store.judge(batch)
        store.quarantine(batch)
        store.write(batch, overtakes=True)
        for day in batch:
            on_day(day)
        results += batch
    return results


def decide(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    date: dt.date,
    decision: Decision,
    *,
    run_id: str,
) -> DayResult:
    """Accept the held or rejected rows of a day, reject its accepted or held ones, or trim it.

    Raises:
        SnapshotMissingError: if there is nothing to accept or to reject.
        WarehouseError: if the day is final since older snapshots were pruned, or cannot be written.
    """
    apply(connection, settings)
    store = SnapshotStore(connection, settings, run_id)
    if decision.kind is DecisionKind.reject:
        return store.reject(date, decision)
    if decision.kind is DecisionKind.trim:
        return store.trim(date, decision)
    terms = store.kept(date, decision.term)
    source = QuarantineSource(settings, terms)
    store.refuse_frozen(date, terms)
    check_patterns(connection, settings)
    # Staging discards a batch when the next one is requested: the day is written before that.
    batches = Staging(connection, settings).stage(source, [date])
    (day,) = next(batches)
    facts = store.facts().get(date, {})
    reasons = f"accepted by {decision.by}: {decision.reason}"
    day.terms = [
        TermResult(term, ACCEPTED, reasons, _acceptable(settings, date, term, facts), decision.by)
        for term in terms
    ]
    store.write([day])
    return day


def _acceptable(
    settings: Settings,
    date: dt.date,
    term: str,
    facts: Mapping[str | None, dict[str, int]],
) -> dict[str, int]:
    """The figures of a term's quarantined rows, if they can be accepted.

    Raises:
        ConfigurationError: if the term is not open on the day, or none of its rows counts.
    """
    if not settings.term(term).is_open(date):
        raise ConfigurationError(
            f"{term} is not open on {date} by its dates in {settings.path}; correct these first."
        )
    figures = facts.get(term, dict.fromkeys(FACTS, 0))
    kept = read_reasons(settings, date).get(rejected_name(term), {}).get("rows", 0)
    if kept and not figures["student_count"]:
        raise ConfigurationError(
            f"None of the {kept:,} quarantined rows of {term} on {date} counts as enrolled; correct "
            f"statuses or exclude in {settings.path}."
        )
    return figures


@dataclass(frozen=True)
class SnapshotIntake:
    """Days to load from a source; `results` holds the result of each once it is stored.

    If `strict`, a day that is missing, held or rejected fails its run; in a range or a backfill it is
    logged and skipped. A `decision` is about quarantined or accepted rows, and reads no source.
    """

    source: Source
    strict: bool = False
    decision: Decision | None = None
    results: list[DayResult] = field(default_factory=list)

    @property
    def complete_days(self) -> list[dt.date]:
        """The days of which nothing is left to do."""
        return [result.date for result in self.results if result.is_complete]
