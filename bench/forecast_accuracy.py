"""How far off forecasts of a real term are: October 2014 of the Open University, 2013 known or hidden.

Headcounts in people. Origins from 90 days before the term starts to 35 days after, every 5 days; each
forecast uses what was known on its day, with the fit of its week, as the platform does.

Usage: python bench/forecast_accuracy.py FOLDER_OF_THE_DATA_SET
"""

import argparse
import datetime as dt
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from enrollment_assets.analytics import curves as term_curves
from enrollment_assets.analytics import forecasts
from enrollment_assets.config import Settings, load_settings

EXAMPLE = Path(__file__).parents[1] / "examples" / "open_university" / "enrollment.yaml"
ORIGINS = range(-90, 36, 5)
SHOWN = (7, 14, 30, 60, 90)
NEVER = 10**6


def headcounts(data: Path, settings: Settings) -> dict[str, term_curves.Curve]:
    """The curve of each term, counted in people."""
    name = "studentRegistration.csv"
    path = data / name if (data / name).exists() else data / f"{name}.gz"
    seats = pd.read_csv(path).dropna(subset=["date_registration"])
    totals = {}
    for term in settings.terms:
        rows = seats[seats["code_presentation"] == term.code]
        begins = rows["date_registration"].to_numpy(dtype=int)
        ends = rows["date_unregistration"].fillna(NEVER).to_numpy(dtype=int)
        students = rows["id_student"].to_numpy()
        span = range(
            (term.registration_opens - term.starts).days, (term.ends - term.starts).days + 1
        )
        counts = [len(np.unique(students[(begins <= day) & (ends > day)])) for day in span]
        days = np.array([np.datetime64(term.starts) + day for day in span])
        there = np.array(counts) > 0
        totals[term.code] = (days[there], np.array(counts, dtype=float)[there])
    return term_curves.read_curves(settings, totals)


def errors_of(
    settings: Settings, known: dict[str, term_curves.Curve], method: str | None
) -> pd.DataFrame:
    """Errors and hits of the 80 % and 95 % interval, one row per origin and horizon."""
    term = settings.term("2014J")
    truth = known["2014J"]
    rows = []
    for day in ORIGINS:
        as_of = term.starts + dt.timedelta(day)
        history = term_curves.history_of(settings, known, term, as_of)
        if history is None:
            sys.exit(f"{as_of} has no headcount; is this the data set?")
        grid = term.starts + dt.timedelta(forecasts.fit_day(history))
        early = term_curves.history_of(settings, known, term, grid) or history
        tried = term.starts + dt.timedelta(forecasts.trial_day(history))
        before = term_curves.history_of(settings, known, term, tried)
        fit = forecasts.fit(
            early, 90, (80, 95), forecasts.try_models(before, 90) if before else None
        )
        if isinstance(fit, forecasts.Refusal):
            sys.exit(fit.words)
        if method:
            path = forecasts.model_path(early, 90 + 7) if method == forecasts.MODELS else None
            fit = replace(fit, methods=(method,) * 90, path=path)
        found = forecasts.predict(fit, history)
        observed = truth.at(day + found.horizons)
        for index, horizon in enumerate(found.horizons):
            rows.append(
                {
                    "origin": day,
                    "horizon": int(horizon),
                    "method": found.methods[index],
                    "error": found.expected[index] - observed[index],
                    "score": interval_score(
                        found.lower[80][index], found.upper[80][index], observed[index], 80
                    ),
                    **{
                        f"hit_{level}": found.lower[level][index]
                        <= observed[index]
                        <= found.upper[level][index]
                        for level in (80, 95)
                        if not np.isnan(found.upper[level][index])
                    },
                }
            )
    return pd.DataFrame(rows)


def interval_score(lower: float, upper: float, observed: float, level: int) -> float:
    """Width, and the distance of what it missed times 2 / alpha (Gneiting and Raftery, 2007)."""
    missed = max(lower - observed, 0.0, observed - upper)
    return upper - lower + 2 / (1 - level / 100) * missed


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    settings = load_settings(EXAMPLE)
    known = headcounts(options.data, settings)
    hidden = {"2014J": known["2014J"]}
    for words, curves, methods in (
        ("2013 known", known, (None, "last_value", "drift", *term_curves.WITH_EARLIER)),
        ("2013 hidden", hidden, (None, "last_value", "drift", forecasts.MODELS)),
    ):
        print(f"\n{words}: mean absolute error in people\n")
        print("| method | " + " | ".join(f"{h} days" for h in SHOWN) + " |")
        print("|---" * (len(SHOWN) + 1) + "|")
        for method in methods:
            began = time.perf_counter()
            rows = errors_of(settings, curves, method)
            took = time.perf_counter() - began
            by_horizon = rows.groupby("horizon")["error"].apply(lambda e: e.abs().mean())
            figures = " | ".join(f"{by_horizon[h]:.0f}" for h in SHOWN)
            print(f"| {method or 'chosen by back-test'} | {figures} |")
            if method is None:
                chosen = rows
                seconds = took
        print(
            f"\n{len(ORIGINS)} forecasts, each with its fit: {seconds:.1f} s. Coverage in percent:\n"
        )
        print("| interval | all | " + " | ".join(f"{h} days" for h in SHOWN) + " |")
        print("|---" * (len(SHOWN) + 2) + "|")
        for level in (80, 95):
            hits = chosen[f"hit_{level}"].dropna().astype(float) * 100
            by_horizon = hits.groupby(chosen["horizon"]).mean()
            figures = " | ".join(f"{by_horizon[h]:.0f}" for h in SHOWN)
            print(f"| {level} % | {hits.mean():.0f} | {figures} |")
        print(f"\nInterval score of the 80% interval: {chosen['score'].mean():.0f}")


if __name__ == "__main__":
    main()
