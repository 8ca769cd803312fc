"""Puts the texts of a day's report together; page and mail are made from them and so say the same."""

from enrollment_assets.config import Settings
from enrollment_assets.publishing.reports.figures import DayFigures
from enrollment_assets.publishing.reports.formatting import label, plain
from enrollment_assets.publishing.reports.sections import (
    anomalies,
    forecasts,
    headline,
    quality,
    segments,
    status,
    terms,
    tiles,
)
from enrollment_assets.publishing.reports.texts import DaySummary, TermSection


def summary(figures: DayFigures, settings: Settings) -> DaySummary:
    """The texts of a day's report."""
    day_status, status_text = status.status(figures, settings)
    segment_tables = segments.tables(figures, settings)
    forecast_scores = forecasts.scores(figures, settings)
    return DaySummary(
        institution=plain(settings.institution.name),
        day=figures.day,
        status=day_status,
        status_text=status_text,
        facts=status.facts(figures, settings),
        headline=headline.headline(figures, settings),
        sentences=headline.sentences(figures, settings),
        others=tuple(_section(figures.about(term, settings), settings) for term in figures.others),
        main=label(figures.main),
        main_note=headline.main_note(figures, settings),
        tiles=tiles.tiles(figures, settings),
        segments=segment_tables,
        segments_note=segments.note(figures, segment_tables, settings),
        terms=terms.rows(figures),
        anomalies=anomalies.remarks(figures, settings),
        anomalies_note=anomalies.note(figures),
        quality=quality.remarks(figures, settings),
        forecasts=forecast_scores,
        forecasts_note=forecasts.note(figures, forecast_scores, settings),
    )


def _section(figures: DayFigures, settings: Settings) -> TermSection:
    """The texts about another open term; `figures` are about it."""
    return TermSection(
        label=label(figures.main),
        sentences=headline.sentences(figures, settings),
        tiles=tiles.tiles(figures, settings),
    )
