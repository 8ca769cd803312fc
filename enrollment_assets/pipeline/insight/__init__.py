"""Stage four: comparisons, cohorts, anomalies, forecasts, and what may be shown."""
