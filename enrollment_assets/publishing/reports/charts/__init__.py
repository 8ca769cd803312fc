"""The charts of a day: one module for each, and what they share."""
