"""Turns findings into Dagster's results, one for each partition, in range runs too."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import dagster as dg

from enrollment_assets.config import Settings
from enrollment_assets.pipeline.findings import Facts, Finding
from enrollment_assets.pipeline.partitions import daily_partitions
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.statements import statement

_MOST_FAILED_DAYS_SHOWN = 20


def check_specs(
    settings: Settings,
    asset: str,
    descriptions: Mapping[str, str],
    *,
    after: Sequence[str] = (),
) -> list[dg.AssetCheckSpec]:
    """Partitioned checks on one asset; none of them blocks, since that would stop a whole range."""
    partitions = daily_partitions(settings)
    return [
        dg.AssetCheckSpec(
            name,
            asset=asset,
            description=text,
            partitions_def=partitions,
            additional_deps=list(after),
        )
        for name, text in descriptions.items()
    ]


def facts_by_day(
    warehouse: Warehouse, name: str, days: Sequence[dt.date]
) -> dict[dt.date, list[Facts]]:
    """The rows that a SQL file gives for each day; days without rows are left out."""
    with warehouse.connect() as connection, plain_errors(f"Reading {name}"):
        cursor = connection.execute(
            statement(name, warehouse.settings), {"first": days[0], "last": days[-1]}
        )
        names = [column[0] for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {day: list(group) for day, group in groupby(rows, key=lambda row: row["snapshot_date"])}


def evaluation(asset: str, day: dt.date, finding: Finding) -> dg.AssetCheckEvaluation:
    """What a finding says of one partition, be it the run's or another one."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=finding.check,
        passed=finding.passed,
        severity=_severity(finding),
        metadata=_metadata(finding.figures),
        partition=day.isoformat(),
    )


def results(
    asset: str, findings: Mapping[dt.date, Sequence[Finding]]
) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
    """One result for each check and day; a range also gets the roll-up that Dagster asks for."""
    if len(findings) > 1:
        for day, of_day in findings.items():
            for finding in of_day:
                yield evaluation(asset, day, finding)
    by_check: dict[str, list[tuple[dt.date, Finding]]] = {}
    for day, of_day in findings.items():
        for finding in of_day:
            by_check.setdefault(finding.check, []).append((day, finding))
    for check, of_check in by_check.items():
        failed = [(day, finding) for day, finding in of_check if not finding.passed]
        figures: Mapping[str, Any] = of_check[0][1].figures
        if len(of_check) > 1:
            shown = [day.isoformat() for day, _ in failed[:_MOST_FAILED_DAYS_SHOWN]]
            figures = {"days": len(of_check), "failed_days": len(failed), "first_failed": shown}
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=check,
            passed=not failed,
            severity=_severity(max((f for _, f in failed), key=lambda f: f.is_error, default=None)),
            metadata=_metadata(figures),
        )


def _severity(finding: Finding | None) -> dg.AssetCheckSeverity:
    bad = finding is not None and finding.is_error
    return dg.AssetCheckSeverity.ERROR if bad else dg.AssetCheckSeverity.WARN


def _metadata(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: ", ".join(value) if isinstance(value, list) else value
        for name, value in figures.items()
        if value is not None
    }
