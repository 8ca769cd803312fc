"""The sections of `enrollment.yaml`, apart from `source`, each one model."""

import datetime as dt
from email.utils import parseaddr
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from enrollment_assets.config.fields import (
    Color,
    Cron,
    Day,
    Identifier,
    Mailbox,
    Pattern,
    Sender,
    Share,
    Zone,
    domain_of,
)


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Grain(StrEnum):
    """What one row of a snapshot stands for."""

    student = "student"
    registration = "registration"


class Institution(Section):
    """Who runs this, and where its day begins."""

    name: str = Field(min_length=1)
    timezone: Zone = "America/New_York"


class Statuses(Section):
    """Which status codes count as enrolled; `counted: null` counts every row.

    `deposited` are those of the counted ones that only promise to come; who of them does not is melt.
    """

    counted: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()
    deposited: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _deposits_count(self) -> Self:
        for code in self.deposited:
            if code in self.ignored or (self.counted is not None and code not in self.counted):
                raise ValueError(f"deposited: {code} must be one of the statuses that count")
        return self


class Exclusion(Section):
    """Rows to leave out, such as test students: a column of the snapshot and a regular expression."""

    column: Identifier
    pattern: Pattern


class Term(Section):
    """One term and its dates; `registration_opens` and `ends` both belong to it."""

    code: str = Field(min_length=1)
    name: str = ""
    registration_opens: Day
    starts: Day
    census: Day
    ends: Day
    comparison: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.registration_opens <= self.starts <= self.ends:
            raise ValueError("registration_opens, starts and ends must follow each other")
        if not self.registration_opens <= self.census <= self.ends:
            raise ValueError("census must lie between registration_opens and ends")
        return self

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.code

    def is_open(self, date: dt.date) -> bool:
        """Whether students can be enrolled in it on this day."""
        return self.registration_opens <= date <= self.ends


class CalendarEvent(Section):
    """A day on which movement is expected, such as a payment deadline."""

    date: Day
    name: str


class Calendar(Section):
    """Days without a snapshot, and days with a reason to move."""

    closures: frozenset[Day] = frozenset()
    events: tuple[CalendarEvent, ...] = ()


class Schedule(Section):
    """When the daily run starts, in the institution's timezone."""

    cron: Cron = "0 8 * * *"
    skip_weekends: bool = False


class Quality(Section):
    """Bounds for a snapshot; the reasons for the defaults are in the README."""

    max_duplicate_rate: Share = 0.01
    max_missing_rate: Share = 0.05
    min_enrollment_change: int | None = None
    max_enrollment_change: int | None = None
    max_change_share: Share = 0.05
    reject_below_share: Share = 0.5
    reject_above_share: float = Field(default=2.0, ge=1)
    reject_floor: int = Field(default=50, ge=0)
    student_id_pattern: Pattern | None = None


class Anomalies(Section):
    """When a day counts as unusual."""

    threshold: float = Field(default=4.0, gt=0)
    min_students: int = Field(default=10, ge=0)


class Anchor(StrEnum):
    """The date of a term that days are counted from when two terms are compared."""

    starts = "starts"
    registration_opens = "registration_opens"
    census = "census"


class PointInTime(Section):
    """How a day of a term finds its counterpart in the comparison term."""

    anchor: Anchor = Anchor.starts


class Forecast(Section):
    """How far ahead, and with which intervals in percent."""

    horizon_days: int = Field(default=90, ge=1, le=400)
    intervals: tuple[Annotated[int, Field(gt=0, lt=100)], ...] = (80, 95)

    @field_validator("intervals")
    @classmethod
    def _with_eighty(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if 80 not in value:  # noqa: PLR2004 - checks and reports speak of it
            raise ValueError("80 must be among them: checks and reports use it")
        return tuple(sorted(set(value)))


class Reports(Section):
    """How reports look."""

    primary_color: Color = "#2E4057"
    accent_color: Color = "#4caf50"
    continuation_target: float = Field(default=95, ge=0, le=100)
    logo: str | None = None


class Email(Section):
    """The daily mail."""

    enabled: bool = False
    sender: Sender | None = Field(default=None, alias="from")
    recipients: tuple[Mailbox, ...] = ()
    smtp_url: str = "${SMTP_URL}"
    subject_prefix: str = "[Enrollment]"
    include_student_lists: bool = False
    allowed_domains: tuple[str, ...] = ()

    @field_validator("recipients")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple({address.casefold(): address for address in value}.values())

    @model_validator(mode="after")
    def _only_allowed(self) -> Self:
        allowed = {domain.lower().lstrip("@") for domain in self.allowed_domains}
        if allowed:
            outside = {domain_of(address) for address in self.recipients} - allowed
            if outside:
                raise ValueError(
                    f"recipients: {', '.join(sorted(outside))} is none of allowed_domains "
                    f"({', '.join(sorted(allowed))})"
                )
        return self

    @property
    def sender_domain(self) -> str:
        """The domain that mails come from; empty where no sender is given."""
        return domain_of(parseaddr(self.sender or "")[1])


class Exports(Section):
    """Which files are made for BI tools, and whether those of single students are among them."""

    formats: tuple[Literal["csv", "parquet", "hyper"], ...] = ("csv", "parquet", "hyper")
    student_changes: bool = False


class Alerts(Section):
    """Apprise addresses that hear of failures."""

    urls: tuple[str, ...] = ("${ALERT_URL}",)


class Privacy(Section):
    """What is withheld."""

    small_cell: int = Field(default=10, ge=0)
    pseudonymize: bool = False


class Retention(Section):
    """How long student-level snapshots, reports and Dagster's runs are kept; null keeps them."""

    snapshots_days: int | None = Field(default=None, ge=1)
    reports_days: int | None = Field(default=365, ge=1)
    runs_days: int | None = Field(default=90, ge=1)


class Vocabulary(Section):
    """The words of this population, for other ones than students."""

    student: str = "student"
    students: str = "students"
    enrollment: str = "enrollment"
