"""When and how runs go: jobs, schedules, sensors, resources, the Dagster instance."""
