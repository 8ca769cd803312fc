"""Reports of a university: their figures, and their pages."""

from enrollment_assets.publishing.reports.daily import publish_day
from enrollment_assets.publishing.reports.figures import read_figures
from enrollment_assets.publishing.reports.site import refresh_site
from enrollment_assets_tests.conftest import day


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
