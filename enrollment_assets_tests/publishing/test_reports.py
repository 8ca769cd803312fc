"""Charts and pages: drawn from odd histories, read as texts, and looked at in a real browser."""

import datetime as dt
import io
import os
import re
import shutil
import struct
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.names import BACKFILL, DAILY
from enrollment_assets.publishing.reports.charts import canvas
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.drawing import draw_charts
from enrollment_assets.publishing.reports.charts.segments import segments
from enrollment_assets.publishing.reports.colors import contrast, readable
from enrollment_assets.publishing.reports.daily import publish_day
from enrollment_assets.publishing.reports.figures import order_of_terms, read_figures
from enrollment_assets.publishing.reports.formatting import plain
from enrollment_assets.publishing.reports.page import read_logo, render_page
from enrollment_assets.publishing.reports.site import (
    IndexTerm,
    index_rows,
    refresh_site,
    render_index,
)
from enrollment_assets.publishing.reports.summary import summary
from enrollment_assets.publishing.reports.target import target_path
from enrollment_assets_tests.conftest import (
    CHECKOUT,
    CONFIG,
    NEVER_HELD,
    University,
    day,
    open_browser,
    student,
)
from enrollment_assets_tests.support.day_figures import (
    ANOMALIES,
    QUALITY,
    SCORES,
    continuation_of,
    figures,
    history_of,
    segment_row,
)
from enrollment_assets_tests.support.malicious import malicious_names, marker

CHARTS = ["pace", "daily_changes", "continuation", "segments", "dashboard"]


def size(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def near(image, color, tolerance=40):
    """How many pixels of a picture have about this colour."""
    wanted = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    return int((np.abs(image - wanted).max(axis=2) <= tolerance).sum())


# Charts


@pytest.mark.parametrize("days", [1, 2, 3, 60, 3650])
@pytest.mark.parametrize("census_past", [False, True])
def test_every_length_of_history_gives_five_charts_with_a_text(university, days, census_past):
    totals = (1000 + 50 * np.sin(np.arange(days) / 9)).astype(int)
    made = figures(university.settings, totals, census_past=census_past, with_forecast=days > 3)
    charts = draw_charts(made, university.settings)
    assert [chart.name for chart in charts] == CHARTS
    for chart in charts:
        width, height = size(chart.png)
        assert width > 800
        assert height > 400
        assert chart.alt.endswith(".")
    assert size(charts[-1].preview)[0] < size(charts[-1].png)[0]


@pytest.mark.parametrize(
    ("totals", "dates"),
    [
        ([0, 0, 0], None),
        ([3, 1, 2], None),
        ([2_000_000, 1_990_000, 2_010_000], None),
        (
            range(1000, 1038),
            [
                *pd.date_range("2024-06-01", periods=10),
                *pd.date_range("2024-07-10", periods=8),
                *pd.date_range("2024-09-01", periods=20),
            ],
        ),
    ],
    ids=["nobody", "three", "two million", "gaps of weeks"],
)
def test_odd_histories_are_drawn(university, totals, dates):
    made = figures(university.settings, list(totals), dates=dates, with_forecast=True)
    charts = draw_charts(made, university.settings)
    assert [chart.name for chart in charts] == CHARTS
    assert f"{list(totals)[-1]:,}" in charts[0].alt


def test_the_text_of_a_chart_holds_its_figures(university):
    spring = university.settings.terms[1]
    made = figures(
        university.settings,
        [1000, 1010, 960],
        term=spring,
        first="2024-12-01",
        past=[900, 905, 950, 960],
        segments=[segment_row(spring, "History", 110, 100), segment_row(spring, "Art", 30, 70)],
        with_forecast=True,
    )
    pace, changes, continuation, segments, dashboard = (
        chart.alt for chart in draw_charts(made, university.settings)
    )
    assert "from 1,000 on 2024-12-01 to 960 on 2024-12-03" in pace
    assert "Fall 2024 had 950 on 2024-07-16" in pace
    assert "The forecast for 2025-01-27, its census, is" in pace
    assert "10 added, 50 dropped, net \u221240; most drops on 2024-12-03 (50)" in changes
    assert "which is before its census" in continuation
    assert "led by Art with \u221240" in segments
    assert dashboard == f"{pace} {changes} {continuation} {segments}"


def test_the_text_of_continuation_compares_the_same_number_of_days(university):
    autumn, spring = university.settings.terms
    made = figures(
        university.settings, [100, 99], first="2025-02-01", term=spring, census_past=True
    )
    then = [pd.Timestamp(autumn.census) + pd.Timedelta(days=n) for n in (5, 6, 90)]
    before = continuation_of(history_of(autumn, [80, 78, 40], then), autumn)
    made = replace(made, continuation=pd.concat([made.continuation, before]))
    said = draw_charts(made, university.settings)[2].alt
    assert "Spring 2025 is at 99.9% after 6 days. Fall 2024 had 99.8% after 6 days." in said


def test_after_a_census_without_a_snapshot_nothing_says_that_it_is_to_come(university):
    made = figures(university.settings, [100, 98], first="2024-10-01")
    assert "which has no census snapshot" in draw_charts(made, university.settings)[2].alt
    said = told(made, university)
    assert said.tiles[2].note == "without a census snapshot"
    assert said.tiles[3].note == "no snapshot on or before 2024-09-09"


def test_a_census_that_is_not_frozen_is_provisional_and_names_its_day(university):
    made = figures(
        university.settings, [100, 98, 97], dates=["2024-09-06", "2024-09-07", "2024-09-11"]
    )
    said = told(made, university)
    assert said.tiles[3].value == "98"
    assert said.tiles[3].note == (
        "provisional, as of 2024-09-07: the census of 2024-09-09 is not frozen"
    )
    assert said.terms[0].census == "2024-09-09: 98 (provisional)"


def test_a_report_is_in_the_words_of_the_population(university):
    university.change(
        vocabulary={"student": "customer", "students": "customers", "enrollment": "subscription"}
    )
    settings = university.settings
    for first in ("2024-05-01", "2024-09-10"):
        made = figures(settings, [100, 98], first=first, census_past=first > "2024-09")
        faults = dict.fromkeys(("duplicate_count", "missing_count", "unknown_status_count"), 1)
        made = with_rows(made, quality=[{"term": "2024FA", "row_count": 100} | faults])
        charts = draw_charts(made, settings)
        page = render_page(summary(made, settings), charts, settings)
        texts = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
        assert "customers" in texts
        assert not re.search("student|enroll", texts, re.IGNORECASE)


def test_days_without_a_snapshot_are_told(university):
    dates = [pd.Timestamp(f"2024-05-0{n}") for n in (1, 2, 6, 7)]
    made = figures(university.settings, [100, 110, 140, 150], dates=dates)
    assert "3 days without a snapshot" in draw_charts(made, university.settings)[1].alt


def test_a_line_stops_where_weeks_lack(university):
    whole = figures(university.settings, range(100, 160))
    dates = [*pd.date_range("2024-04-02", periods=10), *pd.date_range("2024-05-22", periods=10)]
    torn = figures(university.settings, range(100, 120), dates=dates)
    color = university.settings.reports.primary_color
    drawn_pixels = [
        near(pixels(draw_charts(made, university.settings)[0].png), color) for made in (whole, torn)
    ]
    assert drawn_pixels[1] < drawn_pixels[0] * 0.7


def test_thirty_segments_with_long_names_are_cut_to_the_largest(university):
    spring = university.settings.terms[1]
    segments = [
        segment_row(
            spring, f"Interdisciplinary Studies of Something Long, number {n}", 500 - n, 300
        )
        for n in range(30)
    ]
    made = figures(
        university.settings, [9, 9], term=spring, first="2024-12-01", past=[9, 9], segments=segments
    )
    alt = draw_charts(made, university.settings)[3].alt
    assert "led by Interdisciplinary Studies of Something Long, number 0 with +200" in alt
    assert "18 more with smaller changes not shown" in alt


def test_withheld_segments_are_counted_and_not_drawn(university):
    spring = university.settings.terms[1]
    rows = [segment_row(spring, f"P{n}", 50, 40) for n in range(3)]
    rows += [segment_row(spring, "Tiny", 3, 40), segment_row(spring, "Gone", 40, 4)]
    made = figures(
        university.settings, [9, 9], term=spring, first="2024-12-01", past=[9, 9], segments=rows
    )
    alt = draw_charts(made, university.settings)[3].alt
    assert "2 withheld" in alt
    assert "Tiny" not in alt
    assert "Gone" not in alt


def test_the_same_figures_give_the_same_bytes(university):
    once, again = (
        draw_charts(figures(university.settings, [5, 6]), university.settings) for _ in range(2)
    )
    assert [chart.png for chart in once] == [chart.png for chart in again]


@pytest.mark.parametrize("color", ["#ffffff", "#f5e663", "#000000", "#2e4057"])
def test_every_configured_colour_can_be_read(university, color):
    university.change(reports={"primary_color": color, "accent_color": color})
    settings = university.settings
    assert contrast(readable(color), "#ffffff") >= 4.5
    made = figures(settings, range(100, 140))
    line = pixels(draw_charts(made, settings)[0].png)
    assert near(line, readable(color, least=3.0), 12) > 500
    page = render_page(summary(made, settings), [], settings)
    ground, text = (re.search(rf"--{name}: (#\w+);", page)[1] for name in ("primary", "on-primary"))
    assert contrast(ground, text) >= 4.5


def test_a_logo_is_in_the_page_and_one_that_cannot_be_shown_is_told(university):
    picture = io.BytesIO()
    Image.new("RGB", (40, 10), "#2e4057").save(picture, "png")
    (university.folder / "logo.png").write_bytes(picture.getvalue())
    university.change(reports={"logo": "logo.png"})
    made = figures(university.settings, [5, 6])
    page = render_page(summary(made, university.settings), [], university.settings)
    assert '<img class="logo" alt="" src="data:image/png;base64,' in page
    for name, words in (("gone.png", "cannot be read"), ("logo.exe", "use a picture")):
        university.change(reports={"logo": name})
        page = render_page(summary(made, university.settings), [], university.settings)
        assert '<img class="logo"' not in page
        with pytest.raises(ConfigurationError, match=words):
            read_logo(university.settings)


@pytest.mark.parametrize("block", range(5))
def test_malicious_names_are_drawn_as_they_are(university, block):
    """A name with mathtext in it would raise, or be drawn as a formula."""
    spring = university.settings.terms[1]
    names = malicious_names(500)[block * 100 : block * 100 + 100]
    for start in range(0, 100, 20):
        rows = [
            segment_row(spring, name, 100, 90 - n)
            for n, name in enumerate(names[start : start + 20])
        ]
        made = figures(
            university.settings, [9, 9], term=spring, first="2024-12-01", past=[9, 9], segments=rows
        )
        figure = canvas.blank_figure()
        axes = figure.add_subplot()
        segments(ChartData(made, university.settings), axes)
        canvas.rendered(figure)
        for text in axes.get_yticklabels():
            assert text._preprocess_math(text.get_text())[1] is False
            assert not re.search(
                r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text.get_text()
            )


def test_a_malicious_term_and_institution_are_drawn(university):
    for name in [*malicious_names(60)[::12], "$\\frac{", "_hidden", "$a$"]:
        term = university.settings.terms[0].model_copy(update={"name": name})
        made = figures(university.settings, [5, 6, 9], term=term, with_forecast=True)
        settings = university.settings.model_copy(
            update={
                "institution": university.settings.institution.model_copy(update={"name": name})
            }
        )
        assert len(draw_charts(made, settings)) == 5


# Texts


def told(made, university):
    return summary(made, university.settings)


def with_rows(made, **frames):
    columns = {"anomalies": ANOMALIES, "scorecard": SCORES, "quality": QUALITY}
    return replace(
        made,
        **{
            name: pd.DataFrame(
                [dict.fromkeys(columns[name]) | row for row in rows], columns=list(columns[name])
            )
            for name, rows in frames.items()
        },
    )


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


def test_an_anomaly_of_a_segment_that_is_not_shown_has_no_name(history):
    told = "more students dropped than usual: {} accounts for 80% of it"
    rows = [
        ("dropped_students", None, None, told.format("program History")),
        ("net_change", None, None, told.format("division Arts")),
        ("net_change division=Arts", "division", "Arts", "unusual"),
        ("net_change program=History", "program", "History", "unusual"),
        ("net_change program=Dance", "program", "Dance", "unusual"),
    ]
    with history.warehouse().connect() as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM enrollment.enrollment_anomalies WHERE date = '2024-09-12'")
        for number, row in enumerate(rows):
            connection.execute(
                "INSERT INTO enrollment.enrollment_anomalies BY NAME SELECT DATE '2024-09-12' AS date, "
                "'2024FA' AS term, ? AS series, ? AS dimension, ? AS segment, ? AS explanation, "
                "77 AS observed, 3 AS expected, 0 AS lower, 9 AS upper, ? AS score, true AS is_anomaly",
                [*row, 99 - number],
            )
        said = summary(
            read_figures(connection, history.settings, day("2024-09-12")), history.settings
        )
        connection.execute("ROLLBACK")
    assert said.sentences[2].endswith("dropped than usual: most of it lies in one segment.")
    first, second, third, last = said.anomalies
    assert first.startswith(
        "Fall 2024: more students dropped than usual: most of it lies in one seg"
    )
    assert (
        "division Arts accounts for 80% of it. 77 per day; 3 expected, normal range 0 to 9."
        in second
    )
    assert third == "Fall 2024, division Arts: unusual."
    assert last.startswith("Fall 2024: an unusual change in a small segment, which is withheld.")


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


# Figures and pages of a real warehouse


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Three days of a university, taken in once."""
    folder, home = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("home")
    (folder / "snapshots").mkdir()
    (home / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    made = University(folder, folder / "enrollment.yaml")
    name = "<script>alert(1)</script> & Søn"
    institution = {"name": name, "timezone": "America/New_York"}
    made.config.write_text(yaml.safe_dump({**CONFIG, "institution": institution}))
    everyone = [student(f"{n:03d}", program=f"Program {n % 3}") for n in range(60)]
    made.write("2024-09-08", everyone)
    made.write("2024-09-09", everyone[2:])
    made.write("2024-09-12", [*everyone[5:], student("new")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        made.run("2024-09-08", "2024-09-12", job=BACKFILL)
    return folder


@pytest.fixture
def history(built, tmp_path, dagster_home):
    """A copy of it, to do with as a test likes."""
    shutil.copytree(built, tmp_path / "copy")
    return University(tmp_path / "copy", tmp_path / "copy" / "enrollment.yaml")


def read(university, date):
    with university.warehouse().connect() as connection:
        return read_figures(connection, university.settings, day(date))


def publish(university, *dates):
    with university.warehouse().connect() as connection:
        found = [publish_day(connection, university.settings, day(date)) for date in dates]
        refresh_site(connection, university.settings)
    return found


def page_of(university, date):
    return (university.settings.report_path(day(date)) / "report.html").read_text(encoding="utf-8")


def test_nothing_after_its_day_is_in_a_report(history):
    found = read(history, "2024-09-09")
    assert found.history["date"].max() == pd.Timestamp("2024-09-09")
    assert found.continuation["date"].max() == pd.Timestamp("2024-09-09")
    assert found.log.empty


def test_what_comes_later_changes_nothing_in_a_page(history, university):
    """A report that a backfill makes says what that morning's would have said."""
    for date in ("2024-09-08", "2024-09-09"):
        shutil.copy(history.file(date), university.file(date))
    university.change(institution={"name": history.settings.institution.name})
    university.run("2024-09-08", "2024-09-09", job=BACKFILL)
    publish(university, "2024-09-09")
    publish(history, "2024-09-09")
    assert page_of(university, "2024-09-09") == page_of(history, "2024-09-09")


def test_continuation_since_census_counts_the_census_cohort(history):
    rows = read(history, "2024-09-12").continuation
    assert rows["continuation_pct"].round(3).tolist() == [100.0, round(100 * 55 / 58, 3)]
    assert rows["days_since_census"].tolist() == [0, 3]


def test_a_day_without_a_snapshot_gets_no_report(history):
    assert read(history, "2024-09-10") is None
    assert publish(history, "2024-09-10") == [None]


def test_days_that_lack_are_remarked_on(history):
    said = summary(read(history, "2024-09-12"), history.settings)
    assert said.status == "OK"
    assert said.quality == (
        (
            "Fall 2024: not accepted in the last two weeks: 2024-09-10 to 2024-09-11 (missing). The "
            "next snapshot's changes cover more than one day."
        ),
    )


def test_a_day_with_a_missing_term_is_provisional(university):
    autumn = [student(f"{n:03d}") for n in range(60)]
    spring = [student(f"{n:03d}", term="2025SP") for n in range(60)]
    university.write("2024-12-01", [*autumn, *spring])
    university.write("2024-12-02", autumn)
    university.run("2024-12-01", "2024-12-02")
    said = summary(read(university, "2024-12-02"), university.settings)
    assert said.status == "Provisional"
    assert "Spring 2025 has a rejected snapshot for this day" in said.status_text
    publish(university, "2024-12-01", "2024-12-02")
    index = (university.settings.data_path / "reports" / "index.html").read_text()
    assert re.findall(r"<td>(OK|Provisional)</td>", index) == ["Provisional", "OK"]


def test_the_page_says_what_the_tables_say_and_escapes_its_texts(history):
    (published,) = publish(history, "2024-09-12")
    page = page_of(history, "2024-09-12")
    assert "Fall 2024 has 56 students, \u22122 since 2024-09-09 (3 days earlier)." in page
    assert '17 days ago, on <span class="whole">2024-08-26</span>' in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert len(page.encode()) < 600_000
    assert published.summary.headline.startswith("Fall 2024: 56 students")
    assert [chart.name for chart in published.charts] == CHARTS


def test_the_same_point_last_year_is_shown_with_its_date(university):
    spring, autumn = university.settings.terms[1], university.settings.terms[0]
    date = dt.date(2024, 12, 2)
    then = autumn.starts - (spring.starts - date)
    university.write(str(then), [student(str(n)) for n in range(50)])
    university.write(
        str(date), [student(str(n), term="2025SP") for n in range(40)] + [student("a")]
    )
    university.run(str(then), str(date))
    said = summary(read(university, str(date)), university.settings)
    assert said.main == "Spring 2025"
    assert said.terms[0].same_point == f"50 on {then}"
    assert (
        f"That is 20.0% behind Fall 2024, which had 50 at the same point ({then}). With so few, "
        "differences of up to 37% are usual by chance." in said.sentences
    )


def test_small_segments_are_nowhere_in_a_report(history):
    history.change(quality={"on_doubt": "warn"})
    rows = [student(f"{n:03d}", program="Big") for n in range(5, 60)]
    rows += [student(f"y{n}", program="Middling") for n in range(20)]
    history.write("2024-09-13", [*rows, student("x", "Tiny")])
    history.run("2024-09-13", job=DAILY)
    page = page_of(history, "2024-09-13")
    row = re.search(r"<tr><th scope=\"row\">Tiny</th><td>(.*?)</td>", page)
    assert row is None or row[1] in ("&lt;10", "withheld")


# The list of reports, and the way from one to the next


def links(university, date):
    return re.findall(
        r'<a rel="(\w+)" href="\.\./([\d-]+)/report.html">', page_of(university, date)
    )


def test_pages_are_linked_whatever_order_they_were_written_in(history):
    publish(history, "2024-09-12")
    assert links(history, "2024-09-12") == []
    publish(history, "2024-09-08")
    publish(history, "2024-09-09")
    assert links(history, "2024-09-08") == [("next", "2024-09-09")]
    assert links(history, "2024-09-09") == [("prev", "2024-09-08"), ("next", "2024-09-12")]
    assert links(history, "2024-09-12") == [("prev", "2024-09-09")]


def test_a_link_leaves_the_time_of_its_page(history):
    """By that time it is known whether a page was told of a restatement."""
    (published,) = publish(history, "2024-09-08")
    before = published.page.stat().st_mtime_ns
    publish(history, "2024-09-09")
    assert links(history, "2024-09-08") == [("next", "2024-09-09")]
    assert published.page.stat().st_mtime_ns == before


def test_what_a_killed_run_left_unlinked_is_linked_by_the_next(history):
    with history.warehouse().connect() as connection:
        publish_day(connection, history.settings, day("2024-09-08"))
        publish_day(connection, history.settings, day("2024-09-09"))
    assert links(history, "2024-09-08") == []
    publish(history, "2024-09-12")
    assert links(history, "2024-09-08") == [("next", "2024-09-09")]


def test_pruned_reports_leave_the_list_and_the_links(history):
    from enrollment_assets.orchestration.retention import find_old, remove

    publish(history, "2024-09-08", "2024-09-09", "2024-09-12")
    history.change(retention={"reports_days": 2, "runs_days": None})
    settings = history.settings
    for date in ("2024-09-08", "2024-09-09", "2024-09-12"):
        written = dt.datetime.fromisoformat(f"{date}T12:00:00Z").timestamp()
        os.utime(settings.report_path(day(date)) / "report.html", (written, written))
    with history.warehouse().connect() as connection:
        old = find_old(connection, settings, None, day("2024-09-11"))
        remove(connection, settings, None, old, run_id="test")
    assert links(history, "2024-09-09") == [("next", "2024-09-12")]
    index = (settings.data_path / "reports" / "index.html").read_text()
    assert re.findall(r'id="d-([\d-]+)"', index) == ["2024-09-12", "2024-09-09"]


def test_a_restated_day_is_marked_in_the_list(history):
    history.change(quality=NEVER_HELD)
    publish(history, "2024-09-08", "2024-09-09")
    history.write("2024-09-09", [student(f"{n:03d}") for n in range(4, 60)])
    history.run("2024-09-09")
    index = (history.settings.data_path / "reports" / "index.html").read_text()
    assert "OK, restated" in index
    assert "Restated since" in page_of(history, "2024-09-09")
    assert links(history, "2024-09-09") == [("prev", "2024-09-08")]


def test_the_list_is_private_and_whole(history):
    publish(history, "2024-09-08")
    path = history.settings.data_path / "reports" / "index.html"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob(".*.part"))


def test_two_thousand_days_are_listed_in_moments(university):
    import time

    folder = university.settings.data_path / "reports"
    days = [dt.date(2019, 1, 1) + dt.timedelta(n) for n in range(2000)]
    page = render_page(
        summary(figures(university.settings, [5, 6]), university.settings), [], university.settings
    )
    for date in days:
        (folder / str(date)).mkdir(parents=True)
        (folder / str(date) / "report.html").write_text(page, encoding="utf-8")
    refresh_site(None, university.settings)
    begun = time.monotonic()
    refresh_site(None, university.settings)
    assert time.monotonic() - begun < 3  # every page is linked already: half a second here
    assert (folder / "index.html").stat().st_size < 800_000


# In a browser


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture
def look_at(browser):
    """Opens a file at a width and a colour scheme, and tells what it asked for and complained of."""
    opened = []

    def look(path, width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"file://{path}")
        opened.append(page)
        return page

    yield look
    for page in opened:
        page.close()


def serious(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        (v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_in_a_browser_the_page_fits_shows_its_pictures_and_asks_for_nothing(
    history, look_at, width, scheme
):
    (published,) = publish(history, "2024-09-12")
    page = look_at(published.page, width, scheme)
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate(
        "[...document.images].map(i => [i.naturalWidth > 0, i.alt.length > 20])"
    )
    assert pictures == [[True, True]] * 4
    assert page.title().startswith("<script>alert(1)</script> & Søn")
    assert serious(page) == []
    order = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert order[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(order))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_in_a_browser_the_list_can_be_searched(history, look_at, width, scheme):
    publish(history, "2024-09-08", "2024-09-09", "2024-09-12")
    page = look_at(history.settings.data_path / "reports" / "index.html", width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []
    page.get_by_label("Search").fill("fall 09-09")
    assert page.locator("tbody tr:visible").count() == 1
    assert page.get_by_role("status").text_content() == "1 of 3 reports"
    page.get_by_role("link", name="2024-09-09").click()
    page.get_by_role("link", name="Next: 2024-09-12").click()
    page.get_by_role("link", name="All reports").click()
    assert page.locator("tbody tr:visible").count() == 3
    assert page.complaints == []


def test_the_list_can_be_read_without_scripts(history, browser):
    publish(history, "2024-09-08", "2024-09-09")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{history.settings.data_path / 'reports' / 'index.html'}")
    assert page.locator("tbody tr").count() == 2
    assert not page.get_by_label("Search").is_visible()
    context.close()


def test_on_paper_a_page_loses_nothing(history, look_at):
    (published,) = publish(history, "2024-09-12")
    page = look_at(published.page)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("navigation").is_visible()
    if hasattr(page, "pdf"):
        assert page.pdf()[:5] == b"%PDF-"


def test_five_hundred_malicious_names_change_nothing_in_page_and_list(
    university, look_at, tmp_path
):
    """Each stands there as a text, and makes no element, attribute, request or title."""
    spring = university.settings.terms[1]
    script = (
        "[document.title, [...document.querySelectorAll('*')].map("
        "e => e.tagName + [...e.attributes].map(a => a.name)).join(), document.body.textContent]"
    )
    seen = []
    for number, names in enumerate(
        ([f"plain {marker(n)}" for n in range(500)], malicious_names(500))
    ):
        made = [
            figures(
                university.settings,
                [500, 502],
                term=spring,
                first="2024-12-01",
                past=[400, 401],
                segments=[segment_row(spring, name, 100, 90 - n) for n, name in enumerate(part)],
            )
            for part in (names[start : start + 15] for start in range(0, 500, 15))
        ]
        tables = [summary(some, university.settings).segments[0] for some in made]
        assert sum(len(table.rows) for table in tables) == 500
        said = replace(summary(made[0], university.settings), segments=tuple(tables))
        path = tmp_path / f"{number}.html"
        path.write_text(render_page(said, [], university.settings), encoding="utf-8")
        page = look_at(path)
        assert page.asked == [f"file://{path}"]
        assert page.complaints == []
        seen.append(page.evaluate(script))
    assert seen[0][:2] == seen[1][:2]
    assert all(marker(number) in seen[1][2] for number in range(500))


def test_a_malicious_term_changes_nothing_in_the_list(university, look_at, tmp_path):
    (university.settings.data_path / "reports").mkdir(parents=True)
    rows = index_rows(None, university.settings, [day("2024-09-12")])
    terms = tuple(IndexTerm(plain(name), "5", "+1") for name in malicious_names(500))
    path = tmp_path / "index.html"
    path.write_text(
        render_index([replace(rows[0], terms=terms)], university.settings), encoding="utf-8"
    )
    page = look_at(path)
    assert page.complaints == []
    assert page.title() == "Test University: enrollment reports"
    assert page.locator("td:nth-child(3) span").count() == 500
    assert page.locator("td:nth-child(3) span *").count() == 0
