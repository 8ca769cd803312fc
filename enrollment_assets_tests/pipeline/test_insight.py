"""What figures mean: comparisons, trends, cohorts and survival, on real tables."""

import datetime as dt

import numpy as np
import pytest

from enrollment_assets.cli.running import acknowledge, execute_and_restate, rebuild
from enrollment_assets.pipeline.days import stale_ranges
from enrollment_assets.pipeline.insight import cohorts
from enrollment_assets.pipeline.names import BACKFILL, CORE, INSIGHT
from enrollment_assets_tests.conftest import CHECKOUT, NEVER_HELD, day, student
from enrollment_assets_tests.support.moments import take_in

# The starts of the two terms of the test university; the spring is compared with the autumn.
AUTUMN, SPRING = dt.date(2024, 8, 26), dt.date(2025, 1, 13)


def people(count, start=0, **others):
    return [student(f"{number:05d}", **others) for number in range(start, start + count)]


def autumn(offset):
    return str(AUTUMN + dt.timedelta(offset))


def spring(offset):
    return str(SPRING + dt.timedelta(offset))


def both(university, offset, now, then):
    """The same relative day of both terms."""
    university.write(autumn(offset), people(then))
    university.write(spring(offset), people(now, term="2025SP"))


def ten_days_of_two_terms(university):
    """Ten days before the start of both terms, with a day missing in the first one."""
    for offset in range(-10, 0):
        both(university, offset, 130 + offset, 100 + offset)
    university.file(autumn(-4)).unlink()
    take_in(university, autumn(-10), autumn(-1))
    take_in(university, spring(-10), spring(-1), insight=True)


@pytest.fixture
def two_terms(filled_by):
    return filled_by(ten_days_of_two_terms)


def compared(university, date):
    names = (
        "comparison_term, comparison_day::VARCHAR, comparison_date::VARCHAR, comparison_gap_days, "
        "total_enrollment, comparison_total, change, change_pct, comparison_census, comparison_final, note"
    )
    rows = university.query(
        f"SELECT {names} FROM enrollment.point_in_time WHERE date = ? ORDER BY term", day(date)
    )
    return [
        dict(zip([name.split("::")[0] for name in names.split(", ")], row, strict=True))
        for row in rows
    ]


def test_a_day_stands_beside_the_day_with_the_same_distance_to_the_start(two_terms):
    (row,) = compared(two_terms, spring(-6))
    assert row["comparison_term"] == "2024FA"
    assert row["comparison_day"] == row["comparison_date"] == autumn(-6)
    assert row["comparison_gap_days"] == 0
    assert (row["total_enrollment"], row["comparison_total"], row["change"]) == (124, 94, 30)
    assert row["change_pct"] == pytest.approx(100 * 30 / 94)
    assert row["note"] is None


def test_a_day_without_a_snapshot_takes_the_one_before_and_says_so(two_terms):
    (row,) = compared(two_terms, spring(-4))
    assert row["comparison_day"] == autumn(-4)
    assert row["comparison_date"] == autumn(-5)
    assert row["comparison_gap_days"] == 1
    assert row["comparison_total"] == 95
    assert row["note"] == f"2024FA had no snapshot on {autumn(-4)}; that of {autumn(-5)} is shown"


def test_what_the_comparison_came_to_is_known_once_it_is_over(two_terms):
    # its last snapshot is that of its last day but one before the start: census and end are behind
    (row,) = compared(two_terms, spring(-1))
    assert row["comparison_census"] == row["comparison_final"] == 99
    two_terms.write("2024-12-19", people(80) + people(60, term="2025SP"))
    take_in(two_terms, "2024-12-19", insight=True)
    autumn_itself, early = compared(two_terms, "2024-12-19")
    # the autumn is not over on that day
    assert early["comparison_term"] == "2024FA"
    assert early["comparison_census"] == 99
    assert early["comparison_final"] is None
    assert autumn_itself["note"] == "no comparison term is configured for 2024FA"
    assert autumn_itself["comparison_total"] is None


def test_a_comparison_without_any_snapshot_is_said_in_words(university):
    university.write(spring(-3), people(10, term="2025SP"))
    take_in(university, spring(-3), insight=True)
    (row,) = compared(university, spring(-3))
    assert row["comparison_total"] is None
    assert row["note"] == f"2024FA has no snapshot on or before {autumn(-3)}"


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [("starts", autumn(-6)), ("registration_opens", "2024-06-07"), ("census", autumn(-6))],
)
def test_the_anchor_decides_which_days_stand_beside_each_other(two_terms, anchor, expected):
    two_terms.change(point_in_time={"anchor": anchor})
    take_in(two_terms, spring(-6), insight=True)
    (row,) = compared(two_terms, spring(-6))
    assert row["comparison_day"] == expected


def test_segments_stand_beside_themselves_and_say_what_they_add(university):
    law = {"program": "Law"}
    university.write(autumn(-5), people(60) + people(40, 60, **law))
    university.write(
        spring(-5),
        people(90, term="2025SP") + people(20, 90, term="2025SP", program="Music"),
    )
    take_in(university, autumn(-5))
    take_in(university, spring(-5), insight=True)
    rows = university.query(
        "SELECT segment, total_enrollment, comparison_total, change, change_pct, contribution_pct "
        "FROM enrollment.segment_point_in_time WHERE dimension = 'program' ORDER BY segment"
    )
    assert rows == [
        ("History", 90, 60, 30, 50.0, 30.0),
        ("Law", 0, 40, -40, -100.0, -40.0),
        ("Music", 20, 0, 20, None, 20.0),
    ]
    # the contributions of a dimension add up to the growth of the term
    (total,) = compared(university, spring(-5))
    assert sum(row[-1] for row in rows) == pytest.approx(total["change_pct"])


def test_the_trend_is_the_mean_change_with_students_interval(university):
    changes = [5, 9, -2, 7, 4, 12, 0, 3, 8, 6]
    total = 100
    university.write(autumn(-20), people(total))
    for number, change in enumerate(changes, start=1):
        total += change
        university.write(autumn(-20 + number), people(total))
    assert university.run(autumn(-20), autumn(-10), BACKFILL).success
    row = university.query(
        "SELECT slope, slope_lower, slope_upper, volatility, direction, moving_average_7 "
        "FROM enrollment.enrollment_trend WHERE date = ?",
        day(autumn(-10)),
    )[0]
    from scipy import stats

    mean, spread = np.mean(changes), np.std(changes, ddof=1)
    half = stats.t.ppf(0.975, len(changes) - 1) * spread / np.sqrt(len(changes))
    assert row[:4] == pytest.approx((mean, mean - half, mean + half, spread), rel=1e-3)
    assert row[4] == "rising"
    assert row[5] == pytest.approx(np.mean(100 + np.cumsum(changes)[-7:]))
    # two changes are too few to speak of a trend
    first = university.query(
        "SELECT slope, direction FROM enrollment.enrollment_trend ORDER BY date LIMIT 3"
    )
    assert first == [(None, None)] * 3
    months = university.query(
        "SELECT month_start::VARCHAR FROM enrollment.monthly_enrollment_summary"
    )
    assert months == [("2024-08-01",)]


def census(university, *, autumn_students, spring_students):
    university.write("2024-09-09", autumn_students)
    university.write("2025-01-27", [{**row, "term": "2025SP"} for row in spring_students])


def persistence(university):
    return university.query(
        "SELECT dimension, segment, cohort_size, enrolled, persistence_rate "
        "FROM enrollment.term_persistence WHERE cohort_term = '2024FA' AND term = '2025SP' "
        "ORDER BY dimension NULLS FIRST, segment"
    )


def two_censuses(university):
    law = {"program": "Law"}
    census(
        university,
        autumn_students=people(60) + people(40, 60, **law),
        spring_students=people(30) + people(30, 60, **law) + people(25, 500),
    )
    take_in(university, "2024-09-09")
    take_in(university, "2025-01-27", insight=True)


@pytest.fixture
def followed(filled_by):
    return filled_by(two_censuses)


def test_the_census_cohort_is_followed_into_later_terms_by_segment(followed):
    rows = persistence(followed)
    assert rows[0] == (None, None, 100, 60, 60.0)
    assert [row for row in rows if row[0] == "program"] == [
        ("program", "History", 60, 30, 50.0),
        ("program", "Law", 40, 30, 75.0),
    ]


def test_a_frozen_census_stays_when_its_day_is_corrected_until_it_is_rebuilt(followed):
    followed.write("2024-09-09", people(80))
    take_in(followed, "2024-09-09", insight=True)
    assert persistence(followed)[0][2] == 100
    with followed.warehouse().connect() as connection:
        changed = cohorts.changed_censuses(connection, followed.settings)
    assert [(row[0], row[2], row[4]) for row in changed] == [("2024FA", 100, 80)]
    outcome = rebuild(followed.settings, "2024FA", "ana")
    assert outcome.success, outcome.failures
    assert persistence(followed)[0][2] == 80
    with followed.warehouse().connect() as connection:
        assert cohorts.changed_censuses(connection, followed.settings) == []


def test_deposits_that_do_not_come_to_the_census_have_melted(university):
    university.change(statuses={"counted": ["enrolled", "deposited"], "deposited": ["deposited"]})
    deposit = {"status": "deposited"}
    university.write("2024-09-01", people(20, **deposit) + people(50, 100))
    # of 20: 12 enrolled, 3 still promise, 5 are gone
    university.write("2024-09-09", people(12) + people(3, 12, **deposit) + people(50, 100))
    take_in(university, "2024-09-01", "2024-09-09", insight=True)
    rows = university.query(
        "SELECT term, deposited, enrolled, melted, melt_rate FROM enrollment.deposit_melt "
        "WHERE dimension IS NULL"
    )
    assert rows == [("2024FA", 20, 12, 8, 40.0)]
    # who only promises is in no cohort
    assert university.query(
        "SELECT count(*) FROM operations.census_members WHERE status = 'deposited'"
    ) == [(3,)]
    census(university, autumn_students=[], spring_students=people(15))
    university.file("2024-09-09").unlink()
    take_in(university, "2025-01-27", insight=True)
    assert persistence(university)[0][2:4] == (62, 12)


def test_survival_is_the_kaplan_meier_estimate(university):
    # day 0: 10 students; 2 leave on day 1; 5 come on day 2; of them 1 leaves on day 4, as do 2 old ones
    university.write(autumn(0), people(10))
    university.write(autumn(1), people(8))
    university.write(autumn(2), people(8) + people(5, 20))
    university.write(autumn(3), people(8) + people(5, 20))
    university.write(autumn(4), people(6) + people(4, 20))
    take_in(university, autumn(0), autumn(4), insight=True)
    rows = university.query(
        "SELECT days_enrolled, at_risk, dropped, survival_pct, lower_95, upper_95 "
        "FROM enrollment.term_survival ORDER BY days_enrolled"
    )
    from statsmodels.duration.survfunc import SurvfuncRight

    times = [1] * 2 + [4] * 2 + [4] * 6 + [2] * 1 + [2] * 4
    left = [1] * 2 + [1] * 2 + [0] * 6 + [1] * 1 + [0] * 4
    expected = SurvfuncRight(np.array(times), np.array(left))
    assert rows[0][:4] == (0, 15, 0, 100.0)
    assert [row[0] for row in rows[1:]] == expected.surv_times.tolist()
    assert [row[1] for row in rows[1:]] == expected.n_risk.tolist()
    assert [row[3] for row in rows[1:]] == pytest.approx((100 * expected.surv_prob).tolist())
    variance = [
        sum(d / (n * (n - d)) for _, n, d, *_ in rows[1 : number + 1]) for number in (1, 2, 3)
    ]
    for row, part in zip(rows[1:], variance, strict=True):
        share = row[3] / 100
        half = 1.959964 * np.sqrt(part) / abs(np.log(share))
        assert row[4:] == pytest.approx((100 * share ** np.exp(half), 100 * share ** np.exp(-half)))


def test_a_student_who_comes_back_has_not_left(university):
    university.write(autumn(0), people(10))
    university.write(autumn(1), people(9))
    university.write(autumn(2), people(10))
    take_in(university, autumn(0), autumn(2), insight=True)
    assert university.query(
        "SELECT days_enrolled, at_risk, dropped FROM enrollment.term_survival"
    ) == [(0, 10, 0)]


def test_a_late_day_of_the_comparison_restates_the_insight_of_a_year_later(two_terms):
    two_terms.write(autumn(-4), people(90))
    outcome = execute_and_restate(two_terms.settings, CORE, day(autumn(-4)), day(autumn(-4)))
    assert outcome.success, outcome.failures
    (row,) = compared(two_terms, spring(-4))
    assert (row["comparison_date"], row["comparison_total"]) == (autumn(-4), 90)
    assert stale_ranges(two_terms.settings, insight=True) == []


def test_insight_that_nobody_asked_for_is_not_stale(university):
    both(university, -3, 50, 40)
    take_in(university, autumn(-3))
    take_in(university, spring(-3))
    assert stale_ranges(university.settings, insight=True) == []
    assert university.query("SELECT count(*) FROM enrollment.point_in_time") == [(0,)]


def test_a_backfill_that_is_not_of_the_core_alone_brings_insight(university):
    university.change(metrics_dir=str(CHECKOUT / "sql" / "metrics"))
    for offset in range(-12, 0):
        university.write(autumn(offset), people(60 + offset))
    outcome = university.run(autumn(-12), autumn(-1), BACKFILL)
    assert outcome.success, outcome.failures
    for table in ("point_in_time", "enrollment_anomalies", "headcount_by_program"):
        assert university.query(f"SELECT count(DISTINCT date) FROM enrollment.{table}") == [(12,)]
    notes = university.query(
        "SELECT DISTINCT note FROM enrollment.enrollment_forecast ORDER BY ALL"
    )
    assert ("no forecast: 6 days of history, 14 needed",) in notes
    # the same days once more: nothing new was said, and nothing is issued twice
    assert university.run(autumn(-12), autumn(-1), INSIGHT).success
    assert university.query("SELECT count(*) FROM operations.issued_forecasts") == [(12,)]


def steady(university, first, days, *, fault=None):
    """A term that grows a little faster each day, and loses a third for a day."""
    for number in range(days):
        rows = people(300 + 2 * number + number * number // 20)
        university.write(
            str(first + dt.timedelta(number)), rows[: 350 if number == fault else None]
        )


def test_an_acknowledged_day_is_not_warned_of_nor_learned_from(university):
    university.change(quality=NEVER_HELD)
    first = dt.date(2024, 5, 1)
    steady(university, first, 60, fault=50)
    take_in(university, str(first), str(first + dt.timedelta(59)), insight=True)
    fault = first + dt.timedelta(50)
    unusual = university.query(
        "SELECT DISTINCT date FROM enrollment.enrollment_anomalies WHERE is_anomaly ORDER BY date"
    )
    assert (fault,) in unusual
    before = university.query(
        "FROM enrollment.enrollment_anomalies WHERE date > ? ORDER BY ALL", fault
    )
    assert {c.name for c in university.run(str(fault), job=INSIGHT).checks} == {"no_anomalies"}
    outcome = acknowledge(
        university.settings, fault, "2024FA", "half of the extract was lost", "ana"
    )
    assert outcome.success, outcome.failures
    assert not [check for check in outcome.checks if check.day == str(fault)]
    # later days were judged anew, without it
    after = university.query(
        "FROM enrollment.enrollment_anomalies WHERE date > ? ORDER BY ALL", fault
    )
    assert after != before
    assert stale_ranges(university.settings, insight=True) == []


def test_a_day_on_which_nothing_was_unusual_cannot_be_acknowledged(university):
    first = dt.date(2024, 5, 1)
    steady(university, first, 20)
    take_in(university, str(first), str(first + dt.timedelta(19)), insight=True)
    outcome = acknowledge(university.settings, first + dt.timedelta(9), "2024FA", "why not", "ana")
    assert not outcome.success
    assert outcome.failures == [
        "2024FA has no anomaly on 2024-05-10 to acknowledge; enrollment.enrollment_anomalies lists them."
    ]
    assert university.query("FROM operations.acknowledged_anomalies") == []
