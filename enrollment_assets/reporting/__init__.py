"""Charts and pages; nothing here imports dagster."""
