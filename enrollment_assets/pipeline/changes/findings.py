"""Whether the stored changes add up: pure functions on the rows of `reconcile_changes.sql`."""

from collections.abc import Sequence
from typing import Any

from enrollment_assets.pipeline.findings import Facts, Finding


def changes_reconcile(facts: Sequence[Facts]) -> Finding:
    """Headcount = baseline headcount + added - dropped, recounted from the stored rows."""
    figures: dict[str, Any] = {}
    passed = True
    for row in facts:
        difference = row["student_count"] - (row["baseline_count"] + row["added"] - row["dropped"])
        passed = passed and difference == 0
        figures[f"difference_{row['term']}"] = difference
        figures[f"baseline_{row['term']}"] = f"{row['baseline_count']:,} on {row['baseline_date']}"
    return Finding("changes_reconcile", passed, is_error=True, figures=figures)
