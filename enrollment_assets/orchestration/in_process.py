"""Runs a job in this process, and records the run as one of the code location that the UI loads.

`JobDefinition.execute_in_process` records no origin: such a run is missing from its job's page, and
neither the UI nor the daemon can begin it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from enrollment_assets.orchestration.dagster_internals import (
    InMemoryJob,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
    execute_run,
)
from enrollment_assets.pipeline.names import WILL_RETRY_TAG

# As in workspace.yaml and pyproject.toml.
CODE_LOCATION = "enrollment_assets"


def run_in_process(
    definitions: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    *,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
    groups: Sequence[str] = (),
) -> dg.JobExecutionResult:
    """Run a job of these definitions to its end, or only some asset groups of it.

    An error is in the result, and not raised.
    """
    repository = definitions.get_repository_def()
    definition = repository.get_job(job)
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), repository.name)
    run = instance.create_run_for_job(
        definition,
        run_config=run_config,
        tags={**definition.run_tags, **tags},
        asset_selection=assets_of(definitions, groups) if groups else None,
        remote_job_origin=origin.get_job_origin(job),
    )
    result = execute_run(InMemoryJob(definition), run, instance)
    if not result.success:
        # The command reports the failure. Dagster would take Ctrl-C for a killed process, and its
        # daemon would start the run again.
        instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    return result


def assets_of(definitions: dg.Definitions, groups: Sequence[str]) -> frozenset[dg.AssetKey]:
    """The assets of some groups."""
    graph = definitions.resolve_asset_graph()
    return frozenset(dg.AssetSelection.groups(*groups).resolve(graph))
