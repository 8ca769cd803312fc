"""Stage one: loads the day's snapshot from the source, judges it and stores it."""
