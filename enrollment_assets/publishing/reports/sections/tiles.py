"""Six figures of a term, by its phase, each beside the same point of the prior term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings, Term
from enrollment_assets.config.sections import LEAST_HORIZON
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import (
    NOT_AVAILABLE,
    PriorTerm,
    change_text,
    count,
    days,
    label,
    percent,
    plain,
    prior_term,
    signed,
    signed_percent,
    signed_points,
)
from enrollment_assets.publishing.reports.sections.forecasts import record
from enrollment_assets.publishing.reports.target import target_path
from enrollment_assets.publishing.reports.texts import SKIPPED, Tile
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# The level of the range that tiles show.
_LEVEL = 80


def tiles(figures: DayFigures, settings: Settings) -> tuple[Tile, ...]:
    """Until its census: headcount, changes, pace and the census forecast of the main term.

    After it: headcount, change, continuation, the official count, the term's end and the next term.
    """
    now, then = figures.latest(figures.main), figures.at_same_point(figures.main)
    prior = _prior(figures, settings)
    students = plain(settings.vocabulary.students)

    def compared(column: str) -> str:
        if then is None or prior is None or pd.isna(then["baseline_date"]):
            return ""
        if now[column] == then[column]:
            return f"same as {prior.name} ({count(then[column])})"
        difference = signed(now[column] - then[column])
        return f"{difference} vs. {count(then[column])} at {prior.this_point}"

    def changed(name: str, column: str, show: Any) -> Tile:
        if pd.isna(now["baseline_date"]):
            return Tile(name, NOT_AVAILABLE, "first snapshot")
        return Tile(name, show(now[column]), compared(column))

    headcount = Tile("Headcount", count(now["total_enrollment"]), _headcount_note(figures, prior))
    net = changed("Net change", "net_change", signed)
    if figures.day < figures.main.census:
        return (
            headcount,
            net,
            changed(f"New {students}", "new_students", count),
            changed(f"Dropped {students}", "dropped_students", count),
            _pace(figures, prior),
            _census(figures, settings, prior),
        )
    return (
        headcount,
        _with_flows(net, now),
        _continuation(figures, settings, prior),
        _census(figures, settings, prior),
        _end_of_term(figures, settings),
        _next_term(figures, settings),
    )


def _with_flows(net: Tile, now: pd.Series) -> Tile:
    """The net change, with the adds and drops that it is made of."""
    if net.value == NOT_AVAILABLE:
        return net
    flows = f"{count(now['new_students'])} added, {count(now['dropped_students'])} dropped"
    return Tile(net.label, net.value, "; ".join(filter(None, (flows, net.note))))


def _pace(figures: DayFigures, prior: PriorTerm | None) -> Tile:
    """How far ahead of the prior term, and how far that one had come by this point."""
    past = figures.comparison(figures.main)
    if past is None or prior is None or pd.isna(past["change_pct"]):
        return Tile("Pace", NOT_AVAILABLE, "nothing to compare with")
    note = f"vs. {prior.this_point}"
    if pd.notna(past["comparison_census"]) and past["comparison_census"]:
        reached = 100 * past["comparison_total"] / past["comparison_census"]
        note += f", when it had {percent(reached)} of its census count"
    return Tile("Pace", signed_percent(past["change_pct"]), note)


def _end_of_term(figures: DayFigures, settings: Settings) -> Tile:
    """The forecast of the term's last day, or of the last day that forecasts reach."""
    main = figures.main
    rows = figures.forecast_of(main)
    rows = rows[rows["target_date"] == pd.Timestamp(main.ends)]
    if rows.empty:
        return Tile(
            "End-of-term forecast", NOT_AVAILABLE, _why_no_forecast(figures, main, settings)
        )
    row = rows.iloc[0]
    note = f"on {main.ends}; {_range(figures, row)}"
    return Tile("End-of-term forecast", count(row["forecast"]), note)


def _range(figures: DayFigures, row: pd.Series) -> str:
    """The forecast's range, and how often it held where that is clearly less than it says."""
    held = record(figures, _LEVEL)
    words = f"{_LEVEL}% range {count(row['lower_80'])} to {count(row['upper_80'])}"
    return f"{words} ({held})" if held else words


def _next_term(figures: DayFigures, settings: Settings) -> Tile:
    """The headcount of the next term that is open, or when its registration opens."""
    later = [
        term for term in settings.terms if term.starts > figures.main.starts and term.parent is None
    ]
    if not later:
        return Tile("Next term", NOT_AVAILABLE, "none is configured")
    term = min(later, key=lambda one: one.starts)
    name = label(term)
    if term not in figures.terms:
        opens = f"registration opens on {term.registration_opens}"
        return Tile("Next term", NOT_AVAILABLE, f"{name}: {opens}")
    now, past = figures.latest(term), figures.comparison(term)
    note = name
    if past is not None and pd.notna(past["change_pct"]):
        change = change_text(past["change"], past["change_pct"])
        note += (
            f"; {change} vs. {count(past['comparison_total'])} on {past['comparison_date'].date()}"
        )
    return Tile("Next term", count(now["total_enrollment"]), note)


def _prior(figures: DayFigures, settings: Settings) -> PriorTerm | None:
    past = figures.comparison(figures.main)
    if past is None:
        return None
    return prior_term(figures.main, past["comparison_term"], settings)


def _headcount_note(figures: DayFigures, prior: PriorTerm | None) -> str:
    past = figures.comparison(figures.main)
    if past is None or prior is None:
        return ""
    change = change_text(past["change"], past["change_pct"])
    return f"{change} vs. {count(past['comparison_total'])} at {prior.this_point}"


def _continuation(figures: DayFigures, settings: Settings, prior: PriorTerm | None) -> Tile:
    """The share of the census cohort that is still enrolled."""
    since_census = figures.continuation_of(figures.main.code)
    if since_census.empty:
        return Tile("Continuation", NOT_AVAILABLE, "without a census snapshot")
    value = since_census["continuation_pct"].iloc[-1]
    path = target_path(figures, settings, figures.main)
    by_now = path[min(int(since_census["days_since_census"].iloc[-1]), len(path) - 1)]
    note = (
        f"of the census cohort; the target of {settings.reports.continuation_target:g}% at the end "
        f"asks for {percent(by_now)} by now"
    )
    past = figures.comparison(figures.main)
    if past is not None and prior is not None:
        rows = figures.continuation_of(past["comparison_term"])
        rows = rows[rows["date"] <= past["comparison_date"]]
        if len(rows):
            note += f"; {_points(value - rows['continuation_pct'].iloc[-1], prior)}"
    return Tile("Continuation", percent(value), note)


def _points(difference: float, prior: PriorTerm) -> str:
    if round(difference, 1) == 0:
        return f"same as {prior.name}"
    return f"{signed_points(difference)} vs. {prior.this_point}"


def _census(figures: DayFigures, settings: Settings, prior: PriorTerm | None) -> Tile:
    """The official count, the forecast of it, or why there is none."""
    main, past = figures.main, figures.comparison(figures.main)
    before = None if past is None else past["comparison_census"]

    def compared(value: Any) -> str:
        if prior is None or before is None or pd.isna(before):
            return ""
        return f"; {signed(value - before)} vs. {count(before)} at {prior.census}"

    if main.census <= figures.day:
        official, counted = figures.official(main), figures.at_census(main)
        if official is not None:
            note = (
                f"frozen on {official.day}{_live_note(figures, main)}{compared(official.students)}"
            )
            return Tile("Census headcount", count(official.students), note)
        if counted is None:
            note = f"no snapshot on or before {main.census}"
            return Tile("Census headcount", NOT_AVAILABLE, note)
        total, date = counted["total_enrollment"], counted["date"].date()
        note = f"provisional, as of {date}: the census of {main.census} is not frozen"
        return Tile("Census headcount", count(total), f"{note}{compared(total)}")
    row = figures.census_forecast(main)
    if row is None:
        return Tile("Census forecast", NOT_AVAILABLE, _why_no_forecast(figures, main, settings))
    note = _range(figures, row) + compared(row["forecast"])
    return Tile("Census forecast", count(row["forecast"]), note)


def _live_note(figures: DayFigures, term: Term) -> str:
    """What the corrected snapshot of the census says, where it is another figure."""
    official = figures.official(term)
    live = figures.live(term, official.day) if official else None
    if official is None or live in (None, official.students):
        return ""
    return f"; {count(live)} by later corrections"


def _why_no_forecast(figures: DayFigures, term: Term, settings: Settings) -> str:
    rows = figures.forecast[figures.forecast["term"] == term.code]
    if rows.empty:
        return f"not computed: {SKIPPED}"
    reasons = rows.loc[rows["forecast"].isna(), "note"].dropna()
    if len(reasons):
        return plain(reasons.iloc[0]).removeprefix("no forecast: ")
    target, date = ("census", term.census)
    if term.census <= figures.day:
        target, date = "the end", term.ends
    return (
        f"{target} is {days((date - figures.day).days)} away; forecasts reach "
        f"{days(settings.forecast.horizon_days or LEAST_HORIZON)}"
    )
