"""What is computed, one room for each asset group: ingest, changes, metrics, insight, custom."""
