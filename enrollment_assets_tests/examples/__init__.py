"""Tests of the examples, and real registrations."""
