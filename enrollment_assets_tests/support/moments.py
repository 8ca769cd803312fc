"""What runs do, without Dagster around them: seconds become moments."""

import datetime as dt

from enrollment_assets.pipeline.ingest.intake import store_days
from enrollment_assets.pipeline.insight import cohorts
from enrollment_assets.pipeline.insight.models import Forecasts, anomalies, disclosures
from enrollment_assets.publishing.reports.restatements import append_restatements
from enrollment_assets.schema.catalog import lineage
from enrollment_assets.sources.configured import source_for
from enrollment_assets.support.ranges import as_ranges
from enrollment_assets.warehouse.derive import (
    Computed,
    Statement,
    stale_days,
    write_computed,
    write_statement,
)
from enrollment_assets_tests.conftest import day


def days_of(first, last):
    return [first + dt.timedelta(offset) for offset in range((last - first).days + 1)]


def derive(connection, found, dates):
    for name in lineage(found).core:
        write_statement(connection, found, Statement(name), dates, run_id="test")


def restate(connection, found):
    for first, last in as_ranges(list(stale_days(connection, found))):
        derive(connection, found, days_of(first, last))
    append_restatements(connection, found, run_id="test")


def gain_insight(connection, found, dates):
    for name in ("point_in_time", "segment_point_in_time"):
        write_statement(connection, found, Statement(name), dates, run_id="test")
    models = Forecasts()
    for computed in (
        Computed("segment_disclosure", disclosures),
        Computed("enrollment_anomalies", anomalies),
        Computed("enrollment_forecast", models.forecast, ("issue_forecasts",)),
        Computed("forecast_scorecard", models.scorecard),
    ):
        write_computed(connection, found, computed, dates, run_id="test")
    cohorts.follow(connection, found, run_id="test")


def take_in(university, first, last=None, *, restates=True, insight=False):
    """Take days in and derive their figures; with `insight` also what they mean."""
    found = university.settings
    dates = [
        date for date in days_of(day(first), day(last or first)) if not found.why_no_snapshot(date)
    ]
    with university.warehouse().connect() as connection:
        store_days(connection, found, source_for(found), dates, run_id="test")
        derive(connection, found, days_of(dates[0], dates[-1]))
        if restates:
            restate(connection, found)
        if insight:
            gain_insight(connection, found, days_of(dates[0], dates[-1]))
