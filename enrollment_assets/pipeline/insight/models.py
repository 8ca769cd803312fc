"""Feeds the models of `analytics` with the warehouse's figures, and makes frames of their results.

Each function takes a connection, the settings and consecutive days, and gives the rows of its table for
these days. The rows of a day use nothing from after it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from enrollment_assets.analytics import curves as term_curves
from enrollment_assets.analytics import forecasts
from enrollment_assets.analytics.anomalies import detect
from enrollment_assets.analytics.backtests import HORIZONS
from enrollment_assets.analytics.curves import Curve, History
from enrollment_assets.analytics.disclosure import Cell, Place, withhold
from enrollment_assets.analytics.forecasts import Fit, Refusal, Trial
from enrollment_assets.analytics.scores import Score, daily_change, independent, score_of
from enrollment_assets.config import Settings, Term
from enrollment_assets.config.sections import LEAST_HORIZON, MOST_HORIZON
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.table import BLANK_SEGMENT
from enrollment_assets.support.lazy import lazy
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from enrollment_assets.analytics.curves import FloatArray
else:
    np = lazy("numpy")


ISSUED = "issued"


def _read(connection: duckdb.DuckDBPyConnection, query: str, binds: Mapping[str, Any]) -> Any:
    with plain_errors("Reading the figures"):
        return connection.execute(query, dict(binds))


def read_curves(
    connection: duckdb.DuckDBPyConnection, settings: Settings, last: dt.date
) -> dict[str, Curve]:
    """The headcount curve of each term, up to a day."""
    arrays = _read(
        connection,
        statement("headcounts", settings),
        {"last": last},
    ).fetchnumpy()
    terms = np.asarray(arrays["term"], dtype=object)
    days = arrays["date"].astype("datetime64[D]")
    totals = {
        code: (days[terms == code], np.asarray(arrays["total"])[terms == code])
        for code in np.unique(terms.astype(str))
    }
    return term_curves.read_curves(settings, totals)


def anomalies(
    connection: duckdb.DuckDBPyConnection, settings: Settings, days: Sequence[dt.date]
) -> pd.DataFrame:
    """The rows of `enrollment_anomalies`."""
    tested = [
        term
        for term in settings.terms
        if term.registration_opens <= days[-1] and term.ends >= days[0]
    ]
    needed = {code for term in tested for code in _with_earlier(settings, term)}
    binds = {"terms": sorted(needed), "last": days[-1]}
    metrics = _read(connection, statement("anomaly_metrics", settings), binds).df()
    segments = _read(connection, statement("anomaly_segments", settings), binds).df()
    known = _read(
        connection, "SELECT date, term FROM operations.acknowledged_anomalies", {}
    ).fetchall()
    return detect(metrics, segments, days, settings, set(known))


def disclosures(
    connection: duckdb.DuckDBPyConnection, settings: Settings, days: Sequence[dt.date]
) -> pd.DataFrame:
    """The rows of `segment_disclosure`: each day on its own, from that day's snapshot alone."""
    import pandas as pd

    small_cell = settings.privacy.small_cell
    span = {"first": days[0], "last": days[-1]}
    counts: dict[tuple[dt.date, str], dict[Cell, int]] = {}
    for day, term, dimension, segment, count in _read(
        connection, statement("disclosure_counts", settings), span
    ).fetchall():
        counts.setdefault((day, term), {})[(dimension, segment)] = count
    places: dict[tuple[dt.date, str], list[Place]] = {}
    binds = {**span, "small_cell": small_cell, "blank_segment": BLANK_SEGMENT}
    for day, term, dimension, segment, other, segments in _read(
        connection, statement("disclosure_places", settings), binds
    ).fetchall():
        places.setdefault((day, term), []).append(((dimension, segment), other, segments))
    rows = []
    for key, cells in counts.items():
        withheld = withhold(cells, places.get(key, []), small_cell)
        rows += [(*key, *cell, count, withheld.get(cell)) for cell, count in cells.items()]
    return pd.DataFrame(rows, columns=list(tables(settings)["segment_disclosure"].column_names))


def acknowledge(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[dt.date],
    term: str,
    reason: str,
    by: str,
) -> None:
    """Note that a person can explain a term's anomalies on these days; models ignore the days.

    Raises:
        ConfigurationError: without a reason or a name, or if there is no anomaly to acknowledge.
    """
    if not (reason.strip() and by.strip()):
        raise ConfigurationError(
            "To acknowledge an anomaly, say why (reason) and who says so (by)."
        )
    binds = {"term": term, "days": list(days)}
    anomalies_of_day = _read(
        connection,
        "SELECT DISTINCT date FROM enrollment.enrollment_anomalies "
        "WHERE is_anomaly AND term = $term AND list_contains($days::DATE[], date)",
        binds,
    ).fetchall()
    if not anomalies_of_day:
        raise ConfigurationError(
            f"{term} has no anomaly on {days[0]} to acknowledge; enrollment.enrollment_anomalies lists "
            "them."
        )
    with plain_errors("Writing the ledger"):
        connection.executemany(
            "INSERT INTO operations.acknowledged_anomalies VALUES (?, ?, ?, ?, now())",
            [[day, term, reason.strip(), by.strip()] for (day,) in anomalies_of_day],
        )


def _with_earlier(settings: Settings, term: Term) -> list[str]:
    return [term.code, *(past.code for past in settings.earlier_terms(term))]


def _horizon(settings: Settings, history: History) -> int:
    """How many days a fit reaches: by default to the census, since budgets are made before it."""
    to_census = (history.term.census - history.as_of).days
    return settings.forecast.horizon_days or min(max(LEAST_HORIZON, to_census), MOST_HORIZON)


class Forecasts:
    """The forecasts of a run's days and their scorecard; a week's fit is made once for both."""

    def __init__(self) -> None:
        self._fits: dict[tuple[str, dt.date], Fit | Refusal] = {}
        self._trials: dict[tuple[str, dt.date], Trial | None] = {}

    def forecast(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, days: Sequence[dt.date]
    ) -> pd.DataFrame:
        """The rows of `enrollment_forecast`."""
        import pandas as pd

        curves = read_curves(connection, settings, days[-1])
        parts = []
        for day in days:
            for term in settings.open_terms(day):
                history = term_curves.history_of(settings, curves, term, day)
                if history is not None:
                    parts.append(self._of_day(settings, curves, history))
        columns = tables(settings)["enrollment_forecast"].column_names
        if not parts:
            return pd.DataFrame(columns=list(columns))
        joined = {name: np.concatenate([part[name] for part in parts]) for name in columns}
        return pd.DataFrame(joined)

    def _of_day(
        self, settings: Settings, curves: Mapping[str, Curve], history: History
    ) -> dict[str, Any]:
        levels = settings.forecast.intervals
        left_out = "; ".join(history.left_out) or None
        fit = self.fit_of(settings, curves, history)
        if isinstance(fit, forecasts.Refusal):
            return {
                "as_of": np.array([history.as_of], dtype="datetime64[D]"),
                "term": np.array([history.term.code], dtype=object),
                "target_date": np.array(["NaT"], dtype="datetime64[D]"),
                "horizon_days": np.array([np.nan]),
                "method": np.array([forecasts.NO_METHOD], dtype=object),
                "forecast": np.array([np.nan]),
                **{
                    f"{side}_{level}": np.array([np.nan])
                    for level in levels
                    for side in ("lower", "upper")
                },
                "note": np.array([fit.words], dtype=object),
                "left_out": np.array([left_out], dtype=object),
            }
        forecast = forecasts.predict(fit, history)
        count = len(forecast.horizons)
        targets = np.datetime64(history.as_of) + forecast.horizons
        notes = np.full(count, None, dtype=object)
        notes[targets == np.datetime64(history.term.census)] = "census"
        notes[targets == np.datetime64(history.term.starts)] = "start of the term"
        return {
            "as_of": np.full(count, np.datetime64(history.as_of), dtype="datetime64[D]"),
            "term": np.full(count, history.term.code, dtype=object),
            "target_date": targets.astype("datetime64[D]"),
            "horizon_days": forecast.horizons.astype(float),
            "method": np.array(forecast.methods, dtype=object),
            "forecast": forecast.expected,
            **{f"lower_{level}": forecast.lower[level] for level in levels},
            **{f"upper_{level}": forecast.upper[level] for level in levels},
            "note": notes,
            "left_out": np.full(count, left_out, dtype=object),
        }

    def fit_of(
        self, settings: Settings, curves: Mapping[str, Curve], history: History
    ) -> Fit | Refusal:
        """The fit of a day's week, or why there is no forecast of the day."""
        refusal = forecasts.why_not(history)
        if refusal:
            return refusal
        day = history.as_of - dt.timedelta(history.today - forecasts.fit_day(history))
        key = (history.term.code, day)
        if key not in self._fits:
            # The grid may fall on a day without a snapshot: the last one before was known then.
            then = term_curves.history_of(settings, curves, history.term, day, is_gap_allowed=True)
            self._fits[key] = (
                forecasts.Refusal("no forecast: no snapshot before the week's fit")
                if then is None
                else forecasts.fit(
                    then,
                    _horizon(settings, then),
                    settings.forecast.intervals,
                    self._trial_of(settings, curves, history),
                )
            )
        return self._fits[key]

    def _trial_of(
        self, settings: Settings, curves: Mapping[str, Curve], history: History
    ) -> Trial | None:
        """How the models of a term without earlier ones did when they were tried last."""
        if history.earlier:
            return None
        day = history.as_of - dt.timedelta(history.today - forecasts.trial_day(history))
        key = (history.term.code, day)
        if key not in self._trials:
            then = term_curves.history_of(settings, curves, history.term, day, is_gap_allowed=True)
            self._trials[key] = (
                forecasts.try_models(then, _horizon(settings, then)) if then else None
            )
        return self._trials[key]

    def scorecard(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, days: Sequence[dt.date]
    ) -> pd.DataFrame:
        """The rows of `forecast_scorecard`: the back-tests of each day's fit, and what was issued."""
        import pandas as pd

        levels = settings.forecast.intervals
        curves = read_curves(connection, settings, days[-1])
        rows = []
        for term in settings.terms:
            open_days = [day for day in days if term.is_open(day) and term.code in curves]
            issued = (
                _Issued(connection, settings, term, curves[term.code], days[-1])
                if open_days
                else None
            )
            for day in open_days:
                history = term_curves.history_of(settings, curves, term, day)
                if history is None or issued is None:
                    continue
                fit = self.fit_of(settings, curves, history)
                scores = () if isinstance(fit, forecasts.Refusal) else fit.scores
                rows += [
                    (
                        *(day, term.code, score.method, score.horizon, score.n),
                        *(
                            score.independent,
                            score.mae,
                            score.mape,
                            score.mase,
                            score.bias,
                            score.skill,
                        ),
                        *(score.coverage.get(level, np.nan) for level in levels),
                        score.is_chosen,
                    )
                    for score in (*scores, *issued.scores(history, levels))
                ]
        return pd.DataFrame(rows, columns=list(tables(settings)["forecast_scorecard"].column_names))


class _Issued:
    """A term's forecasts at the scored horizons whose target day has a snapshot."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        term: Term,
        curve: Curve,
        last: dt.date,
    ) -> None:
        arrays = _read(
            connection,
            statement("forecast_outcomes", settings),
            {"term": term.code, "last": last, "horizons": list(HORIZONS)},
        ).fetchnumpy()
        self._targets = arrays["target_date"].astype("datetime64[D]")
        self._days = self._targets.astype(np.int64)
        self._arrays: dict[str, FloatArray] = {
            name: np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
            for name, values in arrays.items()
            if name not in ("target_date", "as_of")
        }

    def scores(self, history: History, levels: Sequence[int]) -> list[Score]:
        """How those did whose day has come."""
        count = int(np.searchsorted(self._targets, np.datetime64(history.as_of), side="right"))
        arrays = {name: values[:count] for name, values in self._arrays.items()}
        change = daily_change(history.now)
        scores = []
        for horizon in HORIZONS:
            rows = arrays["horizon_days"] == horizon
            if not rows.any():
                continue
            observed = arrays["observed"][rows]
            figures = score_of(
                arrays["forecast"][rows] - observed,
                observed,
                arrays["naive"][rows] - observed,
                change,
            )
            scores.append(
                Score(
                    ISSUED,
                    horizon,
                    *figures,
                    independent=independent(self._days[:count][rows], horizon),
                    coverage={level: _coverage(arrays, rows, level) for level in levels},
                )
            )
        return scores


def _coverage(arrays: Mapping[str, FloatArray], rows: Any, level: int) -> float:
    lower, upper = arrays[f"lower_{level}"][rows], arrays[f"upper_{level}"][rows]
    observed = arrays["observed"][rows]
    known = ~np.isnan(lower)
    inside = (lower[known] <= observed[known]) & (observed[known] <= upper[known])
    return float(inside.mean() * 100) if known.any() else float("nan")
