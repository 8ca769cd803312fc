"""The tables of the warehouse: names, declared types and what each column means.

The types stand here and not in a first write, so that an empty or all-null day cannot choose them.
"""

from functools import lru_cache

from enrollment_assets.config import Settings
from enrollment_assets.schema.table import OPERATIONS, Table, columns_of

_METRICS = (
    ("baseline_date", "DATE", "Day of the snapshot that the day is compared with; empty at first"),
    ("days_since_baseline", "INTEGER", "Calendar days between the two"),
)


def platform_tables(settings: Settings) -> dict[str, Table]:
    """The tables that are always there, without those of custom metrics."""
    return _tables(settings.dimensions, settings.forecast.intervals)


@lru_cache(maxsize=8)
def _tables(dimensions: tuple[str, ...], intervals: tuple[int, ...]) -> dict[str, Table]:
    def of_dimensions(text: str, prefix: str = "") -> tuple[tuple[str, str, str], ...]:
        return tuple((prefix + name, "VARCHAR", text.format(name)) for name in dimensions)

    snapshots = Table(
        "enrollment_snapshots",
        "One row per snapshot day, term and student (and program in grain registration)",
        columns_of(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term, opaque text"),
            ("student_id", "VARCHAR", "The student's id, text from end to end"),
            ("student_name", "VARCHAR", "The student's name"),
            *of_dimensions("The student's {} on that day"),
            ("status", "VARCHAR", "Status code as the source gave it"),
        ),
        "snapshot_date",
    )
    log = Table(
        "snapshot_log",
        "One row per snapshot day and term: the snapshot that stands",
        columns_of(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("status", "VARCHAR", "accepted, rejected or missing"),
            ("row_count", "BIGINT", "Rows of the term in the extract, duplicates included"),
            ("student_count", "BIGINT", "Distinct students that were stored"),
            ("duplicate_count", "BIGINT", "Rows left out because their key stood there already"),
            ("missing_count", "BIGINT", "Rows without an id"),
            ("reasons", "VARCHAR", "Why the day was refused or has no rows"),
            ("source", "VARCHAR", "Where the rows came from"),
            ("content_hash", "VARCHAR", "Fingerprint of the stored rows, whatever their order"),
            ("extracted_at", "TIMESTAMPTZ", "When they were read"),
        ),
        "snapshot_date",
    )
    changes = Table(
        "student_changes",
        "One row per snapshot day, term and student who was added, dropped or moved",
        columns_of(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("baseline_date", "DATE", "Day of the snapshot that it is compared with"),
            ("change", "VARCHAR", "added, dropped or moved"),
            ("returning", "BOOLEAN", "Added, and enrolled earlier in the same term"),
            ("student_id", "VARCHAR", "The student's id"),
            ("student_name", "VARCHAR", "The student's name"),
            *of_dimensions("The student's {} now; for dropped students the last known one"),
            *of_dimensions("The student's {} at the baseline; empty for added students", "from_"),
        ),
        "snapshot_date",
    )
    metrics = Table(
        "enrollment_metrics",
        "One row per day and term with an accepted snapshot",
        columns_of(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            *_METRICS,
            ("total_enrollment", "BIGINT", "Headcount: distinct students"),
            (
                "new_students",
                "BIGINT",
                "Students added since the baseline, returning ones included",
            ),
            ("returning_students", "BIGINT", "Of these, enrolled earlier in the same term"),
            ("dropped_students", "BIGINT", "Students of the baseline who are not there now"),
            ("moved_students", "BIGINT", "Retained students with another value of some dimension"),
            ("retained_students", "BIGINT", "Students in both snapshots; all of them at first"),
            ("net_change", "BIGINT", "Added less dropped students"),
            ("retention_rate", "DOUBLE", "Day-over-day continuation: retained / baseline, percent"),
            ("growth_rate", "DOUBLE", "Net change / baseline, percent"),
            ("gross_enrollment", "BIGINT", "Students ever enrolled in the term so far"),
            ("days_to_start", "INTEGER", "Days until the term starts; negative afterwards"),
            ("days_to_census", "INTEGER", "Days until the census; negative afterwards"),
        ),
        "date",
    )
    segments = Table(
        "segment_metrics",
        "One row per day, term, dimension and segment with students now or at the baseline",
        columns_of(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension"),
            ("segment", "VARCHAR", "Value of the dimension"),
            *_METRICS,
            ("total_enrollment", "BIGINT", "Distinct students in the segment"),
            ("new_students", "BIGINT", "Added students who are in it"),
            ("dropped_students", "BIGINT", "Dropped students who were in it"),
            ("moved_in", "BIGINT", "Retained students who are in it and were not"),
            ("moved_out", "BIGINT", "Retained students who were in it and are not"),
            ("net_change", "BIGINT", "Change of the total since the baseline"),
        ),
        "date",
    )
    attempts = Table(
        "snapshot_attempts",
        "One row per try to read a day's snapshot of a term, accepted or not",
        columns_of(
            ("snapshot_date", "DATE", "Day of the snapshot"),
            (
                "term",
                "VARCHAR",
                "Code of the term; empty for rows of terms that are not configured",
            ),
            ("status", "VARCHAR", "accepted, rejected, missing, or outside the term's dates"),
            ("reasons", "VARCHAR", "Why it was not accepted"),
            ("row_count", "BIGINT", "Rows of the term in the extract"),
            ("student_count", "BIGINT", "Distinct students among them"),
            ("duplicate_count", "BIGINT", "Rows whose key stood there already"),
            ("missing_count", "BIGINT", "Rows without an id"),
            ("blank_count", "BIGINT", "Rows without a value in some dimension"),
            ("invalid_count", "BIGINT", "Rows whose id is not of the expected form"),
            ("outside_count", "BIGINT", "Rows left out: the day lies outside the term's dates"),
            ("uncounted_count", "BIGINT", "Rows left out by status or exclusion rule"),
            ("unknown_status_count", "BIGINT", "Rows left out: neither counted nor ignored status"),
            ("content_hash", "VARCHAR", "Fingerprint of the rows, where they stood"),
            ("decided_by", "VARCHAR", "Who accepted or rejected it on purpose; empty for a rule"),
            ("run_id", "VARCHAR", "Dagster run that tried"),
            ("attempted_at", "TIMESTAMPTZ", "When"),
        ),
        "snapshot_date",
        OPERATIONS,
    )
    restatements = Table(
        "metric_restatements",
        "One row per figure that changed after a report of its day was written; rows are only added",
        columns_of(
            ("date", "DATE", "Day of the figure"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension; empty for figures of the whole term"),
            ("segment", "VARCHAR", "Value of the dimension; empty for figures of the whole term"),
            ("metric", "VARCHAR", "Column of enrollment_metrics or segment_metrics"),
            ("old_value", "DOUBLE", "What had been reported; empty if nothing had"),
            ("new_value", "DOUBLE", "What holds now; empty if the day was thrown out"),
            ("restated_at", "TIMESTAMPTZ", "When"),
            ("run_id", "VARCHAR", "Dagster run that restated it"),
        ),
    )
    reported = Table(
        "reported_figures",
        "One row per figure of a day of which a report was written, as it was last known",
        columns_of(
            ("date", "DATE", "Day of the figure"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension; empty for figures of the whole term"),
            ("segment", "VARCHAR", "Value of the dimension; empty for figures of the whole term"),
            ("metric", "VARCHAR", "Column of enrollment_metrics or segment_metrics"),
            ("value", "DOUBLE", "Its value"),
        ),
        "date",
        OPERATIONS,
    )
    derivations = Table(
        "derivations",
        "One row per derived table, day and term: what its rows were computed from",
        columns_of(
            ("table_name", "VARCHAR", "The derived table"),
            ("date", "DATE", "Day of the rows"),
            ("term", "VARCHAR", "Code of the term"),
            ("lineage", "VARCHAR", "Fingerprint of all they depend on; empty if it was stale"),
            ("run_id", "VARCHAR", "Dagster run that computed them"),
            ("derived_at", "TIMESTAMPTZ", "When"),
        ),
        "date",
        OPERATIONS,
    )
    pruned = Table(
        "pruned_snapshots",
        "One row per term and prune: snapshots before `kept_from` are gone, their figures stand",
        columns_of(
            ("term", "VARCHAR", "Code of the term"),
            ("kept_from", "DATE", "First snapshot that was kept; figures up to it are final"),
            ("snapshot_count", "BIGINT", "Snapshots that were removed"),
            ("run_id", "VARCHAR", "Dagster run that removed them"),
            ("pruned_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    core = (snapshots, log, changes, metrics, segments)
    ledgers = (attempts, restatements, reported, derivations, pruned)
    insight = (*_comparisons(), *_persistence(dimensions), *_models(intervals))
    told = (_disclosure(), *_deliveries())
    return {table.name: table for table in (*core, *ledgers, *insight, *told)}


_COMPARED = (
    ("comparison_term", "VARCHAR", "The term that it is compared with"),
    ("comparison_day", "DATE", "Day of that term with the same distance to the anchor"),
    (
        "comparison_date",
        "DATE",
        "The snapshot of it that is shown: of that day, or the last before",
    ),
    ("comparison_gap_days", "INTEGER", "Days between the two; 0 where the day has a snapshot"),
    ("days_to_start", "INTEGER", "Days until the term starts; negative afterwards"),
    ("total_enrollment", "BIGINT", "Headcount on the date"),
    ("comparison_total", "BIGINT", "Headcount of the comparison term on comparison_date"),
    ("change", "BIGINT", "The first less the second"),
    ("change_pct", "DOUBLE", "The change in percent of comparison_total"),
    ("comparison_census", "BIGINT", "Its headcount at its census; empty until that was known"),
    ("comparison_final", "BIGINT", "Its headcount on its last accepted day; empty until it ended"),
    ("note", "VARCHAR", "What the comparison lacks, in words"),
)


def _comparisons() -> tuple[Table, ...]:
    """A term beside an earlier one at the same distance to its anchor."""
    totals = Table(
        "point_in_time",
        "One row per day and term with an accepted snapshot",
        columns_of(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            *_COMPARED,
        ),
        "date",
    )
    segments = Table(
        "segment_point_in_time",
        "One row per day, term, dimension and segment with students in the term or its comparison",
        columns_of(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension"),
            ("segment", "VARCHAR", "Value of the dimension"),
            *_COMPARED,
            (
                "contribution_pct",
                "DOUBLE",
                "The change in percent of the comparison's whole headcount: its part in the growth",
            ),
        ),
        "date",
    )
    return totals, segments


def _persistence(dimensions: tuple[str, ...]) -> tuple[Table, ...]:
    """Cohorts that are followed, and the frozen censuses that they start from."""
    key = (
        ("dimension", "VARCHAR", "Name of the dimension; empty for the whole cohort"),
        ("segment", "VARCHAR", "The student's value of it at the census of the cohort's term"),
    )
    persistence = Table(
        "term_persistence",
        "One row per cohort term, later term, dimension and segment",
        columns_of(
            ("cohort_term", "VARCHAR", "Term at whose census the cohort was enrolled"),
            ("term", "VARCHAR", "Later term whose census is behind"),
            *key,
            ("cohort_size", "BIGINT", "Students enrolled at the census of cohort_term"),
            ("enrolled", "BIGINT", "Of these, enrolled at the census of term"),
            ("persistence_rate", "DOUBLE", "Percent"),
        ),
    )
    melt = Table(
        "deposit_melt",
        "One row per term, dimension and segment with deposit-like students, once the census is behind",
        columns_of(
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension; empty for the whole term"),
            ("segment", "VARCHAR", "The student's last value of it with a deposit-like status"),
            (
                "deposited",
                "BIGINT",
                "Students who ever stood with a deposit-like status before census",
            ),
            ("enrolled", "BIGINT", "Of these, at the census with another status"),
            ("melted", "BIGINT", "The others"),
            ("melt_rate", "DOUBLE", "Percent of deposited"),
        ),
    )
    survival = Table(
        "term_survival",
        "One row per term and number of days after a student's first snapshot in it",
        columns_of(
            ("term", "VARCHAR", "Code of the term"),
            ("days_enrolled", "INTEGER", "Days since the student was first in the term's list"),
            ("at_risk", "BIGINT", "Students who were followed for so long and had not left before"),
            ("dropped", "BIGINT", "Of these, left for good after so many days"),
            (
                "survival_pct",
                "DOUBLE",
                "Kaplan-Meier estimate of the share still enrolled, percent",
            ),
            (
                "lower_95",
                "DOUBLE",
                "Its 95 % interval (Greenwood's variance, log-log scale), percent",
            ),
            ("upper_95", "DOUBLE", "The same, upper bound"),
        ),
    )
    censuses = Table(
        "census_snapshots",
        "One row per term: the snapshot that its official count was frozen from",
        columns_of(
            ("term", "VARCHAR", "Code of the term"),
            ("census_date", "DATE", "Configured census when it was frozen"),
            (
                "snapshot_date",
                "DATE",
                "Day of the snapshot: the census, or the last accepted one before",
            ),
            ("student_count", "BIGINT", "Headcount"),
            ("content_hash", "VARCHAR", "Fingerprint of the snapshot's rows"),
            ("run_id", "VARCHAR", "Dagster run that froze it"),
            ("frozen_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    members = Table(
        "census_members",
        "One row per term, student (and program): who was enrolled at the frozen census",
        columns_of(
            ("term", "VARCHAR", "Code of the term"),
            ("student_id", "VARCHAR", "The student's id"),
            ("status", "VARCHAR", "Status code as the source gave it"),
            *((name, "VARCHAR", f"The student's {name} at the census") for name in dimensions),
        ),
        schema=OPERATIONS,
    )
    return persistence, melt, survival, censuses, members


def _models(intervals: tuple[int, ...]) -> tuple[Table, ...]:
    """What is expected: anomalies, forecasts, and how good they were."""
    anomalies = Table(
        "enrollment_anomalies",
        "One row per day, term and series: the term's totals always, segments where they are unusual",
        columns_of(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            (
                "series",
                "VARCHAR",
                "new_students, dropped_students or net_change, and of which segment",
            ),
            ("dimension", "VARCHAR", "Name of the dimension; empty for the whole term"),
            ("segment", "VARCHAR", "Value of the dimension; empty for the whole term"),
            ("observed", "DOUBLE", "Students a day: over a gap the change divided by its days"),
            ("expected", "DOUBLE", "Students a day; empty if there is too little history"),
            ("lower", "DOUBLE", "Lower bound of what is usual"),
            ("upper", "DOUBLE", "Upper bound of what is usual"),
            ("score", "DOUBLE", "Distance from the expected value in robust standard deviations"),
            ("is_anomaly", "BOOLEAN", "Unusual, and large enough to tell"),
            ("kind", "VARCHAR", "spike or drop; empty if it is usual"),
            ("explanation", "VARCHAR", "The probable cause, or why nothing can be said"),
        ),
        "date",
    )
    acknowledged = Table(
        "acknowledged_anomalies",
        "One row per anomaly that a person confirmed; its day is not learned from",
        columns_of(
            ("date", "DATE", "Day of the anomaly"),
            ("term", "VARCHAR", "Code of the term"),
            ("reason", "VARCHAR", "Why, in that person's words"),
            ("acknowledged_by", "VARCHAR", "Who"),
            ("acknowledged_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    bounds = tuple(
        (f"{side}_{level}", "DOUBLE", f"{side.capitalize()} bound of the {level} % interval")
        for level in intervals
        for side in ("lower", "upper")
    )
    forecast = (
        ("as_of", "DATE", "Day whose knowledge the forecast uses, and nothing later"),
        ("term", "VARCHAR", "Code of the term"),
        ("target_date", "DATE", "Day that it is about; empty where there is no forecast"),
        ("horizon_days", "INTEGER", "Days between the two"),
        ("method", "VARCHAR", "How it was made; none where there is none"),
        ("forecast", "DOUBLE", "Expected headcount"),
        *bounds,
        ("note", "VARCHAR", "Why there is no forecast, or what stands out about the target date"),
    )
    forecasts = Table(
        "enrollment_forecast",
        "One row per day, term and target date: the chosen method, to the horizon or the term's end",
        columns_of(*forecast),
        "as_of",
    )
    issued = Table(
        "issued_forecasts",
        "One row per forecast that was ever issued; rows are only added",
        columns_of(
            *forecast,
            ("run_id", "VARCHAR", "Dagster run that issued it"),
            ("made_at", "TIMESTAMPTZ", "When; later than as_of in a backfill"),
        ),
        "as_of",
        OPERATIONS,
    )
    scorecard = Table(
        "forecast_scorecard",
        "One row per day, term, method and horizon: back-tests, and under `issued` real forecasts",
        columns_of(
            ("as_of", "DATE", "Day whose knowledge the score uses, and nothing later"),
            ("term", "VARCHAR", "Code of the term"),
            ("method", "VARCHAR", "Method that was tried; issued for the forecasts that were made"),
            ("horizon_days", "INTEGER", "Days ahead"),
            ("n", "BIGINT", "Forecasts that were scored"),
            ("mae", "DOUBLE", "Mean absolute error, students"),
            (
                "mape",
                "DOUBLE",
                "Mean absolute error in percent; only of headcounts of 100 and more",
            ),
            (
                "mase",
                "DOUBLE",
                "Mean absolute error / mean absolute change of a day (naive, in sample)",
            ),
            ("bias", "DOUBLE", "Mean of forecast less observed, students"),
            ("skill_pct", "DOUBLE", "By how much the MAE is under that of the last value, percent"),
            *(
                (f"coverage_{level}", "DOUBLE", f"Percent inside the {level} % interval")
                for level in intervals
            ),
            ("chosen", "BOOLEAN", "Whether the day's forecast uses this method at this horizon"),
        ),
        "as_of",
    )
    return anomalies, acknowledged, forecasts, issued, scorecard


def _disclosure() -> Table:
    """Which segments may be shown to everybody who sees a report or an export."""
    return Table(
        "segment_disclosure",
        "One row per day, term, dimension and segment with students: whether it may be shown",
        columns_of(
            ("date", "DATE", "Day of the snapshot"),
            ("term", "VARCHAR", "Code of the term"),
            ("dimension", "VARCHAR", "Name of the dimension"),
            ("segment", "VARCHAR", "Value of the dimension"),
            ("total_enrollment", "BIGINT", "Distinct students in it, withheld or not"),
            (
                "withheld",
                "VARCHAR",
                "small, complement (tells a small one), unlisted (the mere list tells); empty: shown",
            ),
        ),
        "date",
    )


def _deliveries() -> tuple[Table, ...]:
    """Who was told what, and who took out a list of students."""
    reports = Table(
        "report_deliveries",
        "One row per try to mail a day's report, and recipients with the same outcome",
        columns_of(
            ("date", "DATE", "Day of the report"),
            ("kind", "VARCHAR", "report"),
            ("recipients", "VARCHAR", "The addresses in order, with a comma between"),
            ("message_id", "VARCHAR", "Message-ID of the mail: the same for every try"),
            (
                "state",
                "VARCHAR",
                "sent, failed, or sending: it may have arrived, and is sent again",
            ),
            ("detail", "VARCHAR", "What the server answered where it failed"),
            ("run_id", "VARCHAR", "Dagster run that sent it"),
            ("recorded_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    alerts = Table(
        "alert_deliveries",
        "One row per piece of news and address that took it",
        columns_of(
            ("news_id", "VARCHAR", "What it is about: a run, a check of a run, an anomaly, a day"),
            ("address", "VARCHAR", "Kind of the address and a mark; it may hold a password itself"),
            ("title", "VARCHAR", "Title of the message"),
            ("delivered_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    lists = Table(
        "student_list_access",
        "One row per list of students that left the warehouse",
        columns_of(
            ("date", "DATE", "Day of the list"),
            ("term", "VARCHAR", "Code of the term; empty for all"),
            ("what", "VARCHAR", "Which list, such as added, dropped, moved or fact_student_change"),
            ("row_count", "BIGINT", "Rows in it"),
            ("place", "VARCHAR", "File that holds it, or mail"),
            ("taken_by", "VARCHAR", "Who asked for it: a person, or the run's job"),
            ("reason", "VARCHAR", "Why, where a person asked"),
            ("taken_at", "TIMESTAMPTZ", "When"),
        ),
        schema=OPERATIONS,
    )
    return reports, alerts, lists


WEEKLY_VIEW = Table(
    "weekly_enrollment_summary",
    "One row per term and week, from Monday to Sunday",
    columns_of(
        ("term", "VARCHAR", "Code of the term"),
        ("week_start", "DATE", "Monday of the week"),
        ("avg_enrollment", "DOUBLE", "Mean headcount of the week's snapshots"),
        ("weekly_adds", "HUGEINT", "Students added in the week, counted once a day"),
        ("weekly_drops", "HUGEINT", "Students dropped in the week, counted once a day"),
        ("avg_retention", "DOUBLE", "Mean day-over-day continuation in percent"),
    ),
)


MONTHLY_VIEW = Table(
    "monthly_enrollment_summary",
    "One row per term and calendar month",
    columns_of(
        ("term", "VARCHAR", "Code of the term"),
        ("month_start", "DATE", "First day of the month"),
        ("avg_enrollment", "DOUBLE", "Mean headcount of the month's snapshots"),
        ("monthly_adds", "HUGEINT", "Students added in the month, counted once a day"),
        ("monthly_drops", "HUGEINT", "Students dropped in the month, counted once a day"),
        ("avg_retention", "DOUBLE", "Mean day-over-day continuation in percent"),
    ),
)

TREND_VIEW = Table(
    "enrollment_trend",
    "One row per day and term with an accepted snapshot",
    columns_of(
        ("date", "DATE", "Day of the snapshot"),
        ("term", "VARCHAR", "Code of the term"),
        ("total_enrollment", "BIGINT", "Headcount: distinct students"),
        ("moving_average_7", "DOUBLE", "Mean headcount of the snapshots of the last 7 days"),
        ("moving_average_28", "DOUBLE", "Mean headcount of the snapshots of the last 28 days"),
        ("slope", "DOUBLE", "Mean change of the last 28 days, students a day"),
        ("slope_lower", "DOUBLE", "Lower bound of its 95 % interval (Student's t)"),
        ("slope_upper", "DOUBLE", "Upper bound of it"),
        ("volatility", "DOUBLE", "Standard deviation of the daily changes of the last 28 days"),
        ("direction", "VARCHAR", "rising, falling, level, or empty: fewer than 3 changes"),
    ),
)


VIEWS = (WEEKLY_VIEW, MONTHLY_VIEW, TREND_VIEW)
