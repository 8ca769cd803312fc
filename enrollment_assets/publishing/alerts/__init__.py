"""Messages to the people who run this, in words without student data."""
