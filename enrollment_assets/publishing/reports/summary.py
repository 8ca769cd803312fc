"""What a day's report says, as texts: page and mail say the same, since both are made of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.words import (
    count,
    days,
    distance,
    label,
    label_of,
    percent,
    plain,
    sentence,
    shown,
    signed,
    signed_percent,
)
from enrollment_assets.support.lazy import lazy
from enrollment_assets.support.ranges import as_ranges

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

OK, PROVISIONAL = "OK", "Provisional"
# How many segments of a dimension, and how many anomalies and remarks, a report holds.
MOST_SEGMENTS, MOST_REMARKS = 15, 5
# What stands in the place of a series of segments that are not named.
_WITHHELD = "withheld"
_NOT_EXAMINED = "Whether the day is usual was not examined: insight was left out of this day's run."


@dataclass(frozen=True)
class Tile:
    """One figure with what it is compared with."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TermRow:
    """One open term, in shown texts."""

    label: str
    headcount: str
    net: str
    same_point: str
    change: str
    gross: str = ""
    starts: str = ""
    census: str = ""


@dataclass(frozen=True)
class SegmentRow:
    """One segment beside itself at the same point, in shown texts."""

    segment: str
    now: str
    same_point: str
    change: str
    change_pct: str
    contribution: str
    final: str


@dataclass(frozen=True)
class SegmentTable:
    """The segments of a dimension: those that change the headcount most come first."""

    dimension: str
    rows: tuple[SegmentRow, ...]
    is_compared: bool
    note: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """How past forecasts of one horizon did, in shown texts."""

    horizon: str
    n: str
    mae: str
    mape: str
    bias: str
    skill: str
    coverage: tuple[str, ...]


@dataclass(frozen=True)
class DaySummary:
    """The texts of one day's report; nothing in them is from after that day."""

    institution: str
    day: dt.date
    status: str
    status_words: str
    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]
    anomalies: tuple[str, ...]
    quality: tuple[str, ...]
    terms: tuple[TermRow, ...]
    anomalies_note: str = ""
    main: str = ""
    main_words: str = ""
    facts: tuple[Tile, ...] = ()
    segments: tuple[SegmentTable, ...] = ()
    segments_note: str = ""
    scorecard: tuple[ScoreRow, ...] = ()
    scorecard_note: str = ""


def summary(figures: DayFigures, settings: Settings) -> DaySummary:
    """The texts of a day's report."""
    main = figures.main
    status, status_words = _status(figures, settings)
    tables = tuple(_segments(figures, settings))
    scores = tuple(_scores(figures, settings))
    return DaySummary(
        institution=plain(settings.institution.name),
        day=figures.day,
        status=status,
        status_words=status_words,
        headline=_headline(figures, settings),
        sentences=(
            _now(figures, settings),
            _same_point(figures, settings),
            _normality(figures),
        ),
        tiles=_tiles(figures, settings),
        anomalies=_at_most(_anomalies(figures, settings)),
        anomalies_note=_NOT_EXAMINED if figures.anomalies.empty else "None.",
        quality=_at_most(_remarks(figures, settings)),
        terms=tuple(_term_row(figures, term) for term in figures.terms),
        main=label(main),
        main_words=_main_words(figures),
        facts=_facts(figures, settings),
        segments=tables,
        segments_note=_not_shown(figures, tables, settings),
        scorecard=scores,
        scorecard_note="" if scores else _no_scores(figures),
    )


def _main_words(figures: DayFigures) -> str:
    if len(figures.terms) == 1:
        return f"{label(figures.main)} is the only term with a snapshot on this day."
    return (
        f"This report is mostly about {label(figures.main)}: of the terms with a snapshot on this day "
        "and two weeks before, it starts last."
    )


def _problems(figures: DayFigures) -> pd.DataFrame:
    return figures.log[figures.log["date"] == pd.Timestamp(figures.day)]


_PROBLEMS = {
    "missing": "has no snapshot of this day",
    "rejected": "had a snapshot of this day that was refused",
}


def _status(figures: DayFigures, settings: Settings) -> tuple[str, str]:
    """Whether all of the day is there, and what is not."""
    missing = [
        f"{label_of(term, settings)} {_PROBLEMS.get(problem, problem)}"
        for term, problem in _problems(figures)[["term", "problem"]].to_numpy().tolist()
    ]
    if not missing:
        return OK, "Every term that is expected has an accepted snapshot of this day."
    return PROVISIONAL, f"{'; '.join(missing)}. Figures will change when it is accepted."


def _facts(figures: DayFigures, settings: Settings) -> tuple[Tile, ...]:
    main, now = figures.main, figures.latest(figures.main)
    past = figures.compared(main)
    if past is None:
        compared = Tile("Compared with", "nothing yet", _why_not_compared(figures))
    else:
        note = plain(past["note"]) if pd.notna(past["note"]) else ""
        name = label_of(past["comparison_term"], settings)
        compared = Tile("Compared with", f"{name} on {past['comparison_date'].date()}", note)
    return (
        Tile("As of", str(figures.day)),
        compared,
        Tile("Start", distance(int(now["days_to_start"]), main.starts)),
        Tile("Census", distance(int(now["days_to_census"]), main.census)),
    )


def _why_not_compared(figures: DayFigures) -> str:
    notes = figures.same_point.loc[figures.same_point["term"] == figures.main.code, "note"].dropna()
    text = plain(notes.iloc[0]) if len(notes) else "no earlier snapshot to compare with"
    return text.replace(figures.main.code, label(figures.main))


def _headline(figures: DayFigures, settings: Settings) -> str:
    now, past = figures.latest(figures.main), figures.compared(figures.main)
    students = plain(settings.vocabulary.students)
    text = f"{label(figures.main)}: {count(now['total_enrollment'])} {students}"
    if pd.notna(now["baseline_date"]):
        text += f", {signed(now['net_change'])} since {now['baseline_date'].date()}"
    if past is not None and pd.notna(past["change_pct"]):
        text += f", {_ahead(past['change_pct'])} the same point"
    return text


def _ahead(change_pct: float) -> str:
    if round(change_pct, 1) == 0:
        return "level with"
    return f"{percent(abs(change_pct))} {'ahead of' if change_pct > 0 else 'behind'}"


def _now(figures: DayFigures, settings: Settings) -> str:
    now, name = figures.latest(figures.main), label(figures.main)
    has = f"{name} has {count(now['total_enrollment'])} {plain(settings.vocabulary.students)}"
    if pd.isna(now["baseline_date"]):
        return f"{has}. This is its first snapshot: there is nothing to compare it with yet."
    gap = int(now["days_since_baseline"])
    earlier = f" ({days(gap)} earlier)" if gap > 1 else ""
    return f"{has}, {signed(now['net_change'])} since {now['baseline_date'].date()}{earlier}."


def _same_point(figures: DayFigures, settings: Settings) -> str:
    past = figures.compared(figures.main)
    if past is None:
        return f"There is no same point to compare with: {_why_not_compared(figures)}."
    name = label_of(past["comparison_term"], settings)
    then = f"which had {count(past['comparison_total'])} on {past['comparison_date'].date()}"
    if pd.isna(past["change_pct"]):
        return f"{name} had none at the same point, on {past['comparison_date'].date()}."
    return f"That is {_ahead(past['change_pct'])} {name} at the same point, {then}."


def _normality(figures: DayFigures) -> str:
    rows = figures.anomalies[figures.anomalies["term"] == figures.main.code]
    totals = rows[rows["dimension"].isna() & (rows["series"] != _WITHHELD)]
    if totals.empty:
        return _NOT_EXAMINED
    unusual = totals[totals["is_anomaly"]]
    if not unusual.empty:
        first = unusual.iloc[0]
        confirmed = ", as somebody has confirmed" if first["is_confirmed"] else ""
        return sentence(f"not a usual day{confirmed}: {plain(first['explanation'])}")
    if totals["expected"].isna().all():
        why = totals["explanation"].dropna()
        reason = f": {plain(why.iloc[0])}" if len(why) else ""
        return sentence(f"what is usual cannot be said yet{reason}")
    if rows["is_anomaly"].any():
        return "The total is within the normal range; a part of it is not, as told below."
    return "What came and went on this day is within the normal range."


def _tiles(figures: DayFigures, settings: Settings) -> tuple[Tile, ...]:
    now, then = figures.latest(figures.main), figures.then(figures.main)
    words = settings.vocabulary
    is_first = pd.isna(now["baseline_date"])

    def against(column: str) -> str:
        if then is None or pd.isna(then["baseline_date"]):
            return ""
        if now[column] == then[column]:
            return f"also {count(then[column])} at the same point"
        difference = signed(now[column] - then[column])
        return f"{difference} on {count(then[column])} at the same point"

    def changed(name: str, column: str, show: Any) -> Tile:
        if is_first:
            return Tile(name, "none", "first snapshot")
        return Tile(name, show(now[column]), against(column))

    return (
        Tile("Headcount", count(now["total_enrollment"]), _against_headcount(figures)),
        changed("Net change", "net_change", signed),
        changed(f"New {plain(words.students)}", "new_students", count),
        changed(f"Dropped {plain(words.students)}", "dropped_students", count),
        _continuation(figures, settings),
        _census(figures, settings),
    )


def _against_headcount(figures: DayFigures) -> str:
    past = figures.compared(figures.main)
    if past is None:
        return ""
    share = f" ({signed_percent(past['change_pct'])})" if pd.notna(past["change_pct"]) else ""
    return f"{signed(past['change'])}{share} on {count(past['comparison_total'])} at the same point"


def _continuation(figures: DayFigures, settings: Settings) -> Tile:
    """Of the census cohort; before the census, day over day."""
    since = figures.continuation_of(figures.main.code)
    past = figures.compared(figures.main)
    if since.empty:
        now, then = figures.latest(figures.main), figures.then(figures.main)
        if pd.isna(now["baseline_date"]):
            return Tile("Continuation", "none", "first snapshot")
        why = (
            "before the"
            if figures.main.census > figures.day
            else "since there is no snapshot of the"
        )
        note = f"day over day, {why} census"
        if then is not None and pd.notna(then["baseline_date"]):
            note += _points(now["retention_rate"] - then["retention_rate"])
        return Tile("Continuation", percent(now["retention_rate"], 2), note)
    value = since["continuation_pct"].iloc[-1]
    note = f"of the census cohort; target {settings.reports.continuation_target:g} %"
    if past is not None:
        rows = figures.continuation_of(past["comparison_term"])
        rows = rows[rows["date"] <= past["comparison_date"]]
        if len(rows):
            note += _points(value - rows["continuation_pct"].iloc[-1])
    return Tile("Continuation", percent(value), note)


def _points(difference: float) -> str:
    if round(difference, 1) == 0:
        return "; the same at the same point"
    return f"; {signed_percent(difference).replace(' %', ' points')} on the same point"


def _census(figures: DayFigures, settings: Settings) -> Tile:
    """The headcount of the census: what it was, what is expected, or why that is not known."""
    main, past = figures.main, figures.compared(figures.main)
    counted = _census_row(figures, main)
    against = ""
    before = None if past is None else past["comparison_census"]
    if main.census <= figures.day:
        if counted is None:
            return Tile("Census headcount", "none", f"no snapshot on or before {main.census}")
        total, date = counted["total_enrollment"], counted["date"].date()
        if before is not None and pd.notna(before):
            against = f"; {signed(total - before)} on {count(before)} a year before"
        lacks = "" if date == main.census else f", the last snapshot before {main.census}"
        return Tile("Census headcount", count(total), f"on {date}{lacks}{against}")
    row = _at_census(figures, main)
    if row is None:
        return Tile("Census forecast", "none", _why_no_forecast(figures, main, settings))
    note = f"80 % range {count(row['lower_80'])} to {count(row['upper_80'])}"
    if before is not None and pd.notna(before):
        note += f"; {signed(row['forecast'] - before)} on {count(before)}, the census before"
    return Tile("Census forecast", count(row["forecast"]), note)


def _census_row(figures: DayFigures, term: Term) -> pd.Series | None:
    """The term's figures on its census, or on the latest day before that has a snapshot."""
    rows = figures.of(term)
    rows = rows[rows["date"] <= pd.Timestamp(term.census)]
    return None if rows.empty else rows.iloc[-1]


def _at_census(figures: DayFigures, term: Term) -> pd.Series | None:
    rows = figures.forecast_of(term)
    rows = rows[rows["target_date"] == pd.Timestamp(term.census)]
    return None if rows.empty else rows.iloc[0]


def _why_no_forecast(figures: DayFigures, term: Term, settings: Settings) -> str:
    rows = figures.forecast[figures.forecast["term"] == term.code]
    if rows.empty:
        return "not computed: insight was left out of this day's run"
    refused = rows.loc[rows["forecast"].isna(), "note"].dropna()
    if len(refused):
        return plain(refused.iloc[0]).removeprefix("no forecast: ")
    return (
        f"the census is {days((term.census - figures.day).days)} away, and forecasts reach "
        f"{settings.forecast.horizon_days}"
    )


def _term_row(figures: DayFigures, term: Term) -> TermRow:
    now, past = figures.latest(term), figures.compared(term)
    row = _at_census(figures, term)
    counted = _census_row(figures, term)
    census = f"{term.census}"
    if term.census <= figures.day and counted is not None:
        date = counted["date"].date()
        census += f": {count(counted['total_enrollment'])}"
        census += "" if date == term.census else f", of {date}"
    elif row is not None:
        census += f": {count(row['forecast'])} expected"
    change = "none"
    if past is not None:
        change = signed(past["change"])
        if pd.notna(past["change_pct"]):
            change += f" ({signed_percent(past['change_pct'])})"
    return TermRow(
        label=label(term),
        headcount=count(now["total_enrollment"]),
        net="first snapshot" if pd.isna(now["baseline_date"]) else signed(now["net_change"]),
        same_point="none"
        if past is None
        else f"{count(past['comparison_total'])} on {past['comparison_date'].date()}",
        change=change,
        gross=count(now["gross_enrollment"]),
        starts=str(term.starts),
        census=census,
    )


def _segments(figures: DayFigures, settings: Settings) -> Iterator[SegmentTable]:
    """The main term's segments in each dimension."""
    of_term = figures.segments[figures.segments["term"] == figures.main.code]
    for dimension in settings.dimensions:
        rows = by_contribution(of_term[of_term["dimension"] == dimension])
        if len(rows):
            listed = rows.head(MOST_SEGMENTS)
            more = len(rows) - len(listed)
            note = f"{more} more are not listed." if more else ""
            texts = tuple(_segment_row(row, settings) for _, row in listed.iterrows())
            compared = listed[["comparison_total", "comparison_suppression"]].notna()
            yield SegmentTable(dimension, texts, bool(compared.to_numpy().any()), note)


def by_contribution(rows: pd.DataFrame) -> pd.DataFrame:
    """The segments of a dimension: the largest parts of the change first, withheld ones last.

    What is withheld is ordered by name, since an order by size would tell of it.
    """
    return rows.assign(
        _part=rows["contribution_pct"].abs().fillna(-1),
        _size=rows["total_enrollment"].where(rows["suppression"].isna()).fillna(-1),
    ).sort_values(["_part", "_size", "segment"], ascending=[False, False, True], kind="stable")


def _segment_row(row: pd.Series, settings: Settings) -> SegmentRow:
    def known(column: str, show: Any) -> str:
        if pd.notna(row[column]):
            return str(show(row[column]))
        is_withheld = pd.notna(row["suppression"]) or pd.notna(row["comparison_suppression"])
        return "withheld" if is_withheld else "none"

    def headcount(column: str, suppression: str) -> str:
        return shown(row[column], row[suppression], settings)

    return SegmentRow(
        segment=plain(row["segment"]) or "(blank)",
        now=headcount("total_enrollment", "suppression"),
        same_point=headcount("comparison_total", "comparison_suppression"),
        change=known("change", signed),
        change_pct=known("change_pct", signed_percent),
        contribution=known("contribution_pct", lambda value: signed_percent(value, 2)),
        final=headcount("comparison_final", "comparison_final_suppression"),
    )


def _not_shown(figures: DayFigures, tables: Sequence[SegmentTable], settings: Settings) -> str:
    """Why dimensions are not there."""
    if not settings.dimensions:
        return "No dimensions are configured."
    if figures.segments.empty and figures.anomalies.empty:
        return "Segments were not compared: insight was left out of this day's run."
    shown = [table.dimension for table in tables]
    lacking = [name for name in settings.dimensions if name not in shown]
    if not lacking:
        return ""
    return f"Not shown by {' and '.join(lacking)}: the numbers are too small."


def _at_most(remarks: Iterator[str]) -> tuple[str, ...]:
    found = list(remarks)
    if len(found) <= MOST_REMARKS:
        return tuple(found)
    rest = len(found) - MOST_REMARKS + 1
    return (*found[: MOST_REMARKS - 1], f"And {rest} more: see the tables.")


def _anomalies(figures: DayFigures, settings: Settings) -> Iterator[str]:
    """What was unusual, the terms' totals first; `report_anomalies.sql` names what may be named."""
    for _, row in figures.anomalies[figures.anomalies["is_anomaly"]].iterrows():
        name, words = label_of(row["term"], settings), plain(row["explanation"])
        confirmed = " Somebody has confirmed it." if row["is_confirmed"] else ""
        if row["series"] == _WITHHELD:
            yield f"{name}: {words}, not named since its numbers are small."
        elif pd.isna(row["dimension"]):
            yield (
                sentence(f"{name}: {words}")
                + f" {_figure(row['observed'])} a day, where {_figure(row['expected'])} were expected "
                f"and {_figure(row['lower'])} to {_figure(row['upper'])} are usual.{confirmed}"
            )
        else:
            what = f"{plain(row['dimension'])} {plain(row['segment'])}"
            yield sentence(f"{name}, {what}: {words}") + confirmed


def _figure(value: float) -> str:
    return count(value) if value == round(value) else f"{value:,.1f}".replace("-", "\u2212")


# What the ledger counts, in the order of its weight: column, words after the number, probable cause.
_COUNTED = (
    ("duplicate_count", "repeated a key that stood there already; one of each was kept", "a join"),
    ("missing_count", "had no id and stayed out", "a query that reads other people too"),
    (
        "unknown_status_count",
        "had a status that is neither counted nor ignored, and stayed out",
        "a code that is new in the source system",
    ),
    ("invalid_count", "had an id of another form than expected", "another kind of id"),
    ("blank_count", "had no value in some dimension", "records that are not complete yet"),
    ("outside_count", "fell outside the term's dates and stayed out", "the term's dates"),
)


def _remarks(figures: DayFigures, settings: Settings) -> Iterator[str]:
    """What readers should know about the day's data, with the probable cause."""
    for term, problem in _problems(figures)[["term", "problem"]].to_numpy().tolist():
        yield f"{label_of(term, settings)} {_PROBLEMS.get(problem, problem)}."
    for _, row in figures.quality.iterrows():
        if pd.isna(row["term"]):
            yield (
                f"{_rows(row['row_count'])} of terms that are not configured stayed out; probable "
                "cause: a new term, which enrollment.yaml does not name."
            )
            continue
        name = label_of(row["term"], settings)
        if row["is_unchanged"] is True and row["usually_differs"] is True:
            yield (
                f"{name}: the same rows as on the business day before; probable cause: an old extract."
            )
        for column, words, cause in _COUNTED:
            if pd.notna(row[column]) and row[column] > 0:
                share = 100 * row[column] / max(row["row_count"], row[column])
                yield (
                    f"{name}: {_rows(row[column])} ({percent(share, 2)}) {words}; probable cause: "
                    f"{cause}."
                )
    earlier = figures.log[figures.log["date"] < pd.Timestamp(figures.day)]
    begun = figures.history.groupby("term")["date"].min()
    for term, found in earlier.groupby("term", sort=False):
        # No change covers days before the first snapshot.
        rows = found[~(found["date"] < begun.get(term, pd.NaT))]
        if rows.empty:
            continue
        dates = ", ".join(
            f"{span} ({word})"
            for span, word in sorted(
                (span, "missing" if problem == "missing" else "refused")
                for problem, those in rows.groupby("problem")
                for span in _spans(those["date"])
            )
        )
        yield (
            f"{label_of(str(term), settings)}: not accepted in the last two weeks: {dates}; the next "
            "day's changes cover more than one day."
        )


def _spans(dates: pd.Series[Any]) -> Iterator[str]:
    for first, last in as_ranges([date.date() for date in dates], gap_days=1):
        yield str(first) if first == last else f"{first} to {last}"


def _rows(number: Any) -> str:
    return "1 row" if number == 1 else f"{count(number)} rows"


def _scores(figures: DayFigures, settings: Settings) -> Iterator[ScoreRow]:
    """How the main term's forecasts that were issued turned out."""
    rows = figures.scorecard[figures.scorecard["term"] == figures.main.code]

    def known(value: Any, show: Any) -> str:
        return "none" if pd.isna(value) else str(show(value))

    for _, row in rows.iterrows():
        yield ScoreRow(
            horizon=days(int(row["horizon_days"])),
            n=count(row["n"]),
            mae=known(row["mae"], count),
            mape=known(row["mape"], percent),
            bias=known(row["bias"], signed),
            skill=known(row["skill_pct"], lambda value: percent(value, 0)),
            coverage=tuple(
                known(row[f"coverage_{level}"], lambda value: percent(value, 0))
                for level in settings.forecast.intervals
            ),
        )


def _no_scores(figures: DayFigures) -> str:
    if figures.forecast.empty:
        return "Forecasts were not looked at: insight was left out of this day's run."
    return f"No forecast of {label(figures.main)} has come due yet."
