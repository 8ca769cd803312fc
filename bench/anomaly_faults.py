"""How many planted faults the anomaly detector finds, and how often it cries for nothing.

Two sets of figures: the made-up university and, with --oulad, the Open University's real registrations.
The core runs over each once; then one fault at a time is planted into the figures of the newest term
that has started, on a random day (with replacement) on which it has at least 1,000 students and a
snapshot the day before and after. A fault takes k students of one day away and gives them back the next
day: k more are dropped and then added, in every dimension by drawing them from the segments without
replacement (one program: all k from it). Others' movement stays as it was. Nobody is known to be of two
programs at once: in the Open University's figures a missing module takes all its students out of the
headcount.

Found: the day is flagged for the total's net change or drops; in brackets: or for any segment.
A false alarm is a day without a fault on which any total is flagged, calendar events included. The
yardstick flags a net change outside mean +- 2 standard deviations of all earlier ones of the term.

Usage: python bench/anomaly_faults.py [--oulad FOLDER_OF_THE_DATA_SET] [--faults 100] [--seed 7]
"""

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from common import make_home, measure

from enrollment_assets.analytics import anomalies
from enrollment_assets.cli import example
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.pipeline.ingest.findings import Baseline, why_rejected

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = CHECKOUT / "examples"
LEAST_STUDENTS = 1_000
PER_DAYS = 160
KINDS = ("totals", "segments", "yardstick", "not_judged")
FAULTS = (
    "10 % of the students missing",
    "3 % of the students missing",
    "one program missing",
    "drop of 5 sigma, not on a Monday",
    "drop of 5 sigma on a Monday",
)


@dataclass(frozen=True)
class Figures:
    """What the core made of a data set."""

    name: str
    settings: Settings
    term: str
    metrics: pd.DataFrame
    segments: pd.DataFrame


def read(
    name: str,
    config: Path,
    build: Callable[[Settings, Path], object],
    last: dt.date | None,
    folder: Path,
) -> Figures:
    """Build the snapshots in the folder, run the core over them, and read its figures."""
    text = config.read_text(encoding="utf-8").replace("examples/university/snapshots", "snapshots")
    own = folder / "enrollment.yaml"
    own.write_text(text, encoding="utf-8")
    settings = load_settings(own)
    build(settings, folder / "snapshots")
    ended = last or settings.terms[-1].ends
    term = next(t for t in reversed(settings.terms) if t.comparison and t.starts <= ended)
    days = ["--from", str(settings.start_date), "--to", str(ended)]
    enrollment = str(Path(sys.executable).with_name("enrollment"))
    environment = {"ENROLLMENT_CONFIG": str(own), "DAGSTER_HOME": str(make_home(folder))}
    measure([enrollment, "backfill", "--only", "core", *days], **environment)
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        metrics, segments = (
            connection.execute(f"SELECT * FROM enrollment.{table}").df()
            for table in ("enrollment_metrics", "segment_metrics")
        )
    return Figures(name, settings, term.code, metrics, segments)


def taken(
    rows: pd.DataFrame, count: int, program: str | None, random: np.random.Generator
) -> "pd.Series[int]":
    """How many students of each of the day's segments are among the `count` that are missing."""
    parts = []
    for dimension, group in rows.groupby("dimension"):
        size = group["total_enrollment"].to_numpy()
        if dimension == "program" and program is not None:
            drawn = np.where(group["segment"] == program, size, 0)
        else:
            drawn = random.multivariate_hypergeometric(size, min(count, int(size.sum())))
        parts.append(pd.Series(drawn, index=group.index))
    return pd.concat(parts)


def planted(
    figures: Figures, day: dt.date, after: dt.date, parts: "pd.Series[int]", count: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The figures with `count` students missing on a day and back on the next snapshot."""
    metrics, segments = figures.metrics.copy(), figures.segments.copy()
    for date, away in ((day, True), (after, False)):
        at = (metrics["term"] == figures.term) & (metrics["date"] == pd.Timestamp(date))
        metrics.loc[at, "dropped_students" if away else "new_students"] += count
        metrics.loc[at, "net_change"] += -count if away else count
        if away:
            metrics.loc[at, "total_enrollment"] -= count
        else:
            metrics.loc[at, "returning_students"] += count
        there = segments.loc[
            (segments["term"] == figures.term) & (segments["date"] == pd.Timestamp(date)),
            ["dimension", "segment"],
        ]
        keys = figures.segments.loc[parts.index, ["dimension", "segment"]].assign(n=parts)
        moved = there.reset_index().merge(keys, how="left").set_index("index")["n"].fillna(0)
        moved = moved.astype(int)
        segments.loc[moved.index, "dropped_students" if away else "new_students"] += moved
        segments.loc[moved.index, "net_change"] += -moved if away else moved
        if away:
            segments.loc[moved.index, "total_enrollment"] -= moved
    return metrics, segments


def outside_two_sigma(net: "pd.Series[int]", observed: float) -> bool:
    """The yardstick, given all earlier net changes of the term."""
    return len(net) > 1 and abs(observed - net.mean()) > 2 * net.std()


@dataclass
class Shares:
    """Of so many faults, how many were found by the totals, by anything, and by the yardstick."""

    faults: int = 0
    totals: int = 0
    anything: int = 0
    yardstick: int = 0


def measure_faults(figures: Figures, count: int, seed: int) -> dict[str, Shares]:
    """Plant them one by one."""
    random = np.random.default_rng(seed)
    rows = figures.metrics[figures.metrics["term"] == figures.term].sort_values("date")
    rows = rows.reset_index(drop=True)
    next_to = rows["days_since_baseline"].eq(1) & rows["days_since_baseline"].shift(-1).eq(1)
    eligible = rows.index[next_to & (rows["total_enrollment"] >= LEAST_STUDENTS)]
    monday = rows.loc[eligible, "date"].dt.weekday.eq(0)
    weekday = rows.loc[eligible, "date"].dt.weekday.between(1, 4)
    found = {fault: Shares() for fault in FAULTS}
    for fault in FAULTS:
        choice = eligible
        if "sigma" in fault:
            choice = eligible[weekday] if "not on" in fault else eligible[monday]
        for at in random.choice(choice, count).tolist():
            row, past = rows.loc[at], rows.loc[1 : at - 1, "net_change"]
            day, after = row["date"].date(), rows.loc[at + 1, "date"].date()
            of_day = figures.segments[
                (figures.segments["term"] == figures.term)
                & (figures.segments["date"] == row["date"])
                & (figures.segments["total_enrollment"] > 0)
            ]
            program = None
            if "sigma" in fault:
                missing = round(5 * past.std())
            elif "program" in fault:
                programs = of_day[of_day["dimension"] == "program"]
                programs = programs[programs["total_enrollment"] >= 10]
                chosen = programs.iloc[int(random.integers(len(programs)))]
                program, missing = str(chosen["segment"]), int(chosen["total_enrollment"])
            else:
                missing = round(row["total_enrollment"] * int(fault.split()[0]) / 100)
            missing = min(missing, int(row["total_enrollment"]))
            parts = taken(of_day, missing, program, random)
            metrics, segments = planted(figures, day, after, parts, missing)
            result = anomalies.detect(metrics, segments, [day], figures.settings)
            flagged = result[(result["term"] == figures.term) & result["is_anomaly"]]
            shares = found[fault]
            shares.faults += 1
            shares.totals += bool(flagged["series"].isin(["net_change", "dropped_students"]).any())
            shares.anything += bool(len(flagged))
            shares.yardstick += outside_two_sigma(past, row["net_change"] - missing)
    return found


def doubled_rows(figures: Figures, count: int, seed: int) -> int:
    """How many of `count` extracts with every row twice the intake refuses."""
    random = np.random.default_rng(seed)
    rows = figures.metrics[figures.metrics["total_enrollment"] >= LEAST_STUDENTS]
    refused = 0
    for at in random.choice(rows.index, count).tolist():
        students = int(rows.loc[at, "total_enrollment"])
        facts = {
            "row_count": 2 * students,
            "student_count": students,
            "duplicate_count": students,
            "missing_count": 0,
        }
        baseline = Baseline(rows.loc[at, "date"].date(), students, students)
        quality = figures.settings.quality
        refused += why_rejected(facts, baseline, quality, is_empty=False) is not None
    return refused


def measure_false_alarms(figures: Figures) -> pd.DataFrame:
    """Of each term: days, days with a flagged total, with a flagged segment, and the yardstick's."""
    days = sorted(set(figures.metrics["date"].dt.date))
    result = anomalies.detect(figures.metrics, figures.segments, days, figures.settings)
    found = []
    for term, rows in figures.metrics.sort_values("date").groupby("term"):
        flagged = result[(result["term"] == term) & result["is_anomaly"]]
        net = rows["net_change"].reset_index(drop=True)
        found.append(
            {
                "term": term,
                "days": len(rows) - 1,
                "totals": flagged[flagged["dimension"].isna()]["date"].nunique(),
                "segments": flagged[flagged["dimension"].notna()]["date"].nunique(),
                "not_judged": result[
                    (result["term"] == term)
                    & (result["series"] == "net_change")
                    & result["score"].isna()
                ]["date"].nunique(),
                "yardstick": sum(
                    outside_two_sigma(net.loc[1 : at - 1], net.loc[at]) for at in range(2, len(net))
                ),
            }
        )
    frame = pd.DataFrame(found)
    return pd.concat([frame, frame.sum(numeric_only=True).to_frame().T.assign(term="together")])


def report(figures: Figures, count: int, seed: int, say: Callable[[str], None] = print) -> None:
    """Both tables of a data set."""
    say(f"\n**{figures.name}**: {count} faults of each kind in {figures.term}\n")
    say("| planted | found by totals | or segments | by mean +- 2 sigma |\n|---|---|---|---|")
    for fault, shares in measure_faults(figures, count, seed).items():
        parts = (shares.totals, shares.anything, shares.yardstick)
        say(f"| {fault} | " + " | ".join(f"{part / shares.faults:.0%}" for part in parts) + " |")
    refused = doubled_rows(figures, count, seed)
    say(f"| every row twice | refused by the intake: {refused / count:.0%} | | never sees them |")
    columns = "days | totals | segments | mean +- 2 sigma | not judged"
    say(f"\n| false alarms per {PER_DAYS} days | {columns} |")
    say("|---|---|---|---|---|---|")
    for row in measure_false_alarms(figures).to_dict("records"):
        rates = (row[kind] / row["days"] * PER_DAYS for kind in KINDS)
        say(f"| {row['term']} | {row['days']} | " + " | ".join(f"{r:.2f}" for r in rates) + " |")


def main() -> None:
    """Build, plant, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--oulad", type=Path)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    university = ("The made-up university", CHECKOUT / "enrollment.yaml")
    sets: list[tuple[str, Path, Callable[[Settings, Path], object], dt.date | None]] = [
        (*university, example.generate, example.UNTIL)
    ]
    if options.oulad:
        folder = EXAMPLES / "open_university"
        build = [sys.executable, str(folder / "build.py"), str(options.oulad), "--to"]
        config = folder / "enrollment.yaml"
        sets.append(("The Open University", config, lambda _, to: measure([*build, str(to)]), None))
    for name, config, build_set, last in sets:
        with tempfile.TemporaryDirectory() as text:
            figures = read(name, config, build_set, last, Path(text))
        report(figures, options.faults, options.seed)


if __name__ == "__main__":
    main()
