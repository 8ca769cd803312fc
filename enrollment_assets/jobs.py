"""The jobs: what one morning runs, and what a backfill runs."""

from dagster import AssetSelection, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

DAILY = "daily_enrollment_job"
CORE = "core_job"
REPORTS = "reports_job"

CORE_ASSETS = (
    "enrollment_snapshots",
    "snapshot_log",
    "student_changes",
    "enrollment_metrics",
    "segment_metrics",
    "weekly_enrollment_summary",
)
_REPORT_GROUPS = ("reports", "exports")


def build_jobs() -> list[UnresolvedAssetJobDefinition]:
    """The daily job first, then its parts."""
    return [
        define_asset_job(
            DAILY, AssetSelection.all(), description="Everything of one day, report included."
        ),
        define_asset_job(
            CORE,
            AssetSelection.assets(*CORE_ASSETS),
            description="Snapshots, changes, metrics and segments: what a backfill needs.",
        ),
        define_asset_job(
            REPORTS,
            AssetSelection.groups(*_REPORT_GROUPS),
            description="Charts and reports of days that have their figures.",
        ),
    ]
