"""The main term in one line and in three sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import (
    count,
    days,
    label,
    label_of,
    noise_text,
    percent,
    plain,
    prior_term,
    sentence,
    signed,
)
from enrollment_assets.publishing.reports.sections.anomalies import NOT_CHECKED, main_totals
from enrollment_assets.publishing.reports.sections.status import why_not_compared
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def headline(figures: DayFigures, settings: Settings) -> str:
    """Headcount, change and pace of the main term in one line."""
    now, past = figures.latest(figures.main), figures.comparison(figures.main)
    students = plain(settings.vocabulary.students)
    text = f"{label(figures.main)}: {count(now['total_enrollment'])} {students}"
    if pd.notna(now["baseline_date"]):
        text += f", {_change(now)}"
    if past is not None and pd.notna(past["change_pct"]):
        prior = prior_term(figures.main, past["comparison_term"], settings)
        text += f", {_ahead_of(past['change_pct'])} {prior.this_point}"
    return text


def sentences(figures: DayFigures, settings: Settings) -> tuple[str, ...]:
    """The headcount, how it compares with the prior term, and whether the day is normal."""
    return _headcount(figures, settings), _pace(figures, settings), _normality(figures)


def main_note(figures: DayFigures, settings: Settings) -> str:
    """Why the report leads with this term."""
    main = figures.main
    name = label(main)
    if len(figures.terms) == 1:
        return f"{name} is the only term with a snapshot for this day."
    if settings.reports.lead_term == main.code:
        return f"This report leads with {name}, as configured."
    if figures.day < main.census:
        return f"This report leads with {name}, the largest open term before its census."
    return f"This report leads with {name}, the largest open term."


def _change(now: pd.Series) -> str:
    change = signed(now["net_change"]) if now["net_change"] else "unchanged"
    return f"{change} since {now['baseline_date'].date()}"


def _ahead_of(change_pct: float) -> str:
    if round(change_pct, 1) == 0:
        return "even with"
    return f"{percent(abs(change_pct))} {'ahead of' if change_pct > 0 else 'behind'}"


def _headcount(figures: DayFigures, settings: Settings) -> str:
    now, name = figures.latest(figures.main), label(figures.main)
    has = f"{name} has {count(now['total_enrollment'])} {plain(settings.vocabulary.students)}"
    if pd.isna(now["baseline_date"]):
        return f"{has}. This is its first snapshot, so there is no change to report yet."
    gap = int(now["days_since_baseline"])
    earlier = f" ({days(gap)} earlier)" if gap > 1 else ""
    return f"{has}, {_change(now)}{earlier}."


def _pace(figures: DayFigures, settings: Settings) -> str:
    past = figures.comparison(figures.main)
    if past is None:
        return f"There is nothing to compare it with: {why_not_compared(figures)}."
    name, date = label_of(past["comparison_term"], settings), past["comparison_date"].date()
    if pd.isna(past["change_pct"]):
        students = plain(settings.vocabulary.students)
        return f"{name} had no {students} at the same point ({date})."
    return (
        f"That is {_ahead_of(past['change_pct'])} {name}, which had {count(past['comparison_total'])} "
        f"at the same point ({date}).{noise_text(past)}"
    )


def _normality(figures: DayFigures) -> str:
    totals = main_totals(figures)
    if totals.empty:
        return NOT_CHECKED
    unusual = totals[totals["is_anomaly"]]
    if not unusual.empty:
        first = unusual.iloc[0]
        confirmed = ", confirmed" if first["is_confirmed"] else ""
        return f"Unusual day{confirmed}. {sentence(plain(first['explanation']))}"
    unknown = totals[totals["score"].isna()]
    if not unknown.empty:
        reasons = unknown["explanation"].dropna()
        reason = plain(reasons.iloc[0]).removeprefix("cannot be judged: ") if len(reasons) else ""
        return f"Whether the day is normal cannot be judged{f' ({reason})' if reason else ''}."
    of_main = figures.anomalies[figures.anomalies["term"] == figures.main.code]
    if of_main["is_anomaly"].any():
        return "The total is within the normal range, but a segment is not; see the anomalies."
    return "Today's adds and drops are within the normal range."
