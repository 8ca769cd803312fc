"""Pages of a real warehouse and the list of them, looked at in a real browser."""

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

from enrollment_assets.pipeline.names import BACKFILL, DAILY
from enrollment_assets.publishing.reports.daily import publish_day
from enrollment_assets.publishing.reports.figures import read_figures
from enrollment_assets.publishing.reports.formatting import plain
from enrollment_assets.publishing.reports.page import render_page
from enrollment_assets.publishing.reports.site import (
    IndexTerm,
    index_rows,
    refresh_site,
    render_index,
)
from enrollment_assets.publishing.reports.summary import summary
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
    figures,
    segment_row,
)
from enrollment_assets_tests.support.malicious import malicious_names, marker
from enrollment_assets_tests.support.report_pages import page_of, publish, read

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
