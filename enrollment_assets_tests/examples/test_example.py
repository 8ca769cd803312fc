"""The made-up university: the same bytes from the same seed, and the shape of a real one."""

import datetime as dt
import hashlib

import pandas as pd
import pytest

from enrollment_assets.cli import example
from enrollment_assets.config import load_settings
from enrollment_assets_tests.conftest import CHECKOUT


@pytest.fixture(scope="module")
def settings():
    return load_settings(CHECKOUT / "enrollment.yaml")


@pytest.fixture(scope="module")
def snapshots(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("university")
    example.generate(settings, folder)
    return folder


def headcounts(folder, settings):
    found = {}
    for path in sorted(folder.glob("*.csv")):
        terms = pd.read_csv(path, dtype=str, usecols=["term"])["term"].value_counts()
        date = dt.datetime.strptime(path.stem[-8:], "%Y%m%d").date()
        for term, count in terms.items():
            found.setdefault(term, {})[date] = count
    return {term: pd.Series(values) for term, values in found.items()}


@pytest.fixture(scope="module")
def counts(snapshots, settings):
    return headcounts(snapshots, settings)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(settings, tmp_path):
    def digest(name, seed):
        example.generate(settings, tmp_path / name, until=dt.date(2025, 5, 20), seed=seed)
        files = sorted((tmp_path / name).iterdir())
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    assert digest("a", 1) == digest("b", 1)
    assert digest("a", 1) != digest("c", 2)


def test_one_morning_has_no_file_and_one_file_is_cut_off(snapshots, counts, settings):
    assert not (snapshots / settings.files.name_for(example.MISSING)).exists()
    autumn = counts["2026FA"]
    share = autumn[example.TRUNCATED] / autumn[example.TRUNCATED - dt.timedelta(1)]
    assert share == pytest.approx(example.TRUNCATED_SHARE, abs=0.01)
    assert not (snapshots / settings.files.name_for(dt.date(2025, 11, 27))).exists()


@pytest.fixture(scope="module")
def at_census(snapshots, settings):
    """Students and their levels at the census of each term that had one."""
    found = {}
    for term in settings.terms:
        if term.census <= example.UNTIL:
            frame = pd.read_csv(snapshots / settings.files.name_for(term.census), dtype=str)
            found[term.code] = frame[frame["term"] == term.code].set_index("student_id")["level"]
    return found


def kept(at_census, first, later):
    """Of each level at the first census, the share that is at the later one."""
    levels = at_census[first]
    return levels.index.isin(at_census[later].index).astype(float), levels


def test_people_stay_graduate_and_return_as_in_a_real_university(at_census):
    stays, levels = kept(at_census, "2025FA", "2026FA")
    by_level = pd.Series(stays, index=levels.index).groupby(levels).mean()
    assert 0.75 <= by_level["Freshman"] <= 0.85
    assert by_level[["Sophomore", "Junior"]].between(0.78, 0.9).all()
    assert by_level["Senior"] < 0.25
    assert 0.35 < by_level["Graduate"] < 0.6
    stays, levels = kept(at_census, "2025FA", "2026SP")
    assert 0.8 < stays.mean() < 0.92
    autumn, spring, next_autumn = (at_census[code] for code in ("2025FA", "2026SP", "2026FA"))
    stopped_out = autumn.index.difference(spring.index)
    assert 0.2 < stopped_out.isin(next_autumn.index).mean() < 0.45


def test_new_people_are_freshmen_transfers_and_graduate_students(at_census):
    before = at_census["2025FA"].index.union(at_census["2026SP"].index)
    autumn = at_census["2026FA"]
    new = autumn[~autumn.index.isin(before)].value_counts()
    assert new["Freshman"] > 1_500
    assert new[["Sophomore", "Junior"]].between(150, 450).all()
    assert new["Graduate"] > 300
    both = at_census["2025FA"].index.intersection(autumn.index)
    up = (autumn[both] != at_census["2025FA"][both])[at_census["2025FA"][both] == "Freshman"]
    assert up.mean() > 0.85


def test_nothing_is_extracted_on_holidays(snapshots, settings):
    for day in ("2025-09-01", "2025-11-27", "2026-01-19", "2026-05-25"):
        assert not (snapshots / settings.files.name_for(dt.date.fromisoformat(day))).exists()


def test_registration_for_next_spring_is_open_on_the_last_day(counts, settings):
    spring, before = settings.terms[3], settings.terms[1]
    now = counts[spring.code]
    assert now.index[-1] == example.UNTIL
    same_point = counts[before.code][before.starts - (spring.starts - example.UNTIL)]
    assert 0.8 < now.iloc[-1] / same_point < 1.3
    assert 1_000 < now.iloc[-1] < 5_000


def test_three_terms_of_about_nine_thousand_overlap(counts, settings):
    assert list(counts) == [term.code for term in settings.terms]
    for term in settings.terms[:3]:
        assert 8_500 < counts[term.code].max() < 10_200
        assert abs((counts[term.code].idxmax() - term.starts).days) < 14
    assert set(counts["2025FA"].index) & set(counts["2026SP"].index)
    assert set(counts["2026SP"].index) & set(counts["2026FA"].index)


def test_registration_is_an_s_with_quiet_weekends(counts, settings):
    term = settings.terms[0]
    net = counts[term.code].diff().dropna()
    before = net[[date < term.starts - dt.timedelta(14) for date in net.index]]
    by_class = before.groupby([date.weekday() >= 5 for date in before.index]).mean()
    assert by_class[True] < 0.25 * by_class[False]
    window = (term.starts - term.registration_opens).days
    days = [term.registration_opens + dt.timedelta(int(window * share)) for share in (0.13, 0.65)]
    at = [counts[term.code][[d for d in counts[term.code].index if d <= day][-1]] for day in days]
    final = counts[term.code].max()
    assert at[0] / final < 0.2
    assert 0.4 < at[1] / final < 0.6


def test_people_leave_at_the_payment_deadline_and_the_census(counts, settings):
    for term in settings.terms[:3]:
        net = counts[term.code].diff()
        due = max(e.date for e in settings.calendar.events if e.date < term.starts)
        assert net[due] < -100
        assert net[term.census] < -100


def test_every_id_is_text_with_leading_zeros_and_stands_once_a_term(snapshots, settings):
    frame = pd.read_csv(snapshots / settings.files.name_for(dt.date(2026, 4, 15)), dtype=str)
    assert frame["student_id"].str.fullmatch(r"0\d{6}").all()
    assert not frame.duplicated(["term", "student_id"]).any()
    assert frame["student_name"].str.contains(",").any()
