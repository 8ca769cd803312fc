"""Names that several rooms use: jobs, groups, tags, checks, the pool, owners. Strings only."""

DAILY = "daily_enrollment_job"
BACKFILL = "backfill_job"
REPORTS = "reports_job"
FRESHNESS = "freshness_job"
PRUNE = "prune_job"

# These depend on snapshots of other days, and are restated when one of them changes.
RESTATED_GROUPS = ("changes", "metrics")
CORE_GROUPS = ("ingest", *RESTATED_GROUPS)
CUSTOM_GROUP = "custom"
INSIGHT_GROUPS = ("insight", CUSTOM_GROUP)
EXPORT_GROUP = "exports"
REPORT_GROUP = "reports"

# Parts of the backfill job, and their groups: what a command or the daemon computes and no more.
CORE = "core"
RESTATE = "restatement"
# With the exports, which hold all days: whatever is restated reaches their readers.
INSIGHT = "insight"
PARTS = {
    CORE: CORE_GROUPS,
    RESTATE: RESTATED_GROUPS,
    INSIGHT: (*INSIGHT_GROUPS, EXPORT_GROUP),
}
PART_TAG = "enrollment/part"

# The run mails its report: set by the schedule and by `enrollment run --email`.
NOTIFY_TAG = "enrollment/notify"
# On runs in which days that cannot be loaded are listed and skipped, even if it is only one.
LENIENT_TAG = "enrollment/lenient"
# Days that a run makes stale fail this check until they are restated.
RESTATED_CHECK = "baseline_is_current"

# Runs that touch the file wait for each other (see `concurrency` in dagster.yaml).
POOL = "warehouse"
OWNERS = ("team:institutional-research",)

# Dagster's own tags. They are public text, but their names in Python are private ones.
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"
BACKFILL_TAG = "dagster/backfill"
MAX_RUNTIME_TAG = "dagster/max_runtime"
WILL_RETRY_TAG = "dagster/will_retry"
AUTO_RETRY_RUN_ID_TAG = "dagster/auto_retry_run_id"
# A run whose process died, and which a later one closed.
CLOSED_TAG = "enrollment/closed"
