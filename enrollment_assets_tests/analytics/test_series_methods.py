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
from enrollment_assets.analytics.series_methods import COMBINED, MEMBERS, Method, predictions

FloatArray = npt.NDArray[np.float64]
WEEK = np.array([5.0, 9.0, 8.0, 8.0, 7.0, 1.0, 0.0])
BY_NAME = {method.name: method for method in MEMBERS}


def forecast(name: str, y: FloatArray, season: int = 7, horizon: int = 10) -> FloatArray:
    return predictions(y, season, horizon, [BY_NAME[name]])[name]


@pytest.fixture(scope="module")
def noisy_weeks() -> FloatArray:
    """200 days of counts: a weekly rhythm, a trend and noise."""
    random = np.random.default_rng(3)
    return random.poisson(20 + 10 * np.resize(WEEK, 200) + 0.2 * np.arange(200)).astype(float)


def test_a_week_repeats() -> None:
    assert (forecast("seasonal_drift", np.tile(WEEK, 3)) == np.resize(WEEK, 10)).all()


def test_a_week_repeats_from_the_day_on_which_the_series_ends() -> None:
    y = np.tile(WEEK, 4)[:-3]
    expected = np.resize(WEEK, 40)[len(y) % 7 :][:10]
    assert (forecast("seasonal_drift", y) == expected).all()
    assert forecast("arima", y) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["seasonal_drift", "arima"])
def test_a_line_goes_on(name: str) -> None:
    assert forecast(name, 4 + 3.0 * np.arange(50)) == pytest.approx(4 + 3.0 * np.arange(50, 60))


def test_a_line_with_a_week_on_top_goes_on() -> None:
    whole = 4 + 3.0 * np.arange(70) + np.tile(WEEK, 10)
    assert forecast("seasonal_drift", whole[:56], horizon=14) == pytest.approx(whole[56:])
    assert forecast("arima", whole[:56], horizon=14) == pytest.approx(whole[56:])


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
def test_a_series_is_forecast_by_the_methods_that_it_is_long_enough_for(length: int) -> None:
    y = np.random.default_rng(length).poisson(100, length).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecasts = predictions(y, 7, 12)
    for predicted in forecasts.values():
        assert predicted.shape == (12,)
        assert np.isfinite(predicted).all()
    assert set(forecasts) - {COMBINED} == {
        name for name, method in BY_NAME.items() if length >= method.min_length(7)
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
        forecasts = predictions(y, season, 14)
    assert forecasts
    for predicted in forecasts.values():
        assert np.isfinite(predicted).all()


@pytest.mark.parametrize("value", [0.0, 41.0, 0.1, 1e300])
def test_every_method_keeps_a_constant_series(value: float) -> None:
    forecasts = predictions(np.full(60, value), 7, 14)
    assert set(forecasts) == {*BY_NAME, COMBINED}
    for predicted in forecasts.values():
        assert predicted == pytest.approx(np.full(14, value))


def test_a_method_whose_fit_fails_is_left_out_and_any_other_error_is_raised() -> None:
    def failing(error: Exception) -> Method:
        def predict(y: FloatArray, season: int, horizon: int) -> FloatArray:
            with series_methods._fit(y):
                raise error

        return Method("failing", predict, min_values=1, min_seasons=0)

    y = np.arange(5.0)
    assert predictions(y, 1, 2, [failing(np.linalg.LinAlgError("singular"))]) == {}
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
        predictions(y, season, horizon)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_forecasts_scale_with_the_series(name: str, noisy_weeks: FloatArray) -> None:
    once, scaled = forecast(name, noisy_weeks), forecast(name, 1024 * noisy_weeks)
    assert scaled == pytest.approx(1024 * once)


def test_the_combination_is_the_median_of_the_methods(noisy_weeks: FloatArray) -> None:
    forecasts = predictions(noisy_weeks, 7, 14)
    members = [forecast(name, noisy_weeks, horizon=14) for name in BY_NAME]
    assert forecasts[COMBINED] == pytest.approx(np.median(members, axis=0))


def constant(name: str, value: float) -> Method:
    """It always says the same."""
    return Method(name, lambda y, s, h: np.full(h, value), min_values=1, min_seasons=0)


def test_two_methods_have_no_combination() -> None:
    y = np.arange(5.0)
    methods = [constant(name, value) for name, value in (("a", 1.0), ("b", 2.0), ("c", 9.0))]
    assert predictions(y, 1, 2, methods)[COMBINED].tolist() == [2.0, 2.0]
    assert COMBINED not in predictions(y, 1, 2, methods[:2])


def test_the_same_series_gives_the_same_forecast(noisy_weeks: FloatArray) -> None:
    first, second = predictions(noisy_weeks, 7, 30), predictions(noisy_weeks.copy(), 7, 30)
    assert first.keys() == second.keys()
    for name, predicted in first.items():
        assert (predicted == second[name]).all(), name


def test_a_forecast_leaves_the_series_as_it_was(noisy_weeks: FloatArray) -> None:
    before = noisy_weeks.copy()
    predictions(noisy_weeks, 7, 14)
    assert (noisy_weeks == before).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 20),
)
def test_a_week_that_repeats_never_fails(values: list[float], season: int, horizon: int) -> None:
    y, method = np.array(values), BY_NAME["seasonal_drift"]
    forecasts = predictions(y, season, horizon, [method])
    assert ("seasonal_drift" in forecasts) == (len(y) >= method.min_length(season))
    for predicted in forecasts.values():
        assert predicted.shape == (horizon,)
        assert np.isfinite(predicted).all()


def test_the_module_loads_without_statsmodels() -> None:
    code = (
        "import sys, enrollment_assets.analytics.series_methods as sm, numpy as np;"
        "sm.predictions(np.arange(50.0), 7, 5, sm.MEMBERS[:1]);"
        "assert not {'statsmodels', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
