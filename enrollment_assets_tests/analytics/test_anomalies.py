"""The anomaly detector on figures made by hand: what alarms, what does not, and what it says."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from enrollment_assets.analytics import anomalies
from enrollment_assets.config import Settings
from enrollment_assets.schema.catalog import tables

NEW, OLD = "2025FA", "2024FA"
STARTS = {OLD: dt.date(2024, 8, 26), NEW: dt.date(2025, 8, 25)}
BEFORE_START, AFTER_START = 100, 40
PROGRAMS = {"Nursing": 0.1, "History": 0.3, "Biology": 0.6}


def days_from(start, number):
    return [start + dt.timedelta(offset) for offset in range(number)]


def settings(*, events=(), closures=(), comparison=OLD, **keys):
    terms = [
        {
            "code": code,
            "registration_opens": start - dt.timedelta(BEFORE_START),
            "starts": start,
            "census": start + dt.timedelta(14),
            "ends": start + dt.timedelta(AFTER_START),
            "comparison": comparison if code == NEW else None,
        }
        for code, start in STARTS.items()
    ]
    return Settings(
        institution={"name": "Test University"},
        start_date=dt.date(2024, 1, 1),
        source={"kind": "files", "url": "snapshots"},
        columns={"student_id": "id", "program": "program"},
        terms=terms,
        calendar={
            "events": [{"date": date, "name": name} for date, name in events],
            "closures": list(closures),
        },
        **keys,
    )


class Life:
    """A term's adds and drops of each day and program; snapshots can be left out and edited."""

    def __init__(self, code, seed=0, *, adds=60, drops=4, closures=(), head=2_000):
        random = np.random.default_rng(seed)
        self.code = code
        self.days = days_from(
            STARTS[code] - dt.timedelta(BEFORE_START), BEFORE_START + AFTER_START + 1
        )
        self.head = {name: round(head * share) for name, share in PROGRAMS.items()}
        self.adds, self.drops, self.returning = {}, {}, {}
        for day in self.days:
            quiet = day.weekday() >= 5 or day in closures
            for name, share in PROGRAMS.items():
                self.adds[day, name] = random.poisson(adds * share * (0.05 if quiet else 1))
                self.drops[day, name] = random.poisson(drops * share * (0 if quiet else 1))
            self.returning[day] = 0
        self.skipped = set()

    def total(self, day, program=None):
        """Who is enrolled at the end of a day."""
        names = [program] if program else list(PROGRAMS)
        past = [other for other in self.days if other <= day]
        return sum(
            self.head[name] + sum(self.adds[d, name] - self.drops[d, name] for d in past)
            for name in names
        )

    def drop(self, day, share, programs=tuple(PROGRAMS)):
        """Take a share of the students away; how many comes back."""
        gone = {name: round(self.total(day, name) * share) for name in programs}
        for name, count in gone.items():
            self.drops[day, name] += count
        return gone

    def miss(self, day, share, programs=tuple(PROGRAMS)):
        """The extract of a day lacks a share of the students, who are there again the next day."""
        after = day + dt.timedelta(1)
        for name, count in self.drop(day, share, programs).items():
            self.adds[after, name] += count
            self.returning[after] += count

    def frames(self):
        metrics, segments, before, last = [], [], None, None
        for day in self.days:
            if day in self.skipped:
                continue
            covered = [d for d in self.days if d <= day and (last is None or d > last)]
            rows = {}
            for name in PROGRAMS:
                head = self.head[name] if before is None else before[name]
                added = sum(self.adds[d, name] for d in covered) if before else 0
                dropped = sum(self.drops[d, name] for d in covered) if before else 0
                rows[name] = (head + added - dropped, added, dropped)
            common = {
                "date": pd.Timestamp(day),
                "term": self.code,
                "baseline_date": pd.NaT if last is None else pd.Timestamp(last),
                "days_since_baseline": None if last is None else (day - last).days,
            }
            total, added, dropped = (sum(row[at] for row in rows.values()) for at in range(3))
            figures = ("total_enrollment", "new_students", "dropped_students")
            metrics.append(
                {
                    **common,
                    **dict(zip(figures, (total, added, dropped), strict=True)),
                    "returning_students": sum(self.returning[d] for d in covered),
                    "net_change": added - dropped,
                    "days_to_start": (STARTS[self.code] - day).days,
                }
            )
            for name, row in rows.items():
                segments.append(
                    {
                        **common,
                        "dimension": "program",
                        "segment": name,
                        **dict(zip(figures, row, strict=True)),
                        "net_change": row[1] - row[2],
                    }
                )
            before, last = {name: row[0] for name, row in rows.items()}, day
        frame = pd.DataFrame(metrics).astype({"days_since_baseline": "Int32"})
        return frame, pd.DataFrame(segments).astype({"days_since_baseline": "Int32"})


def frames_of(*lives):
    pairs = [life.frames() for life in lives]
    return tuple(pd.concat([pair[at] for pair in pairs], ignore_index=True) for at in (0, 1))


def detect(lives, days, config=None, acknowledged=(), *, term=NEW):
    metrics, segments = frames_of(*lives)
    found = anomalies.detect(metrics, segments, days, config or settings(), acknowledged)
    return found[found["term"] == term].reset_index(drop=True)


def totals(found):
    return found[found["dimension"].isna()].set_index("series")


def flagged(found):
    return sorted(set(found[found["is_anomaly"] & found["dimension"].isna()]["date"].dt.date))


@pytest.fixture
def old():
    return Life(OLD, seed=1)


@pytest.fixture
def new():
    return Life(NEW, seed=2)


WEDNESDAY = dt.date(2025, 7, 16)
MONDAY = dt.date(2025, 7, 14)


def test_the_columns_are_those_of_the_table(old, new):
    config = settings()
    found = detect([old, new], [WEDNESDAY], config)
    assert tuple(found.columns) == tables(config)["enrollment_anomalies"].column_names


@pytest.mark.parametrize("share", [0.03, 0.1])
@pytest.mark.parametrize("day", [WEDNESDAY, MONDAY, dt.date(2025, 7, 12)])
def test_students_who_are_missing_for_a_day_are_found_and_so_is_their_return(old, new, day, share):
    new.miss(day, share)
    after = day + dt.timedelta(1)
    rows = totals(detect([old, new], [day]))
    assert rows.loc["dropped_students", "kind"] == "spike"
    assert rows.loc["net_change", "kind"] == "drop"
    assert rows.loc["net_change", "observed"] < rows.loc["net_change", "lower"]
    assert not rows.loc["new_students", "is_anomaly"]
    back = totals(detect([old, new], [after]))
    assert back.loc["new_students", "kind"] == "spike"


def test_a_fault_is_found_without_an_earlier_term(new):
    new.miss(WEDNESDAY, 0.03)
    assert flagged(detect([new], [WEDNESDAY], settings(comparison=None))) == [WEDNESDAY]


@pytest.mark.parametrize("seed", range(4))
def test_mondays_weekends_and_closures_are_no_alarm(seed):
    closures = [dt.date(2025, 7, 4), dt.date(2024, 7, 4)]
    lives = [Life(OLD, 10 + seed, closures=closures), Life(NEW, 20 + seed, closures=closures)]
    for life in lives:
        for day in life.days:
            if day.weekday() == 0:  # offices take people off the list after the weekend
                life.drops[day, "Biology"] += 15
    config = settings(closures=closures)
    assert flagged(detect(lives, lives[1].days, config)) == []
    assert (
        flagged(detect(lives[1:], lives[1].days, settings(comparison=None, closures=closures)))
        == []
    )


def test_a_weekday_of_its_own_is_no_alarm_and_one_former_fault_excuses_no_other(new):
    config = settings(comparison=None)
    wednesdays = [WEDNESDAY - dt.timedelta(7 * back) for back in range(8)]
    for day in wednesdays:
        new.adds[day, "Biology"] += 120
    assert flagged(detect([new], [WEDNESDAY], config)) == []
    for day in wednesdays[2:]:
        new.adds[day, "Biology"] -= 120
    assert flagged(detect([new], [WEDNESDAY], config)) == [WEDNESDAY]


def test_a_closure_that_moves_as_a_business_day_does_is_an_alarm_and_a_quiet_one_is_not():
    holiday = dt.date(2025, 7, 4)
    old, new = Life(OLD, seed=1, adds=300), Life(NEW, seed=2, adds=300)
    quiet = Life(NEW, seed=2, adds=300, closures=[holiday])
    config = settings(closures=[holiday])
    assert flagged(detect([old, quiet], [holiday], config)) == []
    assert quiet.total(holiday) != new.total(holiday)
    busy = totals(detect([old, new], [holiday], config))
    assert busy.loc["new_students", "kind"] == "spike"


def test_a_delta_over_a_gap_is_divided_by_its_days_and_no_alarm(old, new):
    new.skipped = {WEDNESDAY - dt.timedelta(back) for back in (1, 2)}
    rows = totals(detect([old, new], [WEDNESDAY]))
    covered = [WEDNESDAY - dt.timedelta(back) for back in range(3)]
    added = sum(new.adds[day, name] for day in covered for name in PROGRAMS)
    assert rows.loc["new_students", "observed"] == pytest.approx(added / 3)
    assert rows.loc["new_students", "expected"] == pytest.approx(60, rel=0.2)
    assert not rows["is_anomaly"].any()


def test_a_gap_over_a_weekend_expects_its_quiet_days_too(old, new):
    new.skipped = {MONDAY - dt.timedelta(back) for back in (1, 2)}
    rows = totals(detect([old, new], [MONDAY]))
    assert rows.loc["new_students", "expected"] == pytest.approx((60 + 3 + 3) / 3, rel=0.2)


def test_a_fault_that_a_gap_covers_is_found_and_the_gap_named(old, new):
    new.skipped = {WEDNESDAY - dt.timedelta(back) for back in (1, 2)}
    new.miss(WEDNESDAY, 0.05)
    row = totals(detect([old, new], [WEDNESDAY])).loc["dropped_students"]
    assert row["is_anomaly"]
    assert "over 3 days since 2025-07-13" in row["explanation"]


def test_without_weekend_snapshots_every_monday_covers_three_days_and_none_alarms(old, new):
    for life in (old, new):
        life.skipped = {day for day in life.days if day.weekday() >= 5}
    days = [day for day in new.days if day.weekday() < 5]
    found = detect([old, new], days)
    assert flagged(found) == []
    monday = totals(detect([old, new], [MONDAY])).loc["new_students"]
    assert monday["expected"] == pytest.approx(66 / 3, rel=0.25)
    new.skipped |= {MONDAY}  # and a file that is late on a Monday leaves no blind spot
    tuesday = MONDAY + dt.timedelta(1)
    assert totals(detect([old, new], [tuesday])).loc["new_students", "expected"] == pytest.approx(
        (60 + 66) / 4, rel=0.25
    )


def test_a_past_gap_is_learned_from_by_the_day(old, new):
    gaps = {day for day in new.days if day < WEDNESDAY and day.weekday() in (1, 3)}
    new.skipped = gaps
    row = totals(detect([new], [WEDNESDAY + dt.timedelta(1)], settings(comparison=None)))
    assert row.loc["new_students", "expected"] == pytest.approx(60, rel=0.25)


def test_an_acknowledged_day_is_not_learned_from(new):
    # one class of days is faulty more often than not
    days = [day for day in new.days if day < WEDNESDAY and day.weekday() < 5]
    odd = days[-7:]
    for day in odd:
        new.adds[day, "Biology"] += 400
    config = settings(comparison=None)
    expected = [
        totals(detect([new], [WEDNESDAY], config, acknowledged)).loc["new_students", "expected"]
        for acknowledged in ([], [(day, NEW) for day in odd], [(day, OLD) for day in odd])
    ]
    assert expected[0] > 400
    assert expected[1] == pytest.approx(60, rel=0.2)
    assert expected[2] == expected[0]


def test_an_acknowledged_day_of_an_earlier_term_excuses_nothing(old, new):
    counterpart = WEDNESDAY - dt.timedelta(364)
    for life, day in ((old, counterpart), (new, WEDNESDAY)):
        life.drop(day, 0.05)
    assert flagged(detect([old, new], [WEDNESDAY])) == []
    assert flagged(detect([old, new], [WEDNESDAY], acknowledged=[(counterpart, OLD)])) == [
        WEDNESDAY
    ]


def test_what_a_term_did_more_than_eight_weeks_ago_excuses_nothing(new):
    day = dt.date(2025, 9, 17)
    for wild in new.days:
        if (day - wild).days > 56:
            new.adds[wild, "Biology"] += 800
            new.drops[wild, "Biology"] += 800
    new.adds[day, "Biology"] += 250
    rows = totals(detect([new], [day], settings(comparison=None)))
    assert rows.loc["new_students", "is_anomaly"]


def test_days_of_a_calendar_event_are_not_learned_from(new):
    days = [day for day in new.days if day < WEDNESDAY and day.weekday() < 5][-8:-1]
    for day in days:
        new.adds[day, "Biology"] += 400
    named = settings(comparison=None, events=[(day, "open house") for day in days])
    assert totals(detect([new], [WEDNESDAY], named)).loc["new_students", "expected"] < 80


def test_few_comparable_days_make_the_usual_range_wider(new):
    for number, day in enumerate(new.days):
        for name in PROGRAMS:
            new.adds[day, name] = 0
        new.adds[day, "Biology"] = 100 * (number % 3)
    rows = detect([new], [new.days[12], new.days[60]], settings(comparison=None))
    rows = rows[rows["series"] == "new_students"]
    early, late = (rows["upper"] - rows["expected"]).tolist()
    assert early > 1.3 * late


def test_the_tested_day_is_not_in_its_own_training(old, new):
    before = totals(detect([old, new], [WEDNESDAY])).loc["new_students", "expected"]
    new.adds[WEDNESDAY, "History"] += 500
    assert totals(detect([old, new], [WEDNESDAY])).loc["new_students", "expected"] == before


def test_what_comes_after_a_day_changes_nothing_about_it(old, new):
    new.miss(WEDNESDAY - dt.timedelta(1), 0.1)
    days = [day for day in new.days if day <= WEDNESDAY]
    then = detect([old, new], days)
    metrics, segments = frames_of(old, new)
    for frame in (metrics, segments):
        future = frame["date"] > pd.Timestamp(WEDNESDAY)
        assert future.any()
        frame.loc[future, ["new_students", "dropped_students", "net_change"]] += 777
        frame.loc[future, "total_enrollment"] *= 3
    later = segments[segments["date"] > pd.Timestamp(WEDNESDAY)].assign(segment="A new one")
    changed = pd.concat([segments, later], ignore_index=True)
    found = anomalies.detect(metrics, changed, days, settings(), [])
    found = found[found["term"] == NEW].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, then)
    past = metrics["date"] <= pd.Timestamp(WEDNESDAY)
    cut = anomalies.detect(
        metrics[past], segments[segments["date"] <= pd.Timestamp(WEDNESDAY)], days, settings(), []
    )
    pd.testing.assert_frame_equal(cut[cut["term"] == NEW].reset_index(drop=True), then)
    assert flagged(then)


@pytest.mark.parametrize("event", [False, True])
def test_a_comparison_that_has_not_come_to_a_day_yet_says_nothing_about_it(old, new, event):
    config = settings(events=[(dt.date(2024, 7, 17), "due"), (WEDNESDAY, "due")] if event else [])
    earlier, later = config.terms
    swapped = config.model_copy(
        update={
            "terms": (
                earlier.model_copy(update={"comparison": NEW}),
                later.model_copy(update={"comparison": None}),
            )
        }
    )
    new.drop(WEDNESDAY, 0.2)
    day = [dt.date(2024, 7, 17)]
    with_it = detect([old, new], day, swapped, term=OLD)
    pd.testing.assert_frame_equal(with_it, detect([old], day, config, term=OLD))


def test_many_days_at_once_give_the_same_rows_as_each_day_alone(old, new):
    new.miss(WEDNESDAY, 0.1)
    new.miss(dt.date(2025, 8, 20), 1, ["Nursing"])
    metrics, segments = frames_of(old, new)
    days = (
        old.days[-5:]
        + new.days[:8]
        + days_from(WEDNESDAY, 12)
        + days_from(dt.date(2025, 8, 15), 15)
    )
    together = anomalies.detect(metrics, segments, days, settings(), [])
    apart = [anomalies.detect(metrics, segments, [day], settings(), []) for day in sorted(days)]
    pd.testing.assert_frame_equal(together, pd.concat(apart, ignore_index=True))
    assert together["segment"].notna().any()


def test_every_tested_day_has_its_three_totals_and_only_unusual_segments(old, new):
    found = detect([old, new], new.days)
    assert (
        found[found["dimension"].isna()]
        .groupby("date")["series"]
        .agg(list)
        .map(lambda series: series == list(anomalies.SERIES))
    ).all()
    assert found[found["dimension"].notna()]["is_anomaly"].all()
    usual = found[~found["is_anomaly"]]
    assert usual["kind"].isna().all()
    assert found["explanation"].notna().all()


PURGE = {OLD: dt.date(2024, 8, 16), NEW: dt.date(2025, 8, 15)}
PAYMENT = [(date, "payment due") for date in PURGE.values()]


def purged(share=0.06):
    lives = [Life(OLD, 1), Life(NEW, 2)]
    for life in lives:
        life.drop(PURGE[life.code], share)
    return lives


def test_a_purge_that_the_earlier_term_had_on_its_day_is_no_alarm_even_if_no_calendar_names_it():
    assert flagged(detect(purged(), days_from(PURGE[NEW], 5))) == []


def test_a_purge_on_another_relative_day_is_known_by_its_name():
    lives = [Life(OLD, 1), Life(NEW, 2)]
    moved = PURGE[OLD] - dt.timedelta(8)
    lives[0].drop(moved, 0.06)
    lives[1].drop(PURGE[NEW], 0.06)
    assert flagged(detect(lives, [PURGE[NEW]])) == [PURGE[NEW]]
    named = settings(events=[(moved, "payment due"), (PURGE[NEW], "payment due")])
    found = detect(lives, [PURGE[NEW]], named)
    assert flagged(found) == []
    row = totals(found).loc["dropped_students"]
    assert "payment due" in row["explanation"]
    assert row["expected"] == pytest.approx(row["observed"], rel=0.2)


def test_a_purge_in_the_calendar_that_no_earlier_term_shows_is_no_alarm():
    lives = purged()[1:]
    days = [PURGE[NEW]]
    assert flagged(detect(lives, days, settings(comparison=None))) == days
    assert flagged(detect(lives, days, settings(comparison=None, events=PAYMENT))) == []


def test_a_fault_on_the_day_of_a_purge_or_near_an_earlier_one_is_found():
    config = settings(events=PAYMENT)
    lives = purged()
    lives[1].miss(PURGE[NEW], 0.1)
    assert flagged(detect(lives, [PURGE[NEW]], config)) == [PURGE[NEW]]
    for away in (-1, 1):  # a Thursday and a Saturday
        near = PURGE[NEW] + dt.timedelta(away)
        lives = purged()
        lives[1].miss(near, 0.03)
        assert flagged(detect(lives, [near], config)) == [near]


def test_a_program_that_vanishes_is_named_and_only_it(old, new):
    new.miss(WEDNESDAY, 1, ["Nursing"])
    found = detect([old, new], [WEDNESDAY])
    segments = found[found["dimension"].notna()]
    assert segments["segment"].tolist() == ["Nursing"]
    assert segments["series"].iloc[0] in {
        "net_change program=Nursing",
        "dropped_students program=Nursing",
    }
    assert "program Nursing accounts for" in totals(found).loc["dropped_students", "explanation"]


def test_a_program_too_small_for_the_total_to_show_is_found_in_its_segment(old, new):
    for life in (old, new):
        life.head = {"Nursing": 30, "History": 7_970, "Biology": 8_000}
        for day in life.days:
            life.adds[day, "Nursing"] = life.drops[day, "Nursing"] = 0
    new.miss(WEDNESDAY, 1, ["Nursing"])
    found = detect([old, new], [WEDNESDAY])
    assert flagged(found) == []
    assert found[found["is_anomaly"]]["segment"].tolist() == ["Nursing"]


def test_students_who_change_program_are_not_called_lost(old, new):
    metrics, segments = frames_of(old, new)
    day = (segments["term"] == NEW) & (segments["date"] == pd.Timestamp(WEDNESDAY))
    for name, sign in (("Nursing", -1), ("History", 1)):
        at = day & (segments["segment"] == name)
        segments.loc[at, ["net_change", "total_enrollment"]] += sign * 150
    found = anomalies.detect(metrics, segments, [WEDNESDAY], settings(), [])
    found = found[found["is_anomaly"]]
    assert dict(zip(found["series"], found["kind"], strict=True)) == {
        "net_change program=Nursing": "drop",
        "net_change program=History": "spike",
    }
    assert found["explanation"].str.contains("stayed in the term").all()


def many_segments(new, number, *, missing):
    """The last program's place is taken by many of the same size; some of them lose 60 students."""
    metrics, segments = frames_of(new)
    random = np.random.default_rng(5)
    one = segments[segments["segment"] == "Biology"]
    parts = []
    for at in range(number):
        part = one.assign(segment=f"P{at:03d}", total_enrollment=500)
        part["new_students"] = random.poisson(3, len(part))
        part["dropped_students"] = random.poisson(3, len(part))
        gone = (part["date"] == pd.Timestamp(WEDNESDAY)) & (at < missing)
        part.loc[gone, "dropped_students"] += 60 + at
        part["net_change"] = part["new_students"] - part["dropped_students"]
        parts.append(part)
    return metrics, pd.concat(parts, ignore_index=True)


def test_at_most_five_segments_are_shown_the_largest_first(new):
    metrics, segments = many_segments(new, 40, missing=9)
    found = anomalies.detect(metrics, segments, [WEDNESDAY], settings(comparison=None), [])
    shown = found[found["dimension"].notna()]
    assert len(shown) == 5
    size = (shown["observed"] - shown["expected"]).abs()
    assert size.is_monotonic_decreasing
    assert set(shown["segment"]) <= {f"P{at:03d}" for at in range(9)}


def test_among_hundreds_of_ordinary_segments_hardly_one_is_flagged(new):
    metrics, segments = many_segments(new, 200, missing=0)
    config = settings(comparison=None, anomalies={"threshold": 2.0, "min_students": 0})
    days = days_from(WEDNESDAY, 20)
    found = anomalies.detect(metrics, segments, days, config, [])
    # 12,000 tests whose threshold alone lets many through
    assert found["dimension"].notna().sum() <= 2


def test_threshold_and_least_number_of_students_are_settings(old, new):
    new.drop(WEDNESDAY, 0.02)
    row = totals(detect([old, new], [WEDNESDAY])).loc["dropped_students"]
    assert row["is_anomaly"]
    higher = settings(anomalies={"threshold": row["score"] + 1})
    assert flagged(detect([old, new], [WEDNESDAY], higher)) == []
    students = settings(anomalies={"min_students": int(row["observed"]) + 1})
    assert flagged(detect([old, new], [WEDNESDAY], students)) == []


@pytest.mark.parametrize("anchor", ["starts", "registration_opens", "census"])
def test_days_of_an_earlier_term_are_found_by_the_anchor(old, new, anchor):
    later = settings(point_in_time={"anchor": anchor})
    counterpart = WEDNESDAY - dt.timedelta(364)
    for life, day in ((old, counterpart), (new, WEDNESDAY)):
        life.drop(day, 0.05)
    assert flagged(detect([old, new], [WEDNESDAY], later)) == []
    assert flagged(detect([new], [WEDNESDAY], later)) == [WEDNESDAY]


def explanation(lives, day, series="net_change"):
    return totals(detect(lives, [day])).loc[series, "explanation"]


def test_an_incomplete_extract_its_correction_and_a_stale_one_are_told_apart(old, new):
    new.miss(WEDNESDAY, 0.1)
    assert "10% of every program is missing at once" in explanation([old, new], WEDNESDAY)
    after = WEDNESDAY + dt.timedelta(1)
    assert "probably the correction of a faulty extract" in explanation([old, new], after)
    stale = Life(NEW, seed=2, adds=300)
    for name in PROGRAMS:
        stale.adds[WEDNESDAY, name] = stale.drops[WEDNESDAY, name] = 0
    assert "may be an old one" in explanation([Life(OLD, 1, adds=300), stale], WEDNESDAY)


def test_students_who_return_after_longer_are_recognised(old, new):
    gone = new.drop(WEDNESDAY, 0.1)
    back = WEDNESDAY + dt.timedelta(6)
    for name, count in gone.items():
        new.adds[back, name] += count
        new.returning[back] += count
    assert "had been in the term before" in explanation([old, new], back, "new_students")


def test_the_words_for_students_are_configured(old, new):
    new.miss(WEDNESDAY, 0.1)
    config = settings(vocabulary={"student": "member", "students": "members"})
    text = totals(detect([old, new], [WEDNESDAY], config)).loc["dropped_students", "explanation"]
    assert text.startswith("more members dropped than usual")


def test_the_first_snapshots_of_a_term_say_why_nothing_can_be_said(new):
    first, third = (
        totals(detect([new], [day], settings(comparison=None))).loc["net_change"]
        for day in (new.days[0], new.days[4])
    )
    assert first["explanation"] == "the term's first snapshot: nothing to compare it with"
    assert third["explanation"].startswith("too little history: ")
    assert third["explanation"].endswith(" comparable days, 5 needed")
    for row in (first, third):
        assert not row["is_anomaly"]
        assert row[["expected", "lower", "upper", "score"]].isna().all()
        assert row["kind"] is None


def changed(new, **figures):
    metrics, segments = frames_of(new)
    for name, value in figures.items():
        metrics[name] = segments[name] = value
    return metrics, segments


NOTHING = {"new_students": 0, "dropped_students": 0, "net_change": 0}


@pytest.mark.parametrize(
    "figures",
    [NOTHING, {**NOTHING, "total_enrollment": 0}, {**NOTHING, "new_students": 7, "net_change": 7}],
)
def test_a_constant_series_is_usual(new, figures):
    metrics, segments = changed(new, **figures)
    config = settings(comparison=None, anomalies={"min_students": 0})
    found = anomalies.detect(metrics, segments, new.days[30:], config, [])
    assert not found["is_anomaly"].any()
    assert (found["expected"] == found["observed"]).all()
    judged = found[~found["explanation"].str.startswith("cannot be judged: no earlier term")]
    assert len(judged) > len(found) / 2
    assert np.isfinite(judged[["lower", "upper", "score"]]).all(axis=None)


def test_a_term_of_one_day_without_segments_gives_three_rows(new):
    metrics, segments = frames_of(new)
    found = anomalies.detect(metrics.head(1), segments.head(0), new.days, settings(), [])
    assert found["series"].tolist() == list(anomalies.SERIES)
    assert found["expected"].isna().all()


def test_without_dimensions_totals_are_judged_all_the_same(old, new):
    new.miss(WEDNESDAY, 0.1)
    metrics, segments = frames_of(old, new)
    found = anomalies.detect(metrics, segments.head(0), [WEDNESDAY], settings(), [])
    assert flagged(found) == [WEDNESDAY]
    assert len(found) == 3


@pytest.mark.parametrize("frame", ["both empty", "no such day", "a term of no configuration"])
def test_nothing_to_test_gives_an_empty_frame_of_the_right_types(new, frame):
    metrics, segments = frames_of(new)
    day = WEDNESDAY
    if frame == "both empty":
        metrics, segments = metrics.head(0), segments.head(0)
    elif frame == "no such day":
        day = dt.date(2030, 1, 1)
    else:
        metrics = metrics.assign(term="Z")
    found = anomalies.detect(metrics, segments, [day], settings(), [])
    assert found.empty
    assert found["is_anomaly"].dtype == bool
    assert found["date"].dtype == "datetime64[us]"


def test_a_gap_of_weeks_is_judged_by_the_days_it_covers(old, new):
    back = dt.date(2025, 8, 13)
    new.skipped = set(days_from(dt.date(2025, 7, 21), 23))
    rows = totals(detect([old, new], [back]))
    assert not rows["is_anomaly"].any()
    assert 0.6 * 60 < rows.loc["new_students", "expected"] < 60
    new.drop(back, 0.2)
    assert flagged(detect([old, new], [back])) == [back]


def test_a_segment_that_is_new_this_year_is_judged_by_its_own_days(old, new):
    for day in new.days:
        new.adds[day, "Nursing"] += 40
    new.adds[WEDNESDAY, "Nursing"] += 400
    metrics, segments = frames_of(old, new)
    segments = segments[(segments["term"] == NEW) | (segments["segment"] != "Nursing")]
    found = anomalies.detect(metrics, segments, [WEDNESDAY], settings(), [])
    row = found[found["segment"] == "Nursing"].iloc[0]
    assert row["expected"] == pytest.approx(46, abs=4)


def test_a_range_that_says_nothing_is_never_normal(new):
    """On the days before, anything between nobody and half of the term was added."""
    for number, day in enumerate(new.days):
        new.adds[day, "Biology"] = 1_000 * (number % 2)
        new.drops[day, "Biology"] = 1_000 * ((number + 1) % 2)
    rows = totals(detect([new], [WEDNESDAY], settings(comparison=None)))
    assert not rows["is_anomaly"].any()
    assert rows["score"].isna().all()
    assert set(rows["explanation"]) == {"cannot be judged: comparable days differ too much"}


def test_an_event_that_no_earlier_term_shows_is_not_judged(new):
    config = settings(comparison=None, events=[(WEDNESDAY, "open house")])
    rows = totals(detect([new], [WEDNESDAY], config))
    assert set(rows["explanation"]) == {
        "cannot be judged: no earlier term shows what open house does"
    }


@pytest.mark.parametrize("when", [2, 60], ids=["on the third day", "later"])
def test_a_segment_that_vanishes_is_named_from_the_first_day_on(new, when):
    day = new.days[when]
    gone = new.drop(day, 1.0, ["Nursing"])
    assert gone["Nursing"] > 0
    new.adds[day, "Nursing"] = 0
    new.drops[day, "Nursing"] = new.total(new.days[when - 1], "Nursing")
    found = detect([new], [day], settings(comparison=None))
    row = found[found["segment"] == "Nursing"].iloc[0]
    assert row["is_anomaly"]
    assert row["kind"] == "drop"
    assert "program Nursing is gone" in row["explanation"]


@pytest.mark.parametrize("seed", range(3))
def test_naming_an_event_never_adds_an_alarm(seed):
    random = np.random.default_rng(seed)
    lives = [Life(OLD, seed), Life(NEW, seed + 10)]
    for day in random.choice(lives[1].days[20:], 12, replace=False):
        lives[1].drop(day, random.uniform(0.01, 0.1))
        lives[1].adds[day, "Biology"] += int(random.integers(200))
    named = [(day, f"event {n}") for n, day in enumerate(random.choice(lives[1].days[20:], 12))]
    days = lives[1].days

    def alarms(found):
        unusual = found[found["is_anomaly"]]
        return set(zip(unusual["date"], unusual["dimension"].fillna("total"), strict=True))

    without = alarms(detect(lives, days))
    assert without
    assert alarms(detect(lives, days, settings(events=named))) <= without


def test_first_mondays_of_a_term_without_weekends_are_judged_and_are_no_alarm(new):
    new.skipped = {day for day in new.days if day.weekday() >= 5}
    mondays = [day for day in new.days[10:40] if day.weekday() == 0]
    found = detect([new], mondays, settings(comparison=None))
    judged = found[found["dimension"].isna()]
    assert judged["expected"].notna().all()
    assert not judged["is_anomaly"].any()


def many_departments(seed, count=250, days=160):
    """Overdispersed adds and drops of departments of very different sizes."""
    random = np.random.default_rng(seed)
    first = pd.Timestamp(STARTS[NEW]) - pd.Timedelta(days=BEFORE_START)
    sizes = random.lognormal(3.5, 1.0, count).round() + 5
    dates = pd.date_range(first, periods=min(days, BEFORE_START + AFTER_START + 1))
    rates = sizes[None, :] * 0.01 * random.gamma(0.7, 1 / 0.7, (len(dates), count))
    moves = random.poisson(rates), random.poisson(rates)
    added, dropped = (part.astype(int) for part in moves)
    headcount = sizes.astype(int) + 400 + np.cumsum(added - dropped, axis=0)

    def frame(total, new, gone, **names):
        gaps = pd.array([None, *[1] * (len(dates) - 1)], dtype="Int32")
        return pd.DataFrame(
            {
                "date": dates,
                "term": NEW,
                "days_since_baseline": gaps,
                "total_enrollment": total,
                "new_students": new,
                "dropped_students": gone,
                "net_change": new - gone,
                "returning_students": 0,
                **names,
            }
        )

    parts = [
        frame(headcount[:, n], added[:, n], dropped[:, n], dimension="program", segment=f"P{n}")
        for n in range(count)
    ]
    whole = frame(headcount.sum(axis=1), added.sum(axis=1), dropped.sum(axis=1))
    return whole, pd.concat(parts, ignore_index=True)


def test_of_250_departments_over_a_term_hardly_any_day_alarms():
    alarms = []
    for seed in range(3):
        metrics, segments = many_departments(seed)
        days = sorted(metrics["date"].dt.date)
        found = anomalies.detect(metrics, segments, days, settings(comparison=None))
        flagged_rows = found[found["is_anomaly"] & found["dimension"].notna()]
        alarms.append(flagged_rows["date"].nunique())
    assert sum(alarms) / len(alarms) <= 2
