"""Tests of where snapshots come from."""
