"""Stage one: the day's snapshot as the source gave it, judged and stored."""
