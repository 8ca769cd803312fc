"""The result of a check: whether a property holds, how bad it is if not, and the figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """Whether a property holds, how bad it is if not, and the figures to judge by."""

    check: str
    passed: bool
    is_error: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)
