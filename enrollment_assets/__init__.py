"""Daily enrollment snapshots as Dagster assets."""
