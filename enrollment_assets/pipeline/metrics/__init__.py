"""Stage three: the figures of each day, in all and by segment."""
