"""Pure calculations; nothing here imports dagster."""
