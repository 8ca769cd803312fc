"""Tests of when and how runs go."""
