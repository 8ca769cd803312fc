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
    key = ["term", "segment"]
    programs = frames["segment_metrics"]
    programs = programs[programs["dimension"] == "program"]
    totals = frames["enrollment_metrics"]
    now = programs[programs["date"] == today].set_index(key)
    if now.empty:
        return pd.DataFrame()

    earlier = programs[programs["date"] <= today - pd.Timedelta(days=FALL_DAYS)]
    # Its last figure by then: that of the day four weeks ago, or of the last snapshot before.
    before = earlier.drop_duplicates(key, keep="last").set_index(key)["total_enrollment"]

    since = today - pd.Timedelta(days=DROP_DAYS)
    drops = programs[programs["date"] > since].groupby(key)["dropped_students"].sum()
    lost = totals[totals["date"] > since].groupby("term")["dropped_students"].sum()
    left = totals[totals["date"] == today].set_index("term")["total_enrollment"]

    rows = pd.DataFrame(
        {
            "headcount": now["total_enrollment"],
            "headcount_before": before.reindex(now.index),
            "dropped_students": drops.reindex(now.index),
        }
    )
    rows = rows[rows[["headcount", "headcount_before"]].max(axis=1) >= settings.privacy.small_cell]
    # Who dropped was in it before; of nobody there is no percentage.
    rows["drop_pct"] = (
        100 * rows["dropped_students"] / (rows["dropped_students"] + rows["headcount"])
    )
    institution = (100 * lost / (lost + left)).reindex(rows.index.get_level_values("term"))
    rows["institution_drop_pct"] = institution.to_numpy()
    rows["change_pct"] = 100 * (rows["headcount"] / rows["headcount_before"] - 1)
    fell = rows["change_pct"] <= -FALL_PCT
    stands_out = rows["drop_pct"] > rows["institution_drop_pct"]
    rows["is_at_risk"] = fell | ((rows["drop_pct"] >= DROP_PCT) & stands_out)
    return rows.reset_index(names=["term", "program"])


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
