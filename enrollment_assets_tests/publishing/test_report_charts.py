"""Charts, drawn from odd histories, and their colors."""

import io
import re
import struct
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from enrollment_assets.errors import ConfigurationError
from enrollment_assets.publishing.reports.charts import canvas
from enrollment_assets.publishing.reports.charts.chart_data import ChartData
from enrollment_assets.publishing.reports.charts.drawing import draw_charts
from enrollment_assets.publishing.reports.charts.segments import segments
from enrollment_assets.publishing.reports.colors import contrast, readable
from enrollment_assets.publishing.reports.page import read_logo, render_page
from enrollment_assets.publishing.reports.summary import summary
from enrollment_assets_tests.support.day_figures import (
    continuation_of,
    figures,
    history_of,
    segment_row,
    told,
    with_rows,
)
from enrollment_assets_tests.support.malicious import malicious_names

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
