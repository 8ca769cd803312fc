"""How asset events are written into Dagster's log: its own JSON, without what nobody reads.

An asset has an event for every day, and most of an event's text repeats what other columns or other
parts of it say. What is left out here has a default in Dagster's classes or is shown nowhere, so that
Dagster's own storage reads these rows, too.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from enrollment_assets.orchestration.dagster_internals.storage import (
    DagsterEventType,
    EventLogEntry,
    pack_value,
)

SLIM_EVENTS = frozenset(
    {
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_CHECK_EVALUATION,
        DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    }
)

# Fields that may be left out where they are empty: the classes have the same defaults.
_MAY_BE_EMPTY = {
    "EventLogEntry": {"step_key", "pipeline_name"},
    "DagsterEvent": {"step_handle", "solid_handle", "step_kind_value", "step_key"},
    "StepMaterializationData": {"asset_lineage"},
    "AssetMaterialization": {"description", "partition", "tags"},
    "AssetMaterializationPlannedData": {"partition", "partitions_subset"},
    "AssetCheckEvaluation": {
        *("blocking", "description", "metadata", "partition"),
        "target_materialization_data",
    },
    "AssetCheckEvaluationPlanned": {"partitions_subset"},
    "EventMetadataEntry": {"description"},
}
_NO_FIELDS: set[str] = set()


def slim_text(event: EventLogEntry) -> str:
    """The text of an event: as short as Dagster can read it, if it is one of `SLIM_EVENTS`."""
    return _text(_slim(event))


def text_of_run(event: EventLogEntry) -> str:
    """The text of an event in the log of its run, without what Dagster reads from the index only.

    A materialization loses its tags, which are versions of data: they are compared across runs. An
    evaluation loses its figures.
    """
    packed = _slim(event)
    data = packed["dagster_event"]["event_specific_data"]
    if data["__class__"] == "AssetCheckEvaluation":
        data.pop("metadata", None)
    else:
        data["materialization"].pop("tags", None)
    return _text(packed)


def text_by_partition(event: EventLogEntry, partitions: list[str | None]) -> Iterator[str]:
    """The texts of an event that plans many partitions, as one that plans only one of them each."""
    packed = _slim(event)
    if len(partitions) > 1:
        # The run's log says it in words, once.
        packed["dagster_event"].pop("message")
    planned = packed["dagster_event"]["event_specific_data"]
    planned.pop("partitions_subset", None)
    # Planned checks have no field for a partition: the table's own column names it.
    has_partition = planned["__class__"] == "AssetMaterializationPlannedData"
    for partition in partitions:
        if has_partition and partition is not None:
            planned["partition"] = partition
        yield _text(packed)


def pointer_text(event: EventLogEntry) -> str:
    """The text of an event of which another table of the same file holds the whole."""
    packed = _slim(event)
    packed["user_message"] = packed.pop("dagster_event")["message"]
    return _text(packed)


def _slim(event: EventLogEntry) -> dict[str, Any]:
    packed: dict[str, Any] = dict(pack_value(event))
    # Older versions of Dagster had this field, and it is always empty.
    packed.pop("message", None)
    inner = packed["dagster_event"] = dict(packed["dagster_event"])
    if inner["message"] is not None:
        packed["user_message"] = ""
    # Names of the run, the step and the process that other fields and columns say, too.
    del inner["logging_tags"], inner["pid"]
    node = inner["solid_handle"]
    # Dagster makes the handle of an ordinary step, and its key, from the node's.
    if node and not node["parent"] and inner["step_key"] == node["name"]:
        del inner["step_handle"], inner["step_key"]
    slim: dict[str, Any] = _without_empty(packed)
    return slim


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        optional = _MAY_BE_EMPTY.get(value.get("__class__", ""), _NO_FIELDS)
        return {
            name: _without_empty(inner)
            for name, inner in value.items()
            if not (name in optional and inner in (None, [], {}))
        }
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _text(packed: Mapping[str, Any]) -> str:
    return json.dumps(packed, separators=(",", ":"))
