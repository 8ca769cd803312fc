"""Messages to the people who operate this; none holds student data."""
