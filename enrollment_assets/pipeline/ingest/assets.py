"""Stage one: the day's snapshot as the source gave it, and the log of verdicts."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.assets import TAGS, WrittenDays, described, documented
from enrollment_assets.pipeline.ingest.intake import SnapshotIntake
from enrollment_assets.pipeline.ingest.verdicts import Decision, DecisionKind
from enrollment_assets.pipeline.names import OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions, is_strict
from enrollment_assets.schema.catalog import tables


class IntakeConfig(dg.Config):
    """Empty for a run that reads the source; for a person's decision: what, why and who."""

    decision: DecisionKind | None = None
    term: str | None = None
    reason: str = ""
    by: str = ""

    def as_decision(self) -> Decision | None:
        """The decision, if there is one.

        Raises:
            ConfigurationError: if it lacks the reason or the name.
        """
        if self.decision is None:
            return None
        if not (self.reason.strip() and self.by.strip()):
            raise ConfigurationError(
                f"To {self.decision} a snapshot, say why (reason) and who decides (by); both are "
                "recorded."
            )
        return Decision(self.decision, self.by.strip(), self.reason.strip(), self.term)


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`enrollment_snapshots` and `snapshot_log`."""
    declared = tables(settings)
    snapshots, log = declared["enrollment_snapshots"], declared["snapshot_log"]

    @dg.multi_asset(
        name="load_snapshots",
        outs={
            snapshots.name: dg.AssetOut(
                dagster_type=SnapshotIntake,
                group_name="ingest",
                kinds={"duckdb", settings.source.kind},
                owners=list(OWNERS),
                tags={**TAGS, "contains": "student-data"},
                description=described(snapshots),
                metadata=documented(snapshots),
            ),
            log.name: dg.AssetOut(
                dagster_type=WrittenDays,
                group_name="ingest",
                kinds={"duckdb"},
                owners=list(OWNERS),
                tags=TAGS,
                description=described(log),
                metadata=documented(log),
            ),
        },
        internal_asset_deps={log.name: {dg.AssetKey(snapshots.name)}, snapshots.name: set()},
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"source"},
        pool=POOL,
    )
    def load_snapshots(
        context: dg.AssetExecutionContext, config: IntakeConfig
    ) -> Iterator[dg.Output[object]]:
        """Loads each day from the source and stores it with its log in one transaction."""
        decision = config.as_decision()
        intake = SnapshotIntake(
            context.resources.source,
            strict=decision is None and is_strict(context),
            decision=decision,
        )
        yield dg.Output(intake, snapshots.name)
        for day in intake.results:
            context.add_asset_metadata(
                day.summary(), asset_key=log.name, partition_key=day.date.isoformat()
            )
            if day.reasons:
                context.log.warning("%s: %s. %s", day.date, day.status, day.reasons)
        yield dg.Output(WrittenDays(intake.complete_days), log.name)

    return [load_snapshots]
