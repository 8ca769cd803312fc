"""Which partitions of an asset Dagster records as materialized."""

from collections.abc import Collection

import dagster as dg


def materialize_only(context: dg.OutputContext, keys: Collection[str]) -> None:
    """Let Dagster record these partitions of the output as materialized, and no other of the run's.

    Dagster records all partitions of a run, and has no public way to leave one out. It asks this
    context which ones they are after the IO manager is done.
    """
    if keys:
        subset = context.asset_partitions_def.subset_with_partition_keys(sorted(keys))
        context._asset_partitions_subset = subset  # noqa: SLF001 - no public way
    else:
        # An empty set would be recorded as a materialization of no partition.
        context._asset_key = None  # noqa: SLF001 - no public way
