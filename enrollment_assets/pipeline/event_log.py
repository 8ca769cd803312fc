"""What Dagster remembers about an asset's partitions."""

from collections.abc import Iterable, Iterator

import dagster as dg

# How many ids one query reads.
_CHUNK = 500


def newest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Iterable[str] | None = None
) -> Iterator[dg.EventLogRecord]:
    """The newest materialization of each partition, of all partitions or of the named ones."""
    events = instance.event_log_storage
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = events.get_latest_storage_id_by_partition(
        key, kind, set(partitions) if partitions is not None else None
    )
    ids = list(newest.values())
    for start in range(0, len(ids), _CHUNK):
        yield from events.get_event_records(
            dg.EventRecordsFilter(kind, asset_key=key, storage_ids=ids[start : start + _CHUNK])
        )
