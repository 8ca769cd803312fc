"""`enrollment.yaml` and environment as one validated, typed object, and how it is loaded."""

import datetime as dt
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from enrollment_assets.config.environment import (
    CONFIG_VARIABLE,
    OVERRIDE_PREFIX,
    load_env_file,
)
from enrollment_assets.config.fields import ColumnNames, Day, Identifier
from enrollment_assets.config.file import did_you_mean, in_words, read_yaml
from enrollment_assets.config.renames import followed, read_aliases
from enrollment_assets.config.sections import (
    Alerts,
    Anomalies,
    Calendar,
    Email,
    Exclusion,
    Exports,
    Forecast,
    Grain,
    Institution,
    PointInTime,
    Privacy,
    Quality,
    Reports,
    Retention,
    Schedule,
    Statuses,
    Term,
    Vocabulary,
)
from enrollment_assets.config.source import (
    FIRST_DAY,
    LAST_DAY,
    FilesKeys,
    Source,
    secrets_in,
)
from enrollment_assets.config.terms import TermsFile, terms_of
from enrollment_assets.errors import ConfigurationError

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


_TERMS_SCHEMA = {
    "anyOf": [
        {"type": "array", "minItems": 1, "items": Term.model_json_schema()},
        TermsFile.model_json_schema(),
    ]
}


class Settings(BaseSettings):
    """Everything that `enrollment.yaml` can say."""

    model_config = SettingsConfigDict(
        env_prefix=OVERRIDE_PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
        extra="forbid",
        frozen=True,
    )

    institution: Institution
    """Who runs this, and where its day begins."""
    start_date: Day
    """First day that is watched; the first partition of every daily asset."""
    data_dir: Path = Path("data")
    """Folder of the warehouse, reports and exports, relative to this file."""
    metrics_dir: Path | None = None
    """Folder of your own metrics, relative to this file. Left out, it is `sql/metrics` beside this
    file.
    """
    source: Source
    """Where the daily list of students comes from."""
    columns: dict[Identifier, ColumnNames] = {"student_id": "student_id"}
    """Our name of a column, and the name it has in the source, or a list of names where it was renamed
    (`program: [MAJR_CODE, MAJOR]`): the first that is there is read. `student_id` is required;
    `student_name`, `term`, `status` and the dimensions may follow. A column that is not named
    here is never read.
    """
    dimensions: tuple[Identifier, ...] = ("division", "program", "level")
    """Columns to break figures down by. By default those of division, program and level that are
    under `columns`.
    """
    renamed_from: dict[Identifier, Identifier] = {}
    """Dimensions that had another name in this file: `college: division` carries on under `college`
    what was stored as `division`.
    """
    mapping: dict[Identifier, dict[str, str]] = {}
    """Values of dimensions that have another name now: `program: {MATH-OLD: MATH}`. Rows are stored
    under the new name, and stored days are brought to it by the next run.
    """
    aliases: Path | None = None
    """CSV file with the columns `old_id` and `new_id`, relative to this file: IDs of people who were
    merged. Both count as one person, under the new ID, on stored days, too.
    """
    grain: Grain = Grain.student
    """What one row of a snapshot is: a student, or one of several registrations of a student."""
    statuses: Statuses = Statuses()
    """Which status codes count as enrolled."""
    exclude: tuple[Exclusion, ...] = ()
    """Rows to leave out, such as test students."""
    terms: Annotated[tuple[Term, ...], WithJsonSchema(_TERMS_SCHEMA)] = Field(min_length=1)
    """The terms and their dates, or the file that has them (`terms: {file: terms.csv}`)."""
    calendar: Calendar = Calendar()
    """Days without a snapshot, and days on which movement is expected."""
    schedule: Schedule = Schedule()
    """When the daily run starts."""
    quality: Quality = Quality()
    """When a snapshot is rejected, and when a check raises a warning."""
    anomalies: Anomalies = Anomalies()
    """When a day counts as unusual."""
    point_in_time: PointInTime = PointInTime()
    """How a day of a term finds the same point of its comparison term."""
    forecast: Forecast = Forecast()
    """How far ahead, and with which ranges."""
    reports: Reports = Reports()
    """How reports look."""
    email: Email = Email()
    """The daily mail."""
    exports: Exports = Exports()
    """Files for BI tools."""
    alerts: Alerts = Alerts()
    """Who hears of failures."""
    privacy: Privacy = Privacy()
    """What is withheld from readers."""
    retention: Retention = Retention()
    """How long student-level data, reports and runs are kept."""
    vocabulary: Vocabulary = Vocabulary()
    """What to call the people who are counted, if they are no students."""

    _path: Path = PrivateAttr(default=Path("enrollment.yaml"))
    _terms_file: Path | None = PrivateAttr(default=None)
    _terms_mark: tuple[int, int] | None = PrivateAttr(default=None)

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
        self._check_renames()
        self._check_terms()
        return self

    @property
    def source_columns(self) -> dict[str, tuple[str, ...]]:
        """Our name of each column that is read, and its names in the source, the preferred first."""
        columns = {
            ours: (theirs,) if isinstance(theirs, str) else theirs
            for ours, theirs in self.columns.items()
        }
        if self.source.dated:
            columns[FIRST_DAY] = (self.source.dated.entry,)
            columns[LAST_DAY] = (self.source.dated.exit,)
        return columns

    @property
    def row_columns(self) -> tuple[str, ...]:
        """The columns of a student's row in a snapshot, in order; all of them text.

        Staging, storing, fingerprints, quarantine and exports go by this list.
        """
        return ("term", "student_id", "student_name", *self.dimensions, "status")

    @property
    def reads(self) -> tuple[str, ...]:
        """What a day is read with: its dimensions, and the grain if it is `registration`."""
        per_program = ("rows per program",) if self.grain is Grain.registration else ()
        return (*self.dimensions, *per_program)

    @property
    def new_values(self) -> dict[str, dict[str, str]]:
        """The renamed values of each dimension that has some: the old one, and the one that goes on."""
        maps = {name: followed(self.mapping.get(name, {})) for name in self.dimensions}
        return {name: values for name, values in maps.items() if values}

    @property
    def new_ids(self) -> dict[str, str]:
        """The merged IDs, old and new.

        Raises:
            ConfigurationError: if the file of `aliases` cannot be read.
        """
        return read_aliases((self.base / self.aliases).resolve()) if self.aliases else {}

    @property
    def compared_columns(self) -> tuple[str, ...]:
        """The columns whose values are compared with the day before, to find faults of an extract."""
        # Without codes that say who counts, a status decides nothing.
        codes = self.statuses
        decides = codes.counted is not None or codes.ignored or codes.deposited
        return (*self.dimensions, "status") if decides else self.dimensions

    def _check_columns(self) -> None:
        columns = self.columns
        if "student_id" not in columns:
            raise ValueError("columns: student_id must be mapped to the source's column of ids")
        for name in columns:
            if name not in self.row_columns:
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

    def _check_renames(self) -> None:
        for new, old in self.renamed_from.items():
            if new not in self.dimensions:
                raise ValueError(f"renamed_from: {new} is not one of the dimensions")
            if old in self.row_columns:
                raise ValueError(f"renamed_from: {old} is still a column that is read")
        if len(set(self.renamed_from.values())) < len(self.renamed_from):
            raise ValueError("renamed_from: one earlier name can go on under one name only")
        for name in self.mapping:
            if name not in self.dimensions:
                raise ValueError(f"mapping: {name} is not one of the dimensions")
            try:
                followed(self.mapping[name])
            except ValueError as error:
                raise ValueError(f"mapping: {name}: {error}") from None

    def _check_terms(self) -> None:
        codes = [term.code for term in self.terms]
        for code in codes:
            if codes.count(code) > 1:
                raise ValueError(f"terms: the code {code} is given twice")
        for term in self.terms:
            if term.comparison is not None and term.comparison not in codes:
                raise ValueError(
                    f"terms: {term.code} is compared with {term.comparison}, which is not listed"
                )
            if term.parent is not None and (term.parent == term.code or term.parent not in codes):
                raise ValueError(
                    f"terms: {term.code} is a part of {term.parent}, which is no other term that is "
                    "listed"
                )
            if term.comparison == term.code:
                raise ValueError(f"terms: {term.code} is compared with itself")
        if self.reports.lead_term is not None and self.reports.lead_term not in codes:
            raise ValueError(
                f"reports.lead_term: {self.reports.lead_term} is not listed under terms"
            )

    def renewed(self) -> Self:
        """These settings, or new ones where the file of terms has changed since they were read.

        Raises:
            ConfigurationError: if it, or the configuration, cannot be read any more.
        """
        if self._terms_file is None or _mark_of(self._terms_file) == self._terms_mark:
            return self
        return load_settings(self._path)  # type: ignore[return-value]

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
        """The folder of custom metrics: `metrics_dir`, or `sql/metrics` beside the configuration."""
        return (self.base / (self.metrics_dir or "sql/metrics")).resolve()

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
        term = self.terms_by_code.get(code)
        if term is None:
            raise ConfigurationError(
                f"{code} is none of the terms in {self.path}: {', '.join(self.terms_by_code)}."
            )
        return term

    def open_terms(self, date: dt.date) -> list[Term]:
        """The terms in which students can be enrolled on this day."""
        return [term for term in self.terms if term.is_open(date)]

    def earlier_terms(self, term: Term, most: int = 5) -> list[Term]:
        """The term's comparison, that one's comparison, and so on: the newest first."""
        earlier: list[Term] = []
        while term.comparison and len(earlier) < most:
            term = self.terms_by_code[term.comparison]
            if term in earlier:
                break
            earlier.append(term)
        return earlier

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
    """Where the configuration is: `ENROLLMENT_CONFIG`, or `enrollment.yaml` in this folder."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named).expanduser().resolve() if named else Path.cwd() / "enrollment.yaml"


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the configuration, and take the variables of the `.env` beside it along.

    Raises:
        ConfigurationError: with the file, the key, the value and what is allowed.
    """
    path = path or find_config()
    content = read_yaml(path, CONFIG_VARIABLE)
    load_env_file(path.resolve().parent)
    _check_overrides()
    secrets = secrets_in(content.get("source"))
    if secrets:
        raise ConfigurationError(
            f"{path}: {', '.join(secrets)}: holds a secret; put it into the environment, and write "
            "${NAME} in its place, as in scheme://user:${SOURCE_PASSWORD}@host."
        )
    terms_file = None
    if isinstance(content.get("terms"), dict):
        terms_file, content["terms"] = terms_of(path, content["terms"])
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigurationError(in_words(path, error, Settings)) from None
    except (ValueError, TypeError) as error:  # an override that is not the JSON it should be
        raise ConfigurationError(f"{path}: an {OVERRIDE_PREFIX} variable: {error}") from None
    settings._path = path.resolve()  # noqa: SLF001 - set once, here
    settings._terms_file = terms_file  # noqa: SLF001
    settings._terms_mark = _mark_of(terms_file) if terms_file else None  # noqa: SLF001
    return settings


def _mark_of(file: Path) -> tuple[int, int] | None:
    """What changes whenever a file is written again; None where it is not there."""
    try:
        there = file.stat()
    except OSError:
        return None
    return there.st_mtime_ns, there.st_size


def _check_overrides() -> None:
    for name in os.environ:
        if name.upper().startswith(OVERRIDE_PREFIX):
            key = name[len(OVERRIDE_PREFIX) :].split("__")[0].lower()
            if key not in Settings.model_fields:
                raise ConfigurationError(
                    f"The environment variable {name} overrides no key of enrollment.yaml"
                    f"{did_you_mean(key, Settings.model_fields)}."
                )
