"""Tests of behaviour, on real DuckDB files and real Dagster instances."""
