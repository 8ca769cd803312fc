"""Metrics that people add: computed and checked like the platform's own."""
