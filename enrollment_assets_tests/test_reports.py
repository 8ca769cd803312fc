"""Charts and the page: drawn from odd histories, and looked at in a real browser."""

import datetime as dt
import struct

import numpy as np
import pandas as pd
import pytest

from enrollment_assets.reporting.charts import draw_charts
from enrollment_assets.reporting.daily import publish_day
from enrollment_assets.reporting.figures import DayFigures, read_figures
from enrollment_assets.reporting.page import render_page
from enrollment_assets_tests.conftest import day, student


def figures(settings, totals, *, segments=(), census_past=False, first="2024-04-02"):
    """Figures of one term with these headcounts, one a day."""
    dates = pd.date_range(first, periods=len(totals))
    term = settings.terms[0]
    steps = np.diff(totals, prepend=totals[0])
    history = pd.DataFrame(
        {
            "date": dates,
            "term": term.code,
            "baseline_date": [pd.NaT, *dates[:-1]],
            "days_since_baseline": 1,
            "total_enrollment": totals,
            "new_students": np.maximum(steps, 0),
            "returning_students": 0,
            "dropped_students": np.maximum(-steps, 0),
            "moved_students": 0,
            "retained_students": totals,
            "net_change": steps,
            "retention_rate": 100.0,
            "growth_rate": 0.0,
            "gross_enrollment": np.maximum.accumulate(totals),
            "days_to_start": [(term.starts - d.date()).days for d in dates],
            "days_to_census": [(term.census - d.date()).days for d in dates],
        }
    )
    continuation = pd.DataFrame({"term": term.code, "date": dates, "continuation_pct": 99.0})
    return DayFigures(
        day=dates[-1].date(),
        terms=(term,),
        history=history,
        same_point=pd.DataFrame(
            columns=["term", "comparison_term", "comparison_date", "comparison_total"]
        ),
        continuation=continuation if census_past else continuation.head(0),
        segments=pd.DataFrame(
            [(term.code, "program", name, count) for name, count in segments],
            columns=["term", "dimension", "segment", "total_enrollment"],
        ),
    )


def size(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("days", [1, 2, 3, 60, 3650])
@pytest.mark.parametrize("census_past", [False, True])
def test_every_length_of_history_gives_four_charts_with_a_text(university, days, census_past):
    totals = (1000 + 50 * np.sin(np.arange(days) / 9)).astype(int)
    charts = draw_charts(
        figures(university.settings, totals, census_past=census_past), university.settings
    )
    assert [chart.name for chart in charts] == [
        "trend",
        "daily_changes",
        "continuation",
        "dashboard",
    ]
    for chart in charts:
        width, height = size(chart.png)
        assert width > 800
        assert height > 400
        assert chart.alt
    assert size(charts[-1].preview)[0] < size(charts[-1].png)[0]


def test_the_text_of_a_chart_holds_its_figures(university):
    charts = draw_charts(
        figures(university.settings, np.array([1000, 1010, 960])), university.settings
    )
    assert "from 1,000 on 2024-04-02 to 960 on 2024-04-04" in charts[0].alt
    assert "10 added and 50 dropped, most of them on 2024-04-04 (50)" in charts[1].alt


def test_thirty_segments_with_long_names_are_cut_to_the_largest(university):
    segments = [
        (f"Interdisciplinary Studies of Something Long, number {n}", 500 - n) for n in range(30)
    ]
    charts = draw_charts(
        figures(university.settings, np.array([9, 9]), segments=segments), university.settings
    )
    assert "the 10 largest segments by program" in charts[-1].alt


def test_the_same_figures_give_the_same_bytes(university):
    once, again = (
        draw_charts(figures(university.settings, np.array([5, 6])), university.settings)
        for _ in range(2)
    )
    assert [chart.png for chart in once] == [chart.png for chart in again]


@pytest.fixture
def history(university):
    university.change(
        institution={"name": "<script>alert(1)</script> & Søn", "timezone": "America/New_York"}
    )
    everyone = [student(f"{n:03d}", program=f"Program {n % 3}") for n in range(60)]
    university.write("2024-09-08", everyone)
    university.write("2024-09-09", everyone[2:])
    university.write("2024-09-12", [*everyone[5:], student("new")])
    university.run("2024-09-08", "2024-09-12")
    return university


def read(university, date):
    with university.warehouse().connect() as connection:
        return read_figures(connection, university.settings, day(date))


def test_nothing_after_its_day_is_in_a_report(history):
    assert read(history, "2024-09-09").history["date"].max() == pd.Timestamp("2024-09-09")
    assert read(history, "2024-09-09").continuation["date"].max() == pd.Timestamp("2024-09-09")


def test_continuation_since_census_counts_the_census_cohort(history):
    rows = read(history, "2024-09-12").continuation
    assert rows["continuation_pct"].round(3).tolist() == [100.0, round(100 * 55 / 58, 3)]


def test_a_day_without_a_snapshot_gets_no_report(history):
    assert read(history, "2024-09-10") is None
    with history.warehouse().connect() as connection:
        assert publish_day(connection, history.settings, day("2024-09-10")) is None


def test_small_segments_are_not_shown(history):
    history.write(
        "2024-09-13",
        [student(f"{n:03d}", program="Big") for n in range(5, 60)] + [student("x", "Tiny")],
    )
    history.run("2024-09-13")
    assert set(read(history, "2024-09-13").segments["segment"]) == {"Arts", "Big", "Junior"}


def test_the_page_says_what_the_tables_say_and_escapes_its_texts(history):
    found = read(history, "2024-09-12")
    page = render_page(found, draw_charts(found, history.settings), history.settings)
    assert "Fall 2024 has 56 students, \u22122 since 2024-09-09 (3 days earlier)." in page
    assert (
        "The start was 17 days ago, on 2024-08-26; the census was 3 days ago, on 2024-09-09."
        in page
    )
    assert "<script>" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert len(page.encode()) < 600_000


def test_the_same_point_last_year_is_shown_with_its_date(university):
    spring, autumn = university.settings.terms[1], university.settings.terms[0]
    date = dt.date(2024, 12, 2)
    then = autumn.starts - (spring.starts - date)
    university.write(str(then), [student(str(n)) for n in range(50)])
    university.write(
        str(date), [student(str(n), term="2025SP") for n in range(40)] + [student("a")]
    )
    university.run(str(then), str(date))
    found = read(university, str(date))
    page = render_page(found, draw_charts(found, university.settings), university.settings)
    assert f"That is 20.0 % behind Fall 2024 at the same point, which had 50 on {then}." in page


@pytest.mark.parametrize("width", [360, 1280])
def test_in_a_browser_the_page_fits_shows_its_pictures_and_asks_for_nothing(
    history, browser, width
):
    with history.warehouse().connect() as connection:
        published = publish_day(connection, history.settings, day("2024-09-12"))
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{published.page}")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate(
        "[...document.images].map(i => [i.naturalWidth > 0, i.alt.length > 20])"
    )
    assert pictures == [[True, True]] * 3
    assert page.title().startswith("<script>alert(1)</script> & Søn")
    page.close()
