"""Programs that lose students: a custom metric that is computed with pandas.

A program with at least `privacy.small_cell` students is at risk if its headcount fell by `FALL_PCT`
or more over four weeks, or if `DROP_PCT` or more of its students dropped in the last two, and these are
more than the institution lost. Both are terms' own figures: no other term is needed.
"""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from enrollment_assets.config import Settings
from enrollment_assets.custom_metrics import CustomMetric

if TYPE_CHECKING:
    import pandas as pd

# About what a registrar would ask a department about; small enough to be seen before the census.
FALL_PCT = 5.0
DROP_PCT = 3.0
FALL_DAYS = 28
DROP_DAYS = 14
# Where the day four weeks ago has no snapshot, one of the week before it serves.
GAP_DAYS = 7


def compute(
    frames: Mapping[str, "pd.DataFrame"], day: dt.date, settings: Settings
) -> "pd.DataFrame":
    """One row per term and program with enough students, now or four weeks ago."""
    import pandas as pd

    today = pd.Timestamp(day)
    segments = frames["segment_metrics"]
    programs = segments[segments["dimension"] == "program"].rename(columns={"segment": "program"})
    key = ["term", "program"]
    now = programs[programs["date"] == today].set_index(key)["total_enrollment"]

    then = programs[programs["date"] <= today - pd.Timedelta(days=FALL_DAYS)]
    # Every program of the term's last snapshot by then: one that was not there yet had nobody.
    then = then[then["date"] == then.groupby("term")["date"].transform("max")]
    before = then.set_index(key)["total_enrollment"]

    recent = today - pd.Timedelta(days=DROP_DAYS)
    drops = programs[programs["date"] > recent].groupby(key)["dropped_students"].sum()
    totals = frames["enrollment_metrics"]
    lost = totals[totals["date"] > recent].groupby("term")["dropped_students"].sum()
    everybody = totals[totals["date"] == today].set_index("term")["total_enrollment"]

    rows = pd.DataFrame({"headcount": now})
    rows["headcount_before"] = before.reindex(rows.index)
    rows["dropped_students"] = drops.reindex(rows.index)
    rows = rows[rows[["headcount", "headcount_before"]].max(axis=1) >= settings.privacy.small_cell]
    term = rows.index.get_level_values("term")
    # Those who dropped were in it: they belong into the base, which cannot be 0 then.
    rows["drop_pct"] = _percent(rows["dropped_students"], rows["headcount"])
    rows["institution_drop_pct"] = _percent(lost, everybody).reindex(term).to_numpy()
    change = rows["headcount"] - rows["headcount_before"]
    rows["change_pct"] = 100 * change / rows["headcount_before"].where(lambda count: count > 0)
    fell = rows["change_pct"] <= -FALL_PCT
    drops_stand_out = (rows["drop_pct"] >= DROP_PCT) & (
        rows["drop_pct"] > rows["institution_drop_pct"]
    )
    rows["is_at_risk"] = fell | drops_stand_out
    return rows.reset_index()


def _percent(dropped: "pd.Series[float]", left: "pd.Series[float]") -> "pd.Series[float]":
    return 100 * dropped / (dropped + left).where(lambda count: count > 0)


METRIC = CustomMetric(
    name="programs_at_risk",
    grain="one row per day, term and program with at least privacy.small_cell students",
    description="Programs that lose students: headcount down by 5 percent or more over four weeks, or "
    "3 percent or more dropped in the last two and more than the institution lost.",
    columns={
        "date": "DATE - Day of the snapshot",
        "term": "VARCHAR - Code of the term",
        "program": "VARCHAR - Name of the program",
        "headcount": "BIGINT - Students in the program",
        "headcount_before": "BIGINT - The same four weeks ago; empty if there was no snapshot by then",
        "change_pct": "DOUBLE - Change since then, percent",
        "dropped_students": "BIGINT - Students of the program who dropped in the last two weeks",
        "drop_pct": "DOUBLE - These in percent of those who were in it",
        "institution_drop_pct": "DOUBLE - The same for the whole term",
        "is_at_risk": "BOOLEAN - Fell, or drops stand out",
    },
    key=("date", "term", "program"),
    checks={"risk_is_told": "is_at_risk IS NOT NULL"},
    depends_on=("segment_metrics", "enrollment_metrics"),
    lookback_days=FALL_DAYS + GAP_DAYS,
    compute=compute,
)
