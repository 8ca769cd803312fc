"""Forecasts of a series by its own past: exact on exact series, quiet on odd ones, blind to the future."""

import subprocess
import sys
import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment_assets.analytics import series_methods
from enrollment_assets.analytics.series_methods import (
    COMBINED,
    METHODS,
    SIMPLE,
    Method,
    backtest,
    choose,
    combine,
    naive_scale,
    predictions,
)

FloatArray = npt.NDArray[np.float64]
WEEK = np.array([5.0, 9.0, 8.0, 8.0, 7.0, 1.0, 0.0])
BY_NAME = {method.name: method for method in METHODS}


def forecast(name: str, y: FloatArray, season: int = 7, horizon: int = 10) -> FloatArray:
    predicted = BY_NAME[name].forecast(y, season, horizon)
    assert predicted is not None
    return predicted


@pytest.fixture(scope="module")
def noisy_weeks() -> FloatArray:
    """200 days of counts: a weekly rhythm, a trend and noise."""
    random = np.random.default_rng(3)
    return random.poisson(20 + 10 * np.resize(WEEK, 200) + 0.2 * np.arange(200)).astype(float)


def test_the_last_value_goes_on() -> None:
    assert forecast("last_value", np.array([3.0, 8.0])).tolist() == [8.0] * 10


def test_a_week_repeats() -> None:
    expected = np.resize(WEEK, 10)
    assert (forecast("seasonal_naive", np.tile(WEEK, 3)) == expected).all()
    assert (forecast("seasonal_drift", np.tile(WEEK, 3)) == expected).all()


def test_a_week_repeats_from_the_day_on_which_the_series_ends() -> None:
    y = np.tile(WEEK, 4)[:-3]
    expected = np.resize(WEEK, 40)[len(y) % 7 :][:10]
    assert (forecast("seasonal_naive", y) == expected).all()
    assert forecast("arima", y) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["drift", "seasonal_drift", "linear_trend"])
def test_a_line_goes_on(name: str) -> None:
    assert forecast(name, 4 + 3.0 * np.arange(50)) == pytest.approx(4 + 3.0 * np.arange(50, 60))


def test_a_line_with_a_week_on_top_goes_on() -> None:
    whole = 4 + 3.0 * np.arange(70) + np.tile(WEEK, 10)
    assert forecast("seasonal_drift", whole[:56], horizon=14) == pytest.approx(whole[56:])
    assert forecast("arima", whole[:56], horizon=14) == pytest.approx(whole[56:])


def test_the_moving_average_covers_four_seasons() -> None:
    y = np.concatenate([np.full(100, 50.0), np.tile(WEEK, 4)])
    assert forecast("moving_average", y) == pytest.approx(np.full(10, WEEK.mean()))


def test_a_linear_trend_is_that_of_numpy(noisy_weeks: FloatArray) -> None:
    slope, level = np.polyfit(np.arange(200), noisy_weeks, 1)
    assert forecast("linear_trend", noisy_weeks) == pytest.approx(
        level + slope * np.arange(200, 210)
    )


def test_damped_smoothing_is_that_of_statsmodels(noisy_weeks: FloatArray) -> None:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    model = ETSModel(
        noisy_weeks,
        trend="add",
        damped_trend=True,
        seasonal="add",
        seasonal_periods=7,
        initialization_method="heuristic",
    )
    # dividing by the range changes where the optimiser stops, not what it looks for
    assert forecast("damped_smoothing", noisy_weeks) == pytest.approx(
        model.fit(disp=False).forecast(10), rel=0.02
    )


def test_theta_without_a_season_is_half_the_trend_on_smoothing(noisy_weeks: FloatArray) -> None:
    predicted = forecast("theta", noisy_weeks, season=1)
    slope = np.polyfit(np.arange(200), noisy_weeks, 1)[0]
    assert np.diff(predicted) == pytest.approx(np.full(9, slope / 2), rel=0.01)


def test_arima_is_least_squares_on_the_steps() -> None:
    random = np.random.default_rng(5)
    steps = np.zeros(4000)
    for at in range(1, 4000):
        steps[at] = 0.7 * steps[at - 1] + random.normal()
    y = 1000 + steps.cumsum()
    ahead = forecast("arima", y, season=1, horizon=3)
    expected = y[-1] + np.cumsum(steps[-1] * 0.7 ** np.arange(1, 4))
    assert ahead == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("length", [*range(1, 11), 14, 15, 23, 24, 25, 30])
def test_every_length_has_a_forecast(length: int) -> None:
    y = np.random.default_rng(length).poisson(100, length).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = choose(y, 7, 12)
    assert chosen.forecast.shape == (12,)
    assert np.isfinite(chosen.forecast).all()
    assert chosen.errors.shape[1] == 12
    assert set(chosen.not_applicable) == {
        method.name for method in METHODS if length < method.min_length(7)
    }


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(60),
        np.full(60, 41.0),
        np.arange(60.0),
        np.r_[np.zeros(59), 1.0],
        np.r_[np.zeros(30), np.full(30, 3.0)],
        np.tile(WEEK, 9),
        1e15 + 1e12 * np.resize(WEEK, 60) ** 2,
        1e300 * np.resize(WEEK, 60),
        1e-300 * np.resize(WEEK, 60),
        np.exp(np.arange(60.0)),
        -(np.arange(60.0) ** 2),
    ],
    ids="zeros constant line last_differs step periodic huge vast tiny explosive falling".split(),
)
@pytest.mark.parametrize("season", [1, 7])
def test_odd_series_raise_nothing_and_warn_of_nothing(y: FloatArray, season: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = choose(y, season, 14)
    assert np.isfinite(chosen.forecast).all()


@pytest.mark.parametrize("value", [0.0, 41.0, 0.1, 1e300])
def test_every_method_keeps_a_constant_series(value: float) -> None:
    said = predictions(np.full(60, value), 7, 14)
    assert not said.not_applicable
    for predicted in said.forecasts.values():
        assert predicted == pytest.approx(np.full(14, value))
    assert choose(np.full(60, value), 7, 14, prefer=None).name == "last_value"


def test_a_short_series_says_what_is_missing() -> None:
    said = predictions(np.array([1.0, 2.0]), 7, 3)
    assert said.not_applicable["linear_trend"] == "needs 3 values; there are 2"
    assert set(said.forecasts) == {"last_value", "moving_average", "drift"}


def test_a_failed_fit_is_a_reason_and_any_other_error_is_raised() -> None:
    def failing(error: Exception) -> Method:
        def predict(y: FloatArray, season: int, horizon: int) -> FloatArray:
            with series_methods._fit(y):
                raise error

        return Method("failing", 1, predict, min_values=1)

    y = np.arange(5.0)
    said = predictions(y, 1, 2, [failing(np.linalg.LinAlgError("singular"))])
    assert said.not_applicable == {"failing": "the fit failed: singular"}
    with pytest.raises(KeyError):
        predictions(y, 1, 2, [failing(KeyError("a fault of ours"))])


@pytest.mark.parametrize(
    ("y", "season", "horizon"),
    [
        (np.array([]), 7, 3),
        (np.array([1.0, np.nan]), 7, 3),
        (np.array([1.0, np.inf]), 7, 3),
        (np.ones(3), 0, 3),
        (np.ones(3), 7, 0),
    ],
)
def test_what_is_no_series_is_refused(y: FloatArray, season: int, horizon: int) -> None:
    with pytest.raises(ValueError):
        choose(y, season, horizon)


def test_no_method_for_the_series_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="needs 24 values; there are 5"):
        choose(np.arange(5.0), 7, 3, [BY_NAME["theta"]])


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_forecasts_scale_with_the_series(name: str, noisy_weeks: FloatArray) -> None:
    once, scaled = forecast(name, noisy_weeks), forecast(name, 1024 * noisy_weeks)
    assert scaled == pytest.approx(1024 * once)


def test_the_combination_is_the_median_of_its_members() -> None:
    steps = {name: np.full(2, float(at)) for at, name in enumerate(series_methods._MEMBERS)}
    assert combine({**steps, "last_value": np.full(2, 99.0)}).tolist() == [1.5, 1.5]
    steps.pop("seasonal_drift")
    assert combine(steps).tolist() == [2.0, 2.0]
    steps.pop("arima")
    assert combine(steps) is None


def test_the_combination_is_preferred_where_it_applies(noisy_weeks: FloatArray) -> None:
    chosen = choose(noisy_weeks, 7, 14)
    members = [forecast(name, noisy_weeks, horizon=14) for name in series_methods._MEMBERS]
    assert chosen.name == COMBINED
    assert chosen.forecast == pytest.approx(np.median(members, axis=0))


def test_a_preference_that_was_not_tested_is_not_followed(noisy_weeks: FloatArray) -> None:
    assert choose(noisy_weeks[:25], 7, 14).name != COMBINED
    assert COMBINED in predictions(noisy_weeks[:25], 7, 14).forecasts


def constant_error(name: str, complexity: int, error: float) -> Method:
    """On a series of zeros it is always off by so much."""
    return Method(name, complexity, lambda y, s, h: np.full(h, error), min_values=1)


@pytest.mark.parametrize(("better", "expected"), [(0.96, "simple"), (0.94, "refined")])
def test_the_simplest_wins_unless_another_is_better_by_five_percent(
    better: float, expected: str
) -> None:
    methods = [constant_error("refined", 2, better), constant_error("simple", 1, 1.0)]
    assert choose(np.zeros(30), 1, 5, methods).name == expected


def test_errors_are_actual_less_forecast_at_each_origin() -> None:
    y = np.arange(30.0)
    errors = backtest(y, 1, 4, SIMPLE)["last_value"]
    assert errors.tolist() == [[1.0, 2.0, 3.0, 4.0]] * 3
    assert backtest(y, 1, 4, SIMPLE, origins=5)["last_value"].shape == (5, 4)


def test_a_short_series_is_tested_over_fewer_steps() -> None:
    errors = backtest(np.arange(6.0), 1, 4, SIMPLE)["last_value"]
    assert errors[:, :2].tolist() == [[1.0, 2.0]] * 3
    assert np.isnan(errors[:, 2:]).all()
    assert backtest(np.arange(2.0), 1, 4, SIMPLE) == {}


def test_mase_divides_by_the_seasonal_naive_error() -> None:
    assert naive_scale(2.0 * np.arange(20), 7) == 14
    assert naive_scale(2.0 * np.arange(5), 7) == 2
    assert naive_scale(np.tile(WEEK, 3), 7) == 1
    assert naive_scale(np.ones(1), 7) == 1
    chosen = choose(2.0 * np.arange(30), 1, 4, SIMPLE, prefer=None)
    assert chosen.scaled_errors["last_value"] == 2.5


def test_a_choice_sees_nothing_after_its_origin(noisy_weeks: FloatArray) -> None:
    seen: list[int] = []

    def watch(y: FloatArray, season: int, horizon: int) -> FloatArray:
        seen.append(len(y))
        assert (y == noisy_weeks[: len(y)]).all()
        return np.zeros(horizon)

    changed = noisy_weeks.copy()
    changed[150:] = -1e6
    methods = [*METHODS, Method("watch", 99, watch, min_values=1)]
    told, untold = (choose(y[:150], 7, 14, methods) for y in (noisy_weeks, changed))
    assert (told.forecast == untold.forecast).all()
    assert told.scaled_errors == untold.scaled_errors
    assert seen == [150, 136, 129, 122] * 2


def test_errors_of_an_origin_do_not_depend_on_later_values(noisy_weeks: FloatArray) -> None:
    changed = noisy_weeks.copy()
    changed[-7:] += 500  # the two earlier origins end before
    before, after = (backtest(y, 7, 14) for y in (noisy_weeks, changed))
    for name, errors in before.items():
        assert (errors[1:] == after[name][1:]).all(), name


def test_the_same_series_gives_the_same_forecast(noisy_weeks: FloatArray) -> None:
    first, second = choose(noisy_weeks, 7, 30), choose(noisy_weeks.copy(), 7, 30)
    assert first.name == second.name
    assert (first.forecast == second.forecast).all()
    assert (first.errors == second.errors).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 20),
)
def test_simple_methods_never_fail(values: list[float], season: int, horizon: int) -> None:
    chosen = choose(np.array(values), season, horizon, SIMPLE)
    assert chosen.forecast.shape == (horizon,)
    assert np.isfinite(chosen.forecast).all()


def test_the_module_loads_without_statsmodels() -> None:
    code = (
        "import sys, enrollment_assets.analytics.series_methods as sm, numpy as np;"
        "sm.choose(np.arange(50.0), 7, 5, sm.SIMPLE);"
        "assert not {'statsmodels', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
