"""What a report says, of which term, beside which other one."""

import datetime as dt
import re
from dataclasses import replace

import pandas as pd
import pytest

from enrollment_assets.pipeline.names import BACKFILL, DAILY
from enrollment_assets.publishing.reports.figures import order_of_terms
from enrollment_assets.publishing.reports.summary import summary
from enrollment_assets.publishing.reports.target import target_path
from enrollment_assets_tests.conftest import (
    day,
    student,
)
from enrollment_assets_tests.support.day_figures import (
    figures,
    segment_row,
    told,
    with_rows,
)
from enrollment_assets_tests.support.report_pages import page_of, read


def anomaly(made, **keys):
    usual = {
        "term": made.main.code,
        "series": "net_change",
        "is_anomaly": False,
        "is_confirmed": False,
    }
    figures_of = {"expected": 3.0, "observed": 2.0, "lower": 0.0, "upper": 9.0, "score": 0.5}
    return usual | figures_of | keys


def test_a_usual_day_is_news_too(university):
    made = figures(university.settings, [100, 102])
    said = told(with_rows(made, anomalies=[anomaly(made)]), university)
    assert said.sentences[2] == "Today's adds and drops are within the normal range."
    assert said.anomalies == ()
    assert said.headline == "Fall 2024: 102 students, +2 since 2024-04-02"


def test_figures_are_compared_with_last_year_or_with_the_prior_term_by_name(university):
    spring = university.settings.terms[1]
    made = figures(university.settings, [100, 104], term=spring, first="2024-12-01", past=[90, 91])
    tiles = told(made, university).tiles
    assert tiles[0].note == "+13 (+14.3%) vs. 91 at this point in Fall 2024"
    assert tiles[1].note == "+3 vs. 1 at this point in Fall 2024"
    terms = [term.model_dump(mode="json") for term in university.settings.terms]
    earlier = {"code": "2024SP", "name": "Spring 2024", "starts": "2024-01-15"}
    earlier |= {"registration_opens": "2023-11-01", "census": "2024-01-29", "ends": "2024-05-10"}
    university.change(terms=[earlier, terms[0], {**terms[1], "comparison": "2024SP"}])
    spring = university.settings.terms[2]
    made = figures(
        university.settings, [100, 104, 104], term=spring, first="2024-12-01", past=[90, 91, 91]
    )
    said = told(made, university)
    assert said.headline.endswith(
        ", unchanged since 2024-12-02, 14.3% ahead of this point last year"
    )
    assert said.tiles[0].note == "+13 (+14.3%) vs. 91 at this point last year"
    assert said.tiles[1].note == "same as last year (0)"


def test_without_insight_the_texts_say_what_is_missing(university):
    said = told(figures(university.settings, [100, 102]), university)
    assert "insight step was skipped" in said.sentences[2]
    assert said.tiles[5].note == "not computed: the insight step was skipped in this run"
    assert "insight step was skipped" in said.segments_note
    assert "insight step was skipped" in said.anomalies_note
    assert "insight step was skipped" in said.forecasts_note
    assert len(said.tiles) == 6


@pytest.mark.parametrize(
    ("coverage", "independent", "words"),
    [
        ((58.0, 80.0), (8, 2), "has held 62% so far"),
        ((79.0, 80.0), (8, 2), ""),
        # Three independent forecasts say nothing about a range.
        ((10.0, 10.0), (2, 1), ""),
    ],
)
def test_a_range_that_does_not_hold_says_so_where_it_is_shown(
    university, coverage, independent, words
):
    made = figures(university.settings, [100, 102], first="2024-08-01", with_forecast=True)
    rows = [
        {
            "term": made.main.code,
            "horizon_days": horizon,
            "n": 40,
            "independent_n": apart,
            "coverage_80": held,
            "coverage_95": 95.0,
        }
        for horizon, held, apart in zip((7, 30), coverage, independent, strict=True)
    ]
    said = told(with_rows(made, scorecard=rows), university)
    assert ("has held" in said.tiles[5].note) == bool(words)
    assert words in said.tiles[5].note
    assert said.forecasts_note == (f"The 80% range {words}: it is too narrow." if words else "")
    assert [row.independent for row in said.forecasts] == [str(apart) for apart in independent]


def test_the_path_to_the_target_loses_as_earlier_terms_did_and_ends_at_it(university):
    spring, fall = university.settings.terms[1], university.settings.terms[0]
    lost = pd.DataFrame(
        {
            "term": fall.code,
            "date": pd.date_range(fall.census, periods=3),
            "days_since_census": [0, 51, 102],
            "continuation_pct": [100.0, 97.0, 96.0],
        }
    )
    made = figures(university.settings, [100, 104], term=spring, first="2025-02-01", past=[90, 91])
    made = replace(made, continuation=lost)
    path = target_path(made, university.settings, spring)
    assert len(path) == (spring.ends - spring.census).days + 1
    assert path[[0, len(path) // 2, -1]] == pytest.approx([100.0, 96.25, 95.0])
    # Of a term that has not ended nobody knows what it loses in all: the path is straight.
    early = replace(made, day=dt.date(2024, 12, 1))
    assert target_path(early, university.settings, spring)[len(path) // 2] == pytest.approx(97.5)


def test_an_earlier_term_that_is_no_guide_is_named_below_the_forecasts(university):
    made = figures(university.settings, [100, 102], with_forecast=True)
    why = "Fall 2023 is no guide: it starts in another season"
    forecast = made.forecast.assign(left_out=why)
    said = told(replace(made, forecast=forecast), university)
    assert said.forecasts_note.endswith(f"{why}.")


def test_at_most_five_anomalies_are_told(university):
    made = figures(university.settings, [500, 502])
    rows = [anomaly(made, is_anomaly=True, explanation=f"cause {n}") for n in range(9)]
    said = told(with_rows(made, anomalies=rows), university)
    assert len(said.anomalies) == 5
    assert said.anomalies[-1] == "And 5 more, not listed here."


def test_data_quality_names_the_probable_cause(university):
    made = figures(university.settings, [500, 502])
    row = {
        "term": "2024FA",
        "row_count": 510,
        "duplicate_count": 8,
        "missing_count": 1,
        "is_unchanged": True,
        "usually_differs": True,
    }
    rows = [row, {"term": None, "row_count": 3}]
    said = told(with_rows(made, quality=rows), university).quality
    assert said == (
        "Fall 2024: same rows as on the previous business day. Probable cause: an old extract.",
        (
            "Fall 2024: 8 rows (1.57%) were duplicates; one of each was kept. Probable cause: a join in "
            "the query."
        ),
        (
            "Fall 2024: 1 row (0.20%) had no ID and was excluded. Probable cause: a query that also reads "
            "other people."
        ),
        (
            "3 rows of unknown terms were excluded. Probable cause: a new term that is not configured yet."
        ),
    )


OPEN = {
    # on this day: of these sizes, whose comparison terms came to these: the order of the sections
    "registration for spring has begun, and last spring was as large": (
        "2024-11-05",
        {"2024FA": (9_000, None), "2025SP": (40, 8_000)},
        None,
        ["2025SP", "2024FA"],
    ),
    "spring is nothing yet, and was nothing": (
        "2024-11-05",
        {"2024FA": (9_000, None), "2025SP": (40, None)},
        None,
        ["2024FA"],
    ),
    "spring is small beside fall": (
        "2024-12-05",
        {"2024FA": (416, None), "2025SP": (60, 62)},
        None,
        ["2024FA", "2025SP"],
    ),
    "both are after their census": (
        "2025-02-05",
        {"2024FA": (300, None), "2025SP": (900, None)},
        None,
        ["2025SP", "2024FA"],
    ),
    "the configuration names the small one": (
        "2024-12-05",
        {"2024FA": (416, None), "2025SP": (20, None)},
        "2025SP",
        ["2025SP", "2024FA"],
    ),
}


@pytest.mark.parametrize(("date", "sizes", "lead", "order"), OPEN.values(), ids=OPEN)
def test_a_report_leads_with_the_largest_term_before_its_census(
    university, date, sizes, lead, order
):
    history = pd.DataFrame(
        [(code, now) for code, (now, _) in sizes.items()], columns=["term", "total_enrollment"]
    )
    same_point = pd.DataFrame(
        [(code, past, None) for code, (_, past) in sizes.items()],
        columns=["term", "comparison_census", "comparison_final"],
    )
    terms = university.settings.terms
    found = order_of_terms(terms, history, same_point, day(date), lead)
    assert [term.code for term in found] == order


def a_college(university):
    """A fall with two seven-week terms in it, and the next spring."""
    fall, spring = university.settings.model_dump(mode="json")["terms"]
    parts = [
        {**fall, "code": "2024F1", "name": "Fall first half", "ends": "2024-10-18", "parent": "2024FA"},
        {**fall, "code": "2024F2", "name": "Fall second half", "starts": "2024-10-21",
         "census": "2024-10-28", "parent": "2024FA"},
    ]  # fmt: skip
    university.change(terms=[fall, *parts, spring])


def test_sub_terms_belong_to_their_term_and_nobody_is_counted_twice(university):
    a_college(university)
    whole = [student(f"{n:03d}") for n in range(200)]
    half = [student(f"{n:03d}", term="2024F2") for n in range(150, 230)]
    university.write("2024-10-01", [*whole, *half])
    assert university.run("2024-10-01", job=DAILY).success
    said = summary(read(university, "2024-10-01"), university.settings)
    assert said.main == "Fall 2024"
    assert said.others == ()
    assert [row.label for row in said.terms] == ["Fall 2024", "Fall second half"]
    together = next(fact for fact in said.facts if fact.label == "Students in all terms")
    assert together.value == "230"
    assert together.note == "each counted once; the 2 open terms add up to 280"
    assert university.query("FROM enrollment.enrollment_totals") == [
        (day("2024-10-01"), 2, 280, 230)
    ]


def test_each_open_term_that_matters_has_a_section(university):
    fall = [student(f"{n:03d}") for n in range(100)]
    spring = [student(f"{n:03d}", term="2025SP") for n in range(80)]
    university.write("2024-12-02", [*fall, *spring])
    assert university.run("2024-12-02", job=DAILY).success
    said = summary(read(university, "2024-12-02"), university.settings)
    assert (said.main, [section.label for section in said.others]) == ("Spring 2025", ["Fall 2024"])
    assert [tile.label for tile in said.tiles][4:] == ["Pace", "Census forecast"]
    assert [tile.label for tile in said.others[0].tiles] == [
        *("Headcount", "Net change", "Continuation", "Census headcount"),
        *("End-of-term forecast", "Next term"),
    ]
    assert said.others[0].tiles[-1].value == "80"
    page = page_of(university, "2024-12-02")
    assert re.findall(r'<h2 id="(?:headline|term-1)">(.*?)</h2>', page) == [
        "Spring 2025 at a glance",
        "Fall 2024",
    ]
    university.change(reports={"lead_term": "2024FA"})
    said = summary(read(university, "2024-12-02"), university.settings)
    assert said.main == "Fall 2024"
    assert said.main_note == "This report leads with Fall 2024, as configured."


def test_an_open_term_is_no_earlier_one_in_the_pace_chart(university):
    """Spring is compared with a fall that still runs: it is drawn as open, and not as the past."""
    made = figures(
        university.settings, [9, 9], term=university.settings.terms[1], first="2024-12-01"
    )
    assert made.about(made.main, university.settings).earlier == ()


def test_the_first_two_weeks_are_compared_by_the_opening_of_registration(university):
    """Spring opens 73 days before its start, fall 147: by the start, day 1 has no counterpart."""
    university.write("2024-04-03", [student(str(n)) for n in range(30)])
    university.write("2024-11-03", [student(str(n), term="2025SP") for n in range(33)])
    university.write("2024-11-15", [student(str(n), term="2025SP") for n in range(40)])
    university.run("2024-04-03", job=BACKFILL)
    university.run("2024-11-03", "2024-11-15", job=BACKFILL)
    early, later = university.query(
        "SELECT comparison_day::VARCHAR, comparison_total, note FROM enrollment.point_in_time "
        "WHERE term = '2025SP' ORDER BY date"
    )
    assert early == ("2024-04-03", 30, "compared by the opening of registration until its day 14")
    assert later[0] == "2024-06-28"
    said = summary(read(university, "2024-11-03"), university.settings)
    assert "That is 10.0% ahead of Fall 2024" in said.sentences[1]
    assert "With so few, differences of up to 52% are usual by chance." in said.sentences[1]


def test_withheld_segments_come_last_in_the_order_of_their_names(university):
    spring = university.settings.terms[1]
    rows = [
        segment_row(spring, "Zoology", 3, 30),
        segment_row(spring, "Small", 30, 31),
        segment_row(spring, "Botany", 9, 90),
        segment_row(spring, "Large", 90, 40),
    ]
    made = figures(
        university.settings, [9, 9], term=spring, first="2024-12-01", past=[9, 9], segments=rows
    )
    table = told(made, university).segments[0]
    assert [row.segment for row in table.rows] == ["Large", "Small", "Botany", "Zoology"]
    withheld = table.rows[2]
    assert (withheld.now, withheld.same_point) == ("<10", "90")
    assert {withheld.change, withheld.change_pct, withheld.contribution} == {"withheld"}
