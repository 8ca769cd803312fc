"""Stage four: what the figures mean: comparisons, trends, cohorts, anomalies, forecasts.

What SQL computes is declared in its SQL file; here is what Python computes, or several tables at once.
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.pipeline.assets import (
    declared_out,
    declared_spec,
    stage_assets,
    table_asset,
)
from enrollment_assets.pipeline.insight import cohorts
from enrollment_assets.pipeline.insight.models import Forecasts, acknowledge, anomalies, disclosures
from enrollment_assets.pipeline.names import POOL
from enrollment_assets.pipeline.partitions import daily_partitions, days_of
from enrollment_assets.schema.catalog import tables
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import Computed


class AcknowledgeConfig(dg.Config):
    """Nothing for an ordinary run; to confirm an anomaly: of which term, why, and who says so."""

    term: str | None = None
    reason: str = ""
    by: str = ""


class CohortConfig(dg.Config):
    """A term whose census is frozen again, after its dates were edited.

    For a person's decision: the term, the day of the snapshot (default: the census), why, and who.
    """

    refreeze: str | None = None
    term: str | None = None
    day: str | None = None
    reason: str = ""
    by: str = ""

    def as_decision(self) -> cohorts.CensusDecision | None:
        """The decision, if there is one.

        Raises:
            ConfigurationError: if it lacks the reason or the name.
        """
        if self.term is None:
            return None
        if not (self.reason.strip() and self.by.strip()):
            raise ConfigurationError(
                "To confirm or move a census, say why (reason) and who decides (by); both are recorded."
            )
        day = dt.date.fromisoformat(self.day) if self.day else None
        return cohorts.CensusDecision(self.term, self.reason.strip(), self.by.strip(), day)


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Everything of group `insight`."""
    declared = tables(settings)

    @table_asset(settings, declared["segment_disclosure"], language="python")
    def segment_disclosure() -> Computed:
        return Computed("segment_disclosure", disclosures)

    @table_asset(settings, declared["enrollment_anomalies"], language="python")
    def enrollment_anomalies(
        context: dg.AssetExecutionContext,
        config: AcknowledgeConfig,
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Computed:
        if config.term:
            with warehouse.connect() as connection:
                acknowledge(connection, days_of(context), config.term, config.reason, config.by)
        return Computed("enrollment_anomalies", anomalies)

    @dg.multi_asset(
        name="forecast_enrollment",
        outs={
            name: declared_out(settings, declared[name], Computed, kinds={"duckdb", "python"})
            for name in ("enrollment_forecast", "forecast_scorecard")
        },
        deps=["enrollment_metrics"],
        internal_asset_deps={
            "enrollment_forecast": {dg.AssetKey("enrollment_metrics")},
            "forecast_scorecard": {dg.AssetKey("enrollment_forecast")},
        },
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def forecast_enrollment() -> Iterator[dg.Output[Computed]]:
        """Forecasts every open term by the method that back-tests best, and scores past forecasts."""
        models = Forecasts()
        name = "enrollment_forecast"
        yield dg.Output(Computed(name, models.forecast, ("issue_forecasts",)), name)
        yield dg.Output(Computed("forecast_scorecard", models.scorecard), "forecast_scorecard")

    @dg.multi_asset(
        name="follow_cohorts",
        specs=[declared_spec(settings, declared[name]) for name in cohorts.TABLES],
        pool=POOL,
    )
    def follow_cohorts(
        context: dg.AssetExecutionContext,
        config: CohortConfig,
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Freezes the censuses that are behind, and follows their cohorts through later terms."""
        with warehouse.connect() as connection:
            counts = cohorts.follow(
                connection,
                settings,
                run_id=context.run.run_id,
                refreeze=config.refreeze,
                decision=config.as_decision(),
            )
        for name, count in counts.items():
            yield dg.MaterializeResult(asset_key=name, metadata={"dagster/row_count": count})

    computed = [segment_disclosure, enrollment_anomalies, forecast_enrollment, follow_cohorts]
    return [*stage_assets(settings, "insight"), *computed]
