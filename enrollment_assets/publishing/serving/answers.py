"""The JSON endpoints: each answers from one exported table."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from enrollment_assets.config import Settings
from enrollment_assets.publishing.serving.exported import Condition, Exports, Rows
from enrollment_assets.publishing.serving.models import (
    Asked,
    AskedAnomalies,
    AskedDays,
    AskedForecast,
    AskedSegments,
    Problem,
    page_model,
)
from enrollment_assets.publishing.serving.tables import views

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {
        "model": Problem,
        "description": "No such term or dimension; `known` lists the existing ones",
    },
    422: {"model": Problem, "description": "A parameter is invalid"},
    503: {"model": Problem, "description": "The exports do not exist yet or cannot be read"},
}


class UnknownNameError(HTTPException):
    """A request names a term or dimension that does not exist."""

    def __init__(self, what: str, known: Sequence[str]) -> None:
        super().__init__(404, f"There is no such {what}; known: {', '.join(known) or 'none yet'}.")
        self.known = list(known)


class Answers:
    """The endpoints over the exports of one configuration."""

    def __init__(self, settings: Settings) -> None:
        self._dimensions = settings.dimensions
        self._exports = Exports(settings)
        self._views = views(settings)

    def router(self) -> APIRouter:
        """The endpoints under /api/v1."""
        router = APIRouter(prefix="/api/v1", responses=_PROBLEMS, tags=["enrollment"])

        def add(name: str, row: str, endpoint: Callable[..., dict[str, Any]]) -> None:
            model, grain = page_model(row, self._views[name]), self._views[name].grain
            router.add_api_route(f"/{name}", endpoint, response_model=model, summary=grain)

        add("terms", "Term", self.terms)
        add("metrics", "DailyMetrics", self.metrics)
        add("segments", "Segment", self.segments)
        add("point-in-time", "SamePoint", self.point_in_time)
        add("forecast", "Forecast", self.forecast)
        add("anomalies", "Anomaly", self.anomalies)
        add("dates", "CalendarDay", self.dates)
        return router

    def terms(self, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        """All terms with their dates."""
        return self._rows("terms", asked, [])

    def metrics(self, asked: Annotated[AskedDays, Query()]) -> dict[str, Any]:
        """Headcount, adds, drops, moves and rates of each day."""
        return self._of_days("metrics", asked)

    def segments(self, asked: Annotated[AskedSegments, Query()]) -> dict[str, Any]:
        """Headcounts of segments. A withheld figure is null; its suppression column says why."""
        more = []
        if asked.dimension is not None:
            if asked.dimension not in self._dimensions:
                raise UnknownNameError("dimension", self._dimensions)
            more.append(Condition("dimension", "=", asked.dimension))
        if asked.date is not None:
            more.append(Condition("date", "=", asked.date))
        return self._of_days("segments", asked, *more)

    def point_in_time(self, asked: Annotated[AskedDays, Query()]) -> dict[str, Any]:
        """The headcount of each day next to the comparison term's at the same point."""
        return self._of_days("point-in-time", asked)

    def forecast(self, asked: Annotated[AskedForecast, Query()]) -> dict[str, Any]:
        """One forecast: the expected headcount for each day up to the horizon."""
        self._check_term(asked.term)
        conditions = [Condition("term", "=", asked.term)]
        with self._exports.open(self._views["forecast"]) as opened:
            as_of = asked.as_of or opened.newest("as_of", conditions)
            conditions.append(Condition("as_of", "=", as_of))
            return _page(opened.rows(conditions, asked.limit, asked.offset), asked)

    def anomalies(self, asked: Annotated[AskedAnomalies, Query()]) -> dict[str, Any]:
        """Unusual changes of a term or a segment, with the probable cause."""
        unusual = [] if asked.every else [Condition("is_anomaly", "=", True)]
        return self._of_days("anomalies", asked, *unusual)

    def dates(self, asked: Annotated[AskedDays, Query()]) -> dict[str, Any]:
        """The calendar: weeks, academic years, closures, events and days of terms."""
        return self._of_days("dates", asked)

    def _check_term(self, code: str) -> None:
        with self._exports.open(self._views["terms"]) as terms:
            known = terms.values("code")
        if code not in known:
            raise UnknownNameError("term", known)

    def _of_days(self, name: str, asked: AskedDays, *more: Condition) -> dict[str, Any]:
        conditions = [*more]
        if asked.term is not None:
            self._check_term(asked.term)
            conditions.append(Condition("term", "=", asked.term))
        if asked.first is not None:
            conditions.append(Condition("date", ">=", asked.first))
        if asked.last is not None:
            conditions.append(Condition("date", "<=", asked.last))
        return self._rows(name, asked, conditions)

    def _rows(self, name: str, asked: Asked, conditions: Sequence[Condition]) -> dict[str, Any]:
        with self._exports.open(self._views[name]) as opened:
            return _page(opened.rows(conditions, asked.limit, asked.offset), asked)


def _page(rows: Rows, asked: Asked) -> dict[str, Any]:
    end = asked.offset + len(rows.items)
    return {
        "items": rows.items,
        "total": rows.total,
        "next_offset": end if rows.items and end < rows.total else None,
        "published_at": rows.published_at,
    }
