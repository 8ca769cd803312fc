"""Stage four: what the figures mean: comparisons, trends, cohorts, anomalies, forecasts."""

from collections.abc import Iterator

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.assets import column_schema, declared_out, table_asset, view_asset
from enrollment_assets.pipeline.insight import cohorts
from enrollment_assets.pipeline.insight.models import Forecasts, acknowledge, anomalies, disclosures
from enrollment_assets.pipeline.names import OWNERS, POOL
from enrollment_assets.pipeline.partitions import daily_partitions, days_of
from enrollment_assets.schema.catalog import tables
from enrollment_assets.schema.platform import MONTHLY_VIEW, TREND_VIEW
from enrollment_assets.warehouse.connection import Warehouse
from enrollment_assets.warehouse.derive import COMPARISONS, Computed, Statement

GROUP = "insight"


class AcknowledgeConfig(dg.Config):
    """Nothing for an ordinary run; to confirm an anomaly: of which term, why, and who says so."""

    term: str | None = None
    reason: str = ""
    by: str = ""


class CohortConfig(dg.Config):
    """A term whose frozen census is thrown away and frozen anew, after its dates were edited."""

    refreeze: str | None = None


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Everything of group `insight`."""
    declared = tables(settings)

    @table_asset(settings, declared["point_in_time"], GROUP, ["enrollment_metrics"])
    def point_in_time() -> Statement:
        """One row per day and term: the same relative day of the comparison term beside it.

        Both dates are there, the gap if that day had no snapshot, and what the comparison came to.
        """
        return COMPARISONS["point_in_time"]

    @table_asset(
        settings, declared["segment_point_in_time"], GROUP, ["point_in_time", "segment_metrics"]
    )
    def segment_point_in_time() -> Statement:
        """One row per day, term, dimension and segment: the same point in time, and what it adds."""
        return COMPARISONS["segment_point_in_time"]

    @table_asset(
        settings,
        declared["segment_disclosure"],
        GROUP,
        ["segment_metrics", "enrollment_snapshots"],
        language="python",
    )
    def segment_disclosure() -> Computed:
        """One row per day, term, dimension and segment: whether its headcount may be published.

        Small ones are withheld, and with them what would give them away.
        """
        return Computed("segment_disclosure", disclosures, reads_snapshots=True)

    @table_asset(
        settings,
        declared["enrollment_anomalies"],
        GROUP,
        ["enrollment_metrics", "segment_metrics"],
        language="python",
    )
    def enrollment_anomalies(
        context: dg.AssetExecutionContext,
        config: AcknowledgeConfig,
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Computed:
        """One row per day, term and series: observed, expected, and whether that is unusual.

        Added students, dropped ones and the net change, in total always, of segments where unusual.
        """
        if config.term:
            with warehouse.connect() as connection:
                acknowledge(connection, days_of(context), config.term, config.reason, config.by)
        return Computed("enrollment_anomalies", anomalies)

    @dg.multi_asset(
        name="forecast_enrollment",
        outs={
            name: declared_out(declared[name], GROUP, Computed, kinds={"duckdb", "python"})
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
        specs=[
            dg.AssetSpec(
                name,
                deps=["enrollment_snapshots", "snapshot_log", "student_changes"],
                description=f"{declared[name].grain}.",
                group_name=GROUP,
                owners=list(OWNERS),
                kinds={"duckdb", "sql"},
                tags={"domain": "enrollment"},
                metadata={
                    "dagster/column_schema": column_schema(declared[name]),
                    "dagster/table_name": declared[name].relation,
                },
            )
            for name in cohorts.TABLES
        ],
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
                connection, settings, run_id=context.run.run_id, refreeze=config.refreeze
            )
        for name, count in counts.items():
            yield dg.MaterializeResult(asset_key=name, metadata={"dagster/row_count": count})

    views = [
        view_asset(
            settings,
            view,
            GROUP,
            ["enrollment_metrics"],
            f"{view.grain}, as a view over the metrics.",
        )
        for view in (MONTHLY_VIEW, TREND_VIEW)
    ]
    compared = [point_in_time, segment_point_in_time, segment_disclosure]
    return [*compared, enrollment_anomalies, forecast_enrollment, follow_cohorts, *views]
