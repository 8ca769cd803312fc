"""Forecasts on curves made by hand: what each method says, which one is chosen, and what is refused."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from enrollment_assets.analytics import curves as term_curves
from enrollment_assets.analytics import forecasts
from enrollment_assets.analytics.scores import independent, score_of
from enrollment_assets.config import Settings

TERMS = {
    "2023FA": dt.date(2023, 8, 28),
    "2024FA": dt.date(2024, 8, 26),
    "2025FA": dt.date(2025, 8, 25),
}
BEFORE, AFTER = 120, 100
NOW = "2025FA"


def settings(terms=None, **keys):
    terms = terms or [
        {
            "code": code,
            "registration_opens": start - dt.timedelta(BEFORE),
            "starts": start,
            "census": start + dt.timedelta(14),
            "ends": start + dt.timedelta(AFTER),
            "comparison": earlier,
        }
        for (code, start), earlier in zip(TERMS.items(), (None, "2023FA", "2024FA"), strict=True)
    ]
    return Settings(
        institution={"name": "Test University"},
        start_date=dt.date(2023, 1, 1),
        source={"kind": "files", "url": "snapshots"},
        columns={"student_id": "id"},
        terms=terms,
        **keys,
    )


def shape(day):
    """A term's headcount by day from its start: an S up to the start, a slow loss after it."""
    rising = 1000 / (1 + np.exp(-(day + 40) / 18))
    return np.where(day <= 0, rising, 1000 / (1 + np.exp(-40 / 18)) - 0.8 * day)


def totals(code, values):
    """Days and headcounts from the opening on; NaN is a day without a snapshot."""
    first = np.datetime64(TERMS[code] - dt.timedelta(BEFORE))
    days = first + np.arange(len(values))
    there = ~np.isnan(values)
    return days[there], np.round(values[there])


def term(size=1.0, until=AFTER, noise=0.0, shift=0):
    days = np.arange(-BEFORE, until + 1)
    random = np.random.default_rng(3)
    return size * shape(days + shift) + noise * random.standard_normal(len(days))


def curves(found=None, **terms):
    return term_curves.read_curves(
        found or settings(), {code: totals(code, values) for code, values in terms.items()}
    )


def history(day, found=None, **terms):
    found = found or settings()
    as_of = TERMS[NOW] + dt.timedelta(day)
    return term_curves.history_of(
        found, curves(found, **terms), found.term(NOW), as_of, is_gap_allowed=True
    )


def forecast(day, horizon=60, found=None, **terms):
    """The forecast of a day with the fit of its week."""
    known = history(day, found, **terms)
    fit = forecasts.fit(history(forecasts.fit_day(known), found, **terms), horizon, (80, 95))
    return forecasts.predict(fit, known), fit


OLD = {"2023FA": term(0.9, noise=2), "2024FA": term(1.0, noise=2)}


def said(method, day, ahead, **terms):
    known = history(day, **terms)
    return method(known.now, known.earlier, np.array([day]), np.array(ahead))[0]


def test_the_last_value_stays_and_a_week_is_averaged():
    values = {NOW: np.arange(100.0, 130.0)}
    day = -BEFORE + 29
    assert said(term_curves.last_value, day, [1, 30], **values).tolist() == [129, 129]
    assert said(term_curves.moving_average, day, [1, 30], **values).tolist() == [126, 126]


def test_drift_goes_on_as_the_last_week_did_until_the_term_starts():
    values = {NOW: np.arange(100.0, 100.0 + 5 * (BEFORE - 3), 5)}
    assert said(term_curves.drift, -4, [1, 4, 5, 30], **values).tolist() == [685, 700, 700, 700]


def test_pick_up_adds_what_the_earlier_term_added_and_ratio_grows_as_it_grew():
    old = {"2024FA": np.linspace(100, 320, BEFORE + AFTER + 1)}  # one student a day
    new = np.linspace(200, 300, BEFORE - 20 + 1)
    day = -20
    assert said(term_curves.pick_up, day, [10, 50], **{NOW: new}, **old).tolist() == [310, 350]
    assert said(term_curves.ratio, day, [10, 50], **{NOW: new}, **old) == pytest.approx(
        [300 * 210 / 200, 300 * 250 / 200]
    )


def test_earlier_terms_share_the_say():
    old = {
        "2023FA": np.linspace(100, 320, BEFORE + AFTER + 1),
        "2024FA": np.linspace(100, 540, BEFORE + AFTER + 1),
    }
    new = {NOW: np.full(BEFORE + 1, 500.0)}
    assert said(term_curves.pick_up, 0, [10], **new, **old).tolist() == [515]


def test_a_ratio_is_unknown_while_the_earlier_term_had_a_fifth_of_its_census():
    new = {NOW: term(until=-90)}
    assert shape(-90) < 0.2 * shape(14)
    assert np.isnan(said(term_curves.ratio, -90, [7], **new, **OLD)).all()
    assert not np.isnan(said(term_curves.pick_up, -90, [7], **new, **OLD)).any()
    assert not np.isnan(said(term_curves.curves, -90, [7], **new, **OLD)).any()


def test_with_an_earlier_term_of_the_same_shape_the_census_is_met():
    found, _ = forecast(-30, **{NOW: term(1.2, until=-30, noise=2)}, **OLD)
    census = 30 + 14
    assert found.expected[census - 1] == pytest.approx(1.2 * shape(14), rel=0.06)
    drift, _ = forecast(-30, **{NOW: term(1.2, until=-30, noise=2)})
    assert abs(found.expected[census - 1] - 1.2 * shape(14)) < abs(
        drift.expected[census - 1] - 1.2 * shape(14)
    )


def test_an_earlier_term_that_misleads_is_not_followed():
    # last year they came faster and faster, this year they come evenly
    old = 20 * np.exp(np.arange(BEFORE + AFTER + 1) / 20)
    new = np.linspace(100, 400, 80)
    found, fit = forecast(-BEFORE + 79, 30, **{"2024FA": old, NOW: new})
    assert set(fit.methods[:7]) <= {"last_value", "moving_average", "drift"}
    assert found.expected[6] == pytest.approx(400 + 7 * 300 / 79, abs=15)


def test_of_methods_that_are_equally_good_the_simplest_is_chosen():
    _, fit = forecast(-60, **{NOW: np.full(61, 300.0)})
    assert set(fit.methods) == {"last_value"}


def test_the_blend_is_kept_in_quiet_weeks_although_naive_methods_win_the_back_test():
    """Nobody registers for weeks, and then all do: the last value is right, until it is wrong."""
    days = np.arange(-BEFORE, AFTER + 1)
    late = 1000 / (1 + np.exp(-(days + 20) / 6))
    found, fit = forecast(-70, **{NOW: 1.1 * late[days <= -70] + 200, "2024FA": late + 200})
    assert set(fit.methods) == {"blend"}
    assert found.expected[-1] > 3 * 200  # where the last value is 200


def test_a_term_that_runs_a_week_late_is_followed_by_a_shifted_curve():
    late = {NOW: term(1.2, shift=-7, until=-30), "2024FA": term(1.0)}
    expected = said(term_curves.shift, -30, [25], **late)[0]
    assert expected == pytest.approx(1.2 * shape(-12), rel=0.02)
    assert abs(expected - 1.2 * shape(-12)) < abs(
        said(term_curves.pick_up, -30, [25], **late)[0] - 1.2 * shape(-12)
    )


def test_an_interval_holds_the_other_and_nothing_is_below_zero():
    found, _ = forecast(-60, **{NOW: term(0.01, until=-60), "2024FA": term(0.01)})
    assert (found.lower[95] <= found.lower[80]).all()
    assert (found.lower[80] <= found.expected).all()
    assert (found.expected <= found.upper[80]).all()
    assert (found.upper[80] <= found.upper[95]).all()
    assert (found.upper[95] - found.expected >= 1.52 * (found.upper[80] - found.expected)).all()
    assert (found.lower[95] >= 0).all()


def test_intervals_hold_about_as_often_as_they_say():
    random = np.random.default_rng(11)
    steps = random.normal(0, 5, BEFORE + AFTER + 1)
    walk = 2000 + steps.cumsum()
    hits = []
    for day in range(-60, 90, 3):
        found, _ = forecast(day, 7, **{NOW: walk[: day + BEFORE + 1]})
        truth = walk[day + BEFORE + 1 : day + BEFORE + 8]
        hits += ((found.lower[80] <= truth) & (truth <= found.upper[80])).tolist()
    assert 0.7 <= np.mean(hits) <= 0.92


def test_forecasts_end_with_the_term():
    found, _ = forecast(AFTER - 10, 90, **{NOW: term(until=AFTER - 10)})
    assert found.horizons.tolist() == list(range(1, 11))


def test_what_an_earlier_term_does_not_know_yet_leaves_the_level():
    # the comparison overlaps and is known for five more days only
    known = history(-60, **{NOW: term(until=-60), "2024FA": term(until=-55)})
    known = replace(known, earlier=(replace(known.earlier[0], is_ended=False),))
    fit = forecasts.Fit(("pick_up",) * 20, {}, {}, ())
    found = forecasts.predict(fit, known)
    assert found.methods == ("pick_up",) * 5 + ("last_value",) * 15
    assert np.isfinite(found.expected).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full(1, 10.0), "no forecast: 0 days of history, 14 needed"),
        (np.full(2, 10.0), "no forecast: 1 day of history, 14 needed"),
        (np.full(7, 10.0), "no forecast: 6 days of history, 14 needed"),
        (
            np.where(np.isin(np.arange(40), [0, 20, 39]), 10.0, np.nan),
            "no forecast: 3 snapshots in 39 days, 8 needed",
        ),
        (np.full(BEFORE + AFTER + 1, 10.0), "no forecast: the term has ended"),
    ],
)
def test_too_little_history_is_refused_in_words(values, words):
    known = history(len(values) - 1 - BEFORE, **{NOW: values})
    assert forecasts.why_not(known) == forecasts.Refusal(words)


def test_a_gap_of_weeks_with_too_few_days_to_test_on_is_refused_in_words():
    values = np.where((np.arange(60) < 5) | (np.arange(60) > 55), 10.0, np.nan)
    known = history(59 - BEFORE, **{NOW: values})
    assert forecasts.why_not(known) is None
    found = forecasts.fit(known, 30, (80, 95))
    assert found == forecasts.Refusal("no forecast: fewer than 7 days to test a method on")


@pytest.mark.parametrize(
    "values", [np.zeros(80), np.full(80, 500.0), np.r_[np.zeros(40), np.full(40, 9.0)]]
)
@pytest.mark.parametrize("old", [{}, {"2024FA": np.zeros(BEFORE + AFTER + 1)}, OLD])
def test_odd_series_give_finite_forecasts(values, old):
    found, fit = forecast(79 - BEFORE, 90, **{NOW: values}, **old)
    for array in (found.expected, *found.lower.values(), *found.upper.values()):
        assert np.isfinite(array).all()
    if not old and np.ptp(values) == 0:
        assert (found.expected == values[0]).all()
    assert all(score.n > 0 for score in fit.scores)


def test_nothing_from_after_the_day_is_used():
    day = -40
    found, fit = forecast(day, **{NOW: term(until=day, noise=2)}, **OLD)
    later = {NOW: np.r_[term(until=day, noise=2), np.full(50, 9999.0)]}
    again, same = forecast(day, **later, **OLD)
    assert again.expected.tolist() == found.expected.tolist()
    assert again.upper[95].tolist() == found.upper[95].tolist()
    assert same.scores == fit.scores


def test_a_line_over_a_gap_does_not_end_in_a_snapshot_that_was_not_there():
    values = np.full(80, 100.0)
    values[60:69] = np.nan
    values[69:] = 1000.0
    known = history(65 - BEFORE, **{NOW: values})
    assert known.today == 59 - BEFORE
    assert known.now.values.tolist() == [100.0] * 60


def test_all_days_of_a_week_share_its_fit():
    days = range(-BEFORE + 14, -BEFORE + 35)
    grid = [forecasts.fit_day(history(day, **{NOW: np.full(60, 10.0)})) for day in days]
    assert grid == [-BEFORE + 14] * 7 + [-BEFORE + 21] * 7 + [-BEFORE + 28] * 7


def test_models_of_the_series_are_tried_where_no_earlier_term_is():
    weekly = 1000 + 80 * np.sin(2 * np.pi * np.arange(150) / 7) + np.arange(150) * 0.1
    known = history(29, **{NOW: weekly})
    trial = forecasts.try_models(known, 30)
    assert set(trial.errors) == {"last_value", "moving_average", "drift", forecasts.MODELS}
    fit = forecasts.fit(known, 30, (80, 95), trial)
    assert forecasts.MODELS in fit.methods
    found = forecasts.predict(fit, known)
    truth = 1000 + 80 * np.sin(2 * np.pi * np.arange(150, 180) / 7) + np.arange(150, 180) * 0.1
    assert np.abs(found.expected - truth).mean() < 20
    # two days later the same path goes on from the headcount of that day
    longer = 1000 + 80 * np.sin(2 * np.pi * np.arange(152) / 7) + np.arange(152) * 0.1
    later = forecasts.predict(fit, history(31, **{NOW: longer}))
    assert np.abs(later.expected[:20] - truth[2:22]).mean() < 20
    assert forecasts.try_models(history(29, **{NOW: weekly}, **OLD), 30) is None


def test_a_trial_of_the_models_sees_nothing_after_its_origins():
    weekly = 1000 + 80 * np.sin(2 * np.pi * np.arange(150) / 7)
    changed = weekly.copy()
    changed[-7:] += 500  # only the newest origin ends before these days; the others are older
    before, after = (
        forecasts.try_models(history(29, **{NOW: values}), 30) for values in (weekly, changed)
    )
    for name in before.errors:
        expected = before.errors[name] + before.observed
        known = ~np.isnan(expected)
        again = (after.errors[name] + after.observed)[known]
        assert again == pytest.approx(expected[known]), name


def test_an_earlier_term_whose_scope_changed_is_left_out_with_a_word():
    jump = np.where(np.arange(-BEFORE, AFTER + 1) >= -30, 1.3, 1.0)
    found = history(-20, **{"2024FA": term() * jump, NOW: term(until=-20)})
    assert found.earlier == ()
    (words,) = found.left_out
    assert words.startswith("2024FA is no guide: its headcount rose by 3")
    assert "on 2024-07-27, which no event of the calendar explains" in words
    # The one before it still is a guide.
    found = history(-20, **{"2023FA": term(), "2024FA": term() * jump, NOW: term(until=-20)})
    assert len(found.earlier) == len(found.left_out) == 1


@pytest.mark.parametrize("event", ["2024-07-27", "2024-07-29"])
def test_a_jump_that_the_calendar_names_changes_no_scope(event):
    jump = np.where(np.arange(-BEFORE, AFTER + 1) >= -30, 1.3, 1.0)
    named = settings(calendar={"events": [{"date": event, "name": "admissions load"}]})
    found = history(-20, named, **{"2024FA": term() * jump, NOW: term(until=-20)})
    assert found.left_out == ()
    assert len(found.earlier) == 1


def test_a_change_of_scope_is_not_known_before_its_day():
    jump = np.where(np.arange(-BEFORE, AFTER + 1) >= -30, 1.3, 1.0)
    found = settings()
    now = dt.date(2024, 7, 20)
    known = curves(found, **{"2023FA": term(), "2024FA": term() * jump})
    before = term_curves.history_of(found, known, found.term("2024FA"), now, is_gap_allowed=True)
    assert before.left_out == ()


def test_a_term_of_another_season_is_no_guide():
    terms = settings().model_dump(mode="json")["terms"]
    for key in ("starts", "census", "ends"):
        later = dt.date.fromisoformat(terms[1][key]) + dt.timedelta(150)
        terms[1][key] = later.isoformat()
    found = history(-20, settings(terms), **{"2024FA": term(), NOW: term(until=-20)})
    assert found.earlier == ()
    assert found.left_out == ("2024FA is no guide: it starts in another season",)


def test_independent_forecasts_are_those_whose_spans_do_not_overlap():
    days = np.arange(0, 200)
    assert [independent(days, horizon) for horizon in (7, 30, 90)] == [29, 7, 3]
    assert independent(np.array([3]), 90) == 1
    assert independent(np.array([], dtype=int), 7) == 0
    assert independent(np.array([0, 50, 100]), 7) == 3


def test_scores_are_those_of_their_definitions():
    errors = np.array([10.0, -20.0, np.nan])
    observed = np.array([200.0, 50.0, 80.0])
    n, mae, mape, mase, bias, skill = score_of(
        errors, observed, np.array([30.0, -30.0, 5.0]), daily_change=5.0
    )
    assert (n, mae, bias, mase, skill) == (2, 15.0, -5.0, 3.0, 50.0)
    assert mape == 5.0  # only of the headcount of 100 and more
    assert score_of(np.array([np.nan]), observed[:1], errors[:1], 5.0)[0] == 0
