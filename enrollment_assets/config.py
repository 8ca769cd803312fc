"""The configuration: `enrollment.yaml` and environment as one validated, typed object.

Nothing here talks to a source, a database or Dagster.
"""

import datetime as dt
import os
import re
from email.utils import parseaddr
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from enrollment_assets.config_file import did_you_mean, in_words, read_yaml
from enrollment_assets.config_source import FilesKeys, Section, Source, secrets_in
from enrollment_assets.errors import ConfigurationError

CONFIG_VARIABLE = "ENROLLMENT_CONFIG"
OVERRIDE_PREFIX = "ENROLLMENT__"

# What every mail server takes without extensions: no quotes, no comments, ASCII only.
_MAILBOX = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

# Column names that tables of the warehouse give another meaning.
_RESERVED = frozenset(
    {
        "baseline_date",
        "change",
        "date",
        "dimension",
        "has_blank",
        "has_invalid_id",
        "is_now",
        "returning",
        "segment",
        "snapshot_date",
        "standing",
        "status",
        "student_id",
        "student_name",
        "term",
    }
)


def _identifier(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError("use lower-case letters, digits and underscores, a letter first")
    return name


def _calendar_date(value: object) -> object:
    # YAML reads 2024-08-26 as a date; a date with a time would be cut silently.
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
        raise ValueError("give a date such as 2024-08-26")
    if isinstance(value, dt.datetime):
        raise ValueError("give a date such as 2024-08-26, without a time")  # noqa: TRY004
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a timezone; use a name such as America/New_York") from None
    return name


def _color(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError('use a colour such as "#2E4057"')
    return value


def _cron(value: str) -> str:
    fields = value.split()
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    if len(fields) != len(bounds):
        raise ValueError('use five fields, such as "0 8 * * *"')
    for field, (low, high) in zip(fields, bounds, strict=True):
        if not re.fullmatch(r"[\d*/,A-Za-z-]+", field):
            raise ValueError(f"{field} is no field of a cron line")
        if any(not low <= int(number) <= high for number in re.findall(r"(?<![/\d])\d+", field)):
            raise ValueError(f"{field} is outside {low} to {high}")
    return value


def domain_of(address: str) -> str:
    """What stands behind the @, in lower case."""
    return address.rpartition("@")[2].lower()


def _mailbox(value: str) -> str:
    local, _, domain = value.strip().rpartition("@")
    address = f"{local}@{domain.lower()}"
    if not _MAILBOX.fullmatch(address):
        raise ValueError("give an address such as dean@example.edu, without a name")
    return address


def _sender(value: str) -> str:
    address = parseaddr(value)[1]
    if not address or not value.isprintable():
        raise ValueError("give an address, or a name with one: Registrar <registrar@example.edu>")
    _mailbox(address)
    return value.strip()


Day = Annotated[dt.date, BeforeValidator(_calendar_date)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Color = Annotated[str, AfterValidator(_color)]
Share = Annotated[float, Field(ge=0, le=1)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Sender = Annotated[str, AfterValidator(_sender)]


class Grain(StrEnum):
    """What one row of a snapshot stands for."""

    student = "student"
    registration = "registration"


class Institution(Section):
    """Who runs this, and where its day begins."""

    name: str = Field(min_length=1)
    timezone: Annotated[str, AfterValidator(_zone)] = "America/New_York"


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

    cron: Annotated[str, AfterValidator(_cron)] = "0 8 * * *"
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

    # hyper only where it is asked for: it needs the extra `tableau`
    formats: tuple[Literal["csv", "parquet", "hyper"], ...] = ("csv", "parquet")
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


class Settings(BaseSettings):
    """Everything that `enrollment.yaml` can say."""

    model_config = SettingsConfigDict(
        env_prefix=OVERRIDE_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    institution: Institution
    start_date: Day
    data_dir: Path = Path("data")
    metrics_dir: Path | None = None
    source: Source
    columns: dict[Identifier, str] = Field(default_factory=lambda: {"student_id": "student_id"})
    dimensions: tuple[Identifier, ...] = ("division", "program", "level")
    grain: Grain = Grain.student
    statuses: Statuses = Statuses()
    exclude: tuple[Exclusion, ...] = ()
    terms: tuple[Term, ...] = Field(min_length=1)
    calendar: Calendar = Calendar()
    schedule: Schedule = Schedule()
    quality: Quality = Quality()
    anomalies: Anomalies = Anomalies()
    point_in_time: PointInTime = PointInTime()
    forecast: Forecast = Forecast()
    reports: Reports = Reports()
    email: Email = Email()
    exports: Exports = Exports()
    alerts: Alerts = Alerts()
    privacy: Privacy = Privacy()
    retention: Retention = Retention()
    vocabulary: Vocabulary = Vocabulary()

    _path: Path = PrivateAttr(default=Path("enrollment.yaml"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes over the file, key by key."""
        return env_settings, init_settings

    @model_validator(mode="before")
    @classmethod
    def _dimensions_follow_columns(cls, data: Any) -> Any:
        # A column left out is not read: the default dimensions are those that have a column.
        if isinstance(data, dict) and "dimensions" not in data:
            columns = data.get("columns")
            mapped = columns if isinstance(columns, dict) else {}
            default = cls.model_fields["dimensions"].default
            return {**data, "dimensions": [name for name in default if name in mapped]}
        return data

    @field_validator("dimensions")
    @classmethod
    def _no_reserved_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        taken = sorted(_RESERVED.intersection(value))
        if taken:
            raise ValueError(f"{taken[0]} is a column with a meaning of its own")
        shadowed = [name for name in value if f"from_{name}" in value]
        if shadowed:
            raise ValueError(f"from_{shadowed[0]} already means where {shadowed[0]} was before")
        if len(set(value)) != len(value):
            raise ValueError("name each dimension once")
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        self._check_columns()
        self._check_terms()
        return self

    def _check_columns(self) -> None:
        columns = self.columns
        if "student_id" not in columns:
            raise ValueError("columns: student_id must be mapped to the source's column of ids")
        known = {"student_id", "student_name", "term", "status", *self.dimensions}
        for name in columns:
            if name not in known:
                raise ValueError(
                    f"columns: {name} is not read; it is neither one of student_id, student_name, "
                    f"term, status nor one of the dimensions ({', '.join(self.dimensions)})"
                )
        for name in self.dimensions:
            if name not in columns:
                raise ValueError(
                    f"dimensions: {name} has no column; add it under columns or take it out"
                )
        if self.grain is Grain.registration and "program" not in columns:
            raise ValueError("grain: registration needs a column program, which is part of its key")
        statuses = self.statuses
        if (statuses.counted or statuses.ignored or statuses.deposited) and "status" not in columns:
            raise ValueError("statuses: needs a column status under columns")
        for rule in self.exclude:
            if rule.column not in columns:
                raise ValueError(f"exclude: {rule.column} is not one of the columns that are read")

    def _check_terms(self) -> None:
        codes = [term.code for term in self.terms]
        for code in codes:
            if codes.count(code) > 1:
                raise ValueError(f"terms: the code {code} stands there twice")
        for term in self.terms:
            if term.comparison is not None and term.comparison not in codes:
                raise ValueError(
                    f"terms: {term.code} is compared with {term.comparison}, which is not listed"
                )
            if term.comparison == term.code:
                raise ValueError(f"terms: {term.code} is compared with itself")

    @property
    def path(self) -> Path:
        """The file that was read."""
        return self._path

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self._path.parent

    @property
    def zone(self) -> ZoneInfo:
        """The institution's timezone."""
        return ZoneInfo(self.institution.timezone)

    @property
    def data_path(self) -> Path:
        """`data_dir` as an absolute path."""
        return (self.base / self.data_dir).resolve()

    @property
    def metrics_path(self) -> Path:
        """The folder of custom metrics: `metrics_dir`, by default the checkout's `sql/metrics`."""
        if self.metrics_dir is None:
            return Path(__file__).resolve().parents[1] / "sql" / "metrics"
        return (self.base / self.metrics_dir).resolve()

    @property
    def warehouse_path(self) -> Path:
        """The one DuckDB file."""
        return self.data_path / "warehouse.duckdb"

    @property
    def files(self) -> FilesKeys:
        """The keys of a source of files.

        Raises:
            ConfigurationError: if the source is of another kind.
        """
        if not isinstance(self.source, FilesKeys):
            raise ConfigurationError(
                f"{self.path}: source.kind is {self.source.kind}; this needs a folder of files."
            )
        return self.source

    def report_path(self, day: dt.date) -> Path:
        """Where the files of one day's report are."""
        return self.data_path / "reports" / day.isoformat()

    @cached_property
    def terms_by_code(self) -> dict[str, Term]:
        """The terms under their codes."""
        return {term.code: term for term in self.terms}

    def term(self, code: str) -> Term:
        """The term of a code that somebody typed.

        Raises:
            ConfigurationError: if there is no such term.
        """
        found = self.terms_by_code.get(code)
        if found is None:
            raise ConfigurationError(
                f"{code} is none of the terms in {self.path}: {', '.join(self.terms_by_code)}."
            )
        return found

    def open_terms(self, date: dt.date) -> list[Term]:
        """The terms in which students can be enrolled on this day."""
        return [term for term in self.terms if term.is_open(date)]

    def earlier_terms(self, term: Term, most: int = 5) -> list[Term]:
        """The term's comparison, that one's comparison, and so on: the newest first."""
        found: list[Term] = []
        while term.comparison and len(found) < most:
            term = self.terms_by_code[term.comparison]
            if term in found:
                break
            found.append(term)
        return found

    def why_no_snapshot(self, date: dt.date) -> str | None:
        """Why no snapshot is expected on this day, or None where one is."""
        if date in self.calendar.closures:
            return f"{date} is a closure"
        if self.schedule.skip_weekends and date.weekday() >= 5:  # noqa: PLR2004 - Saturday
            return f"{date} is on a weekend"
        if not self.open_terms(date):
            return f"no term is open on {date}"
        return None

    def today(self) -> dt.date:
        """The date at the institution, for commands that are given none."""
        return dt.datetime.now(self.zone).date()


def find_config() -> Path:
    """Where the configuration is: `ENROLLMENT_CONFIG`, or `enrollment.yaml` here or in the checkout."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd() / "enrollment.yaml"
    return here if here.exists() else Path(__file__).resolve().parents[1] / "enrollment.yaml"


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the configuration.

    Raises:
        ConfigurationError: with the file, the key, the value and what is allowed.
    """
    path = path or find_config()
    content = read_yaml(path, CONFIG_VARIABLE)
    _check_overrides()
    secrets = secrets_in(content.get("source"))
    if secrets:
        raise ConfigurationError(
            f"{path}: {', '.join(secrets)}: holds a secret; put it into the environment, and write "
            "${NAME} in its place, as in scheme://user:${SOURCE_PASSWORD}@host."
        )
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigurationError(in_words(path, error, Settings)) from None
    except (ValueError, TypeError) as error:  # an override that is not the JSON it should be
        raise ConfigurationError(f"{path}: an {OVERRIDE_PREFIX} variable: {error}") from None
    settings._path = path.resolve()  # noqa: SLF001 - set once, here
    return settings


def expand(value: str, key: str) -> str:
    """Put the environment's values in the place of `${NAME}`.

    Raises:
        ConfigurationError: if a variable is not set; the message names it and the key, no value.
    """

    def replace(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise ConfigurationError(
                f"{key} needs the environment variable {match[1]}, which is not set."
            )
        return found

    return _VARIABLE.sub(replace, value)


def expand_address(value: str, key: str) -> str:
    """The same for an address: a password in it, as in `user:${NAME}@host`, may hold any sign.

    Raises:
        ConfigurationError: if a variable is not set.
    """
    quoted = re.sub(
        r"(?<=:)\$\{\w+\}(?=@)", lambda match: quote(expand(match[0], key), safe=""), value
    )
    return expand(quoted, key)


def _check_overrides() -> None:
    for name in os.environ:
        if name.upper().startswith(OVERRIDE_PREFIX):
            key = name[len(OVERRIDE_PREFIX) :].split("__")[0].lower()
            if key not in Settings.model_fields:
                raise ConfigurationError(
                    f"The environment variable {name} overrides no key of enrollment.yaml"
                    f"{did_you_mean(key, Settings.model_fields)}."
                )


__all__ = [
    "ConfigurationError",
    "Grain",
    "Settings",
    "Term",
    "expand",
    "expand_address",
    "find_config",
    "load_settings",
]
