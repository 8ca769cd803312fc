"""Tests of the file that holds the tables."""
