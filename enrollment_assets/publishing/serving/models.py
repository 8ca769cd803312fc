"""The parameters of requests and the content of answers, as described in OpenAPI."""

import datetime as dt
import re
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from enrollment_assets.publishing.serving.tables import View

_TYPES: dict[str, type] = {
    "DATE": dt.date,
    "VARCHAR": str,
    "BIGINT": int,
    "INTEGER": int,
    "DOUBLE": float,
    "BOOLEAN": bool,
}
MOST_ROWS = 10_000

Row = TypeVar("Row", bound=BaseModel)


def _iso_date(value: object) -> object:
    # pydantic would also take seconds since 1970.
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("write dates as 2026-09-08")
    return value


IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]


class Asked(BaseModel):
    """Which part of the rows; unknown parameters are refused, since they may be typos."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(1_000, ge=1, le=MOST_ROWS, description="Maximum number of rows")
    offset: int = Field(0, ge=0, le=10**9, description="Number of rows to skip")


class AskedTerm(Asked):
    """Rows of one term, or of all."""

    term: str | None = Field(None, max_length=200, description="Code of the term; default: all")


class AskedDays(AskedTerm):
    """Rows of a term and a range of days."""

    first: IsoDate | None = Field(None, alias="from", description="First day")
    last: IsoDate | None = Field(None, alias="to", description="Last day (inclusive)")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first and self.last and self.first > self.last:
            raise ValueError("from must not be after to")
        return self


class AskedSegments(AskedDays):
    """Rows of a dimension; one day, or a range of them."""

    dimension: str | None = Field(
        None, max_length=200, description="Name of the dimension; default: all"
    )
    date: IsoDate | None = Field(None, description="One day, instead of from and to")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.date and (self.first or self.last):
            raise ValueError("give either date, or from and to")
        return self


class AskedAnomalies(AskedDays):
    """Unusual days only, or all days that were tested."""

    every: bool = Field(False, alias="all", description="Include days that were as expected")


class AskedForecast(Asked):
    """One forecast of one term."""

    term: str = Field(max_length=200, description="Code of the term")
    as_of: IsoDate | None = Field(
        None, description="Day the forecast was made for; default: the newest"
    )


class Page(BaseModel, Generic[Row]):
    """Some rows of an exported table."""

    items: list[Row] = Field(description="The rows")
    total: int = Field(description="Number of matching rows on all pages")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page")
    published_at: dt.datetime = Field(
        description="When the export was written; pages with different times are of different exports"
    )


class Problem(BaseModel):
    """Why there is no answer (RFC 9457)."""

    type: str = Field("about:blank", description="Always about:blank")
    title: str = Field(description="Name of the HTTP status")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="What is wrong and what to do")
    known: list[str] | None = Field(None, description="The existing names")


class Health(BaseModel):
    """The server is up."""

    status: str = "ok"


def page_model(name: str, view: View) -> Any:
    """The model of a page of a view; `name` is that of a row."""
    fields: dict[str, Any] = {}
    for column in view.columns:
        kind: Any = _TYPES[column.type]
        if column.name not in view.key:
            kind = kind | None
        fields[column.name] = (kind, Field(description=column.description))
    row = create_model(name, __doc__=f"{view.grain}.", **fields)
    return Page[row]
