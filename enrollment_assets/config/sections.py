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

    # Each part is built once, with the whole that holds it: half the time of an import.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Grain(StrEnum):
    """What one row of a snapshot is."""

    student = "student"
    registration = "registration"


class Institution(Section):
    """Who runs this, and where its day begins."""

    name: str = Field(min_length=1)
    """Name of the institution, as reports, mail and alerts show it."""
    timezone: Zone = "America/New_York"
    """Where the institution is. It decides which day is today and when the daily run starts."""


class Statuses(Section):
    """Which status codes count as enrolled; `counted: null` counts every row.

    `deposited` are those of the counted ones that only promise to come; who of them does not is melt.
    """

    counted: tuple[str, ...] | None = None
    """Status codes that count as enrolled. Left out, every row counts. A row with a code that is
    neither here nor under `ignored` is not counted, and a check raises a warning.
    """
    ignored: tuple[str, ...] = ()
    """Status codes that are known and do not count, such as waitlisted or withdrawn."""
    deposited: tuple[str, ...] = ()
    """Those of the counted codes that only mean a promise to come, for the table `deposit_melt`."""

    @model_validator(mode="after")
    def _deposits_count(self) -> Self:
        for code in self.deposited:
            if code in self.ignored or (self.counted is not None and code not in self.counted):
                raise ValueError(f"deposited: {code} must be one of the statuses that count")
        return self


class Exclusion(Section):
    """Rows to leave out, such as test students: a column of the snapshot and a regular expression."""

    column: Identifier
    """A column under `columns`."""
    pattern: Pattern
    """Rows in which this matches some part of the column are left out; `^` and `$` bind it to the
    whole value.
    """


class Term(Section):
    """One term and its dates; `registration_opens` and `ends` both belong to it."""

    code: str = Field(min_length=1)
    """The code of the term in the source. Write it in quotes if it is a number."""
    name: str = ""
    """What people call the term; the code if left out."""
    registration_opens: Day
    """First day of the term: from here on a snapshot is expected."""
    starts: Day
    """First day of classes. Until then the term fills up, and growth is expected."""
    census: Day
    """Day on which the official headcount is frozen."""
    ends: Day
    """Last day of the term; after it no snapshot is expected."""
    comparison: str | None = None
    """Code of the earlier term to compare with, usually the same season a year before. Without it
    there is no "same point last year", and the forecast has only this term to learn from.
    """
    parent: str | None = None
    """Code of the term that this one is a part of, such as a fall in which seven-week terms run. It
    then has no section of its own in reports.
    """

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
    """The day."""
    name: str
    """What happens, such as `payment due`. Events with one name are compared with each other
    across terms.
    """
    expected_share: Share | None = None
    """Share of a term's students that the event is expected to remove, such as 0.12 for a payment
    purge. A loss of up to a quarter more does not hold the day. Left out, the losses at events of
    this name in earlier terms say what to expect.
    """


class Calendar(Section):
    """Days without a snapshot, and days with a reason to move."""

    closures: frozenset[Day] = frozenset()
    """Days on which no snapshot is expected, such as public holidays."""
    events: tuple[CalendarEvent, ...] = ()
    """Days on which movement is expected, so that it is not called unusual."""


class Schedule(Section):
    """When the daily run starts, in the institution's timezone."""

    cron: Cron = "0 8 * * *"
    """When the daily run starts, in the timezone of the institution: minute, hour, day, month,
    weekday.
    """
    skip_weekends: bool = False
    """Whether no snapshot is expected on Saturdays and Sundays."""


class OnDoubt(StrEnum):
    """What happens to a snapshot that looks like a fault."""

    hold = "hold"
    warn = "warn"


class Quality(Section):
    """Bounds for a snapshot; the reasons for the defaults are in the README."""

    max_duplicate_rate: Share = 0.01
    """Share of a term's rows that may repeat a key. A clerk's slip repeats a few rows, of which
    one is kept; a join gone wrong doubles many, and beyond this share the term is rejected.
    """
    max_missing_rate: Share = 0.05
    """Share of a term's rows that may lack an id. They are set aside in `data/quarantine/`;
    beyond this share the term is rejected. Rows with a blank dimension only raise a warning at
    this share.
    """
    min_enrollment_change: int | None = None
    """Lowest expected change of a term's headcount since its last snapshot, in students (negative
    for a loss); below it a check raises a warning. Left out, there is no such bound.
    """
    max_enrollment_change: int | None = None
    """Highest expected change of a term's headcount since its last snapshot, in students; above
    it a check raises a warning. Left out, there is no such bound.
    """
    max_change_share: Share = 0.05
    """Share of the headcount that may change in a day before a check raises a warning. More than
    one in twenty is a deadline or a fault. Growth before a term starts is neither, and has no
    bound.
    """
    reject_below_share: Share = 0.5
    """A term is rejected if its headcount is less than this share of the last accepted one, or if
    fewer than this share of those students are still in it. No ordinary day loses half of them; a
    cut-off file does.
    """
    reject_above_share: float = Field(default=2.0, ge=1)
    """A term is rejected if its headcount is more than this many times the last accepted one, and
    more than earlier terms had as long after their registration opened. Outside of the first days no
    ordinary day doubles it; a doubled extract does.
    """
    reject_floor: int = Field(default=50, ge=0)
    """Terms with fewer students than this are neither rejected nor held by shares and rates: among
    so few a share says nothing.
    """
    on_doubt: OnDoubt = OnDoubt.hold
    """What happens to a snapshot that can be read but looks like a fault. `hold` sets it aside:
    nothing of it enters history and nothing is published until a person accepts or rejects it.
    `warn` accepts it, and a check raises a warning.
    """
    hold_below_share: Share = 0.9
    """A term is in doubt if fewer than this share of the students of its last accepted snapshot are
    still in it. Ordinary days lose some in a hundred; other systems that read rosters stop at a
    tenth, too. A week's gap or less counts as one day.
    """
    hold_above_share: float = Field(default=1.25, ge=1)
    """Once it has started, a term is in doubt if its headcount is more than this many times the last
    accepted one: a query that also reads other people does that. Before the start, registration may
    bring any number.
    """
    hold_segment: int = Field(default=20, ge=1)
    """A term is in doubt if a segment of at least this many students is gone and its students with
    it. One school that sent no file is too small a share of the whole to be noticed otherwise.
    """
    hold_other_ids_share: Share = 0.02
    """A term is in doubt if more than this share of its students were dropped, and added again under
    the same ID in another form (zeros, capitals, marks), or under another ID with the same name
    and segments. People do not change their IDs by the dozen; exports lose zeros.
    """
    hold_changed_share: Share = 0.1
    """A term is in doubt if a column became empty, unknown or spelled otherwise for more than this
    share of its students. Such a day would report them all as moved.
    """
    student_id_pattern: Pattern | None = None
    """What a whole student id looks like, such as `[0-9]{9}`. Rows with other ids are counted,
    and a check raises a warning. Left out, every id will do.
    """


class Anomalies(Section):
    """When a day counts as unusual."""

    threshold: float = Field(default=4.0, gt=0)
    """How far from the expected value a change must be to count as unusual, in robust standard
    deviations. At 4, less than one false alarm in 160 days was measured (`bench/anomaly_faults.py`).
    """
    min_students: int = Field(default=10, ge=0)
    """How many students a change must differ from the expected value by to count as unusual. A
    handful of students is no news in any term.
    """


class Anchor(StrEnum):
    """The date of a term that days are counted from when two terms are compared."""

    starts = "starts"
    registration_opens = "registration_opens"
    census = "census"


class PointInTime(Section):
    """How a day of a term finds its counterpart in the comparison term."""

    anchor: Anchor = Anchor.starts
    """The date of a term from which days are counted to find the same point of the comparison
    term.
    """


# How far forecasts reach where the census is nearer, and at the most.
LEAST_HORIZON, MOST_HORIZON = 90, 400


class Forecast(Section):
    """How far ahead, and with which intervals in percent."""

    horizon_days: int | None = Field(default=None, ge=1, le=MOST_HORIZON)
    """How many days ahead the headcount is forecast; never past the end of a term. Left out, forecasts
    reach the census, for which budgets are made, and at least 90 days.
    """
    intervals: tuple[Annotated[int, Field(gt=0, lt=100)], ...] = (80, 95)
    """How often the true value should lie inside the range that is shown, in percent. 80 must be
    among them, since checks and reports use it.
    """

    @field_validator("intervals")
    @classmethod
    def _with_eighty(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if 80 not in value:  # noqa: PLR2004 - checks and reports speak of it
            raise ValueError("80 must be among them: checks and reports use it")
        return tuple(sorted(set(value)))


class Reports(Section):
    """How reports look."""

    primary_color: Color = "#2E4057"
    """Main color of reports and charts. It is darkened or lightened until it can be read."""
    accent_color: Color = "#4caf50"
    """Color of additions in charts."""
    continuation_target: float = Field(default=95, ge=0, le=100)
    """Share of the census cohort that should still be there at the term's end, in percent. The
    continuation chart has the path to it."""
    lead_term: str | None = None
    """Code of the term that reports lead with on days on which it has a snapshot. Left out, it is the
    largest one before its census, or else the largest one.
    """
    logo: str | None = None
    """A picture for the head of the report, relative to this file."""


class Email(Section):
    """The daily mail."""

    enabled: bool = False
    """Whether the daily report is mailed."""
    sender: Sender | None = Field(default=None, alias="from")
    """Who the mail comes from: an address, or a name with an address."""
    recipients: tuple[Mailbox, ...] = ()
    """Who gets the mail; each address gets its own copy."""
    smtp_url: str = "${SMTP_URL}"
    """The mail server: `smtps://`, `smtp+starttls://`, or `smtp://` on this machine."""
    subject_prefix: str = "[Enrollment]"
    """What the subject begins with."""
    include_student_lists: bool = False
    """Whether the mail lists the day's added and dropped students. Each list is noted in
    `operations.student_list_access`.
    """
    allowed_domains: tuple[str, ...] = ()
    """Domains that recipients may be in, so that a typing error sends no figures elsewhere. Left out,
    any domain will do.
    """

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

    formats: tuple[Literal["csv", "parquet", "hyper"], ...] = ("csv", "parquet")
    """Which kinds of files are written to `data/exports/`; `hyper` is for Tableau, and needs the extra
    `tableau` of this package.
    """
    student_changes: bool = False
    """Whether `fact_student_change`, with one row for each student and change, is exported too."""


class Alerts(Section):
    """Apprise addresses that hear of failures."""

    urls: tuple[str, ...] = ("${ALERT_URL}",)
    """Apprise addresses that hear of failures, such as `slack://…` or `mailto://…`. The default
    counts only where `ALERT_URL` is set.
    """
    dagster_url: str = "http://127.0.0.1:3000"
    """Where Dagster's interface is: alerts link to the run that they are about."""


class Privacy(Section):
    """What is withheld."""

    small_cell: int = Field(default=10, ge=0)
    """Segments with fewer students than this are withheld in reports, mail, exports and the API.
    10 is a usual bound in education statistics.
    """
    pseudonymize: bool = False
    """Whether exported student ids are replaced with pseudonyms; the key is
    `ENROLLMENT_PSEUDONYM_KEY`.
    """


class Retention(Section):
    """How long student-level snapshots, reports and Dagster's runs are kept; null keeps them."""

    snapshots_days: int | None = Field(default=None, ge=1)
    """Age in days after which student-level snapshots, rejected rows and student lists are
    removed. Left out, they are kept. A term's census and its newest snapshot always stay.
    """
    reports_days: int | None = Field(default=None, ge=1)
    """Age in days after which reports are removed, counted from when they were written. Left out, they
    are kept: they are what people have read.
    """
    runs_days: int | None = Field(default=90, ge=1)
    """Age in days after which Dagster's runs are removed, since its database grows with every
    run. `null` keeps them.
    """


class Vocabulary(Section):
    """The words of this population, for other ones than students."""

    student: str = "student"
    """One of them."""
    students: str = "students"
    """Several of them."""
    enrollment: str = "enrollment"
    """What they have in common, as the title of charts."""
